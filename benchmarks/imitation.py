"""How many demonstrations imitation from pixels needs until 99% of held-out episodes succeed.

    python benchmarks/imitation.py --levels GoToRedBall --jobs 2
    python benchmarks/imitation.py --levels GoToLocal --demonstrations 10000 --steps 8000

Each agent (``configs/imitation/bc.yaml``, ``dagger.yaml``) learns from several numbers of episodes
of the expert, with several seeds, by the ``mmrl train`` command; further options are handed to it.
``benchmarks/results/imitation.json`` has for each level, agent, number and seed the success on 512
held-out episodes with its 95% interval and its controls: a random policy, swapped instructions, the
expert's length. A table lies beside it as Markdown. What is not run this time keeps its entries.
With ``--folder`` a measurement that was interrupted is resumed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

from commands import finish
from learning import of_control
from seeds import add_folder, each_name, share_cores, work_folder

from mmrl.evaluation.report import provenance
from mmrl.files import write_atomically, write_json

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "imitation.json"
CONFIGS: Final = HERE.parent / "configs" / "imitation"
AGENTS: Final = ("bc", "dagger")
_KEPT: Final = ("success_rate", "success_rate_95", "episodes", "mean_length", "controls")


def measure(
    level: str, agent: str, count: int, seed: int, folder: Path, overrides: list[str]
) -> dict[str, Any]:
    """One training: its result."""
    out = folder / level / f"{agent}-{count}" / f"seed-{seed}"
    seconds = finish(
        out, "train", "--config", CONFIGS / f"{agent}.yaml", "--env", f"mmrl/{level}-v0",
        f"--{agent}.demonstrations", count, "--seed", seed, *overrides,
    )  # fmt: skip
    result = json.loads((out / "result.json").read_text())
    return {
        "seed": seed, **{key: result.get(key) for key in _KEPT}, "command_seconds": seconds
    }  # fmt: skip


def table(levels: dict[str, Any]) -> str:
    """One level, agent and number of demonstrations a line."""
    lines = [
        "| level | agent | demonstrations | gradient steps | success, by seed | swapped "
        "instructions | random policy | steps (the expert's) |",
        "|---|---|--:|--:|---|--:|--:|--:|",
    ]
    for level, agents in levels.items():
        for agent, counts in agents.items():
            for count, one in sorted(counts.items(), key=lambda item: int(item[0])):
                runs = one["runs"]
                rates = ", ".join(f"{run['success_rate']:.1%}" for run in runs)
                swapped = ", ".join(of_control(run, "swapped_instructions") for run in runs)
                length = sum(run["mean_length"] for run in runs) / len(runs)
                expert = ((runs[0]["controls"] or {}).get("expert") or {}).get("mean_length")
                shown = "–" if expert is None else f"{expert:.1f}"
                lines.append(
                    f"| {level} | {agent} | {int(count):,} | {one['steps']:,} | {rates} "
                    f"| {swapped} | {of_control(runs[0], 'random_policy')} "
                    f"| {length:.1f} ({shown}) |"
                )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train, print the table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--levels", nargs="+", default=["GoToRedBall"])
    parser.add_argument("--agents", nargs="+", choices=AGENTS, default=list(AGENTS))
    parser.add_argument("--demonstrations", nargs="+", type=int, default=[500, 1_000, 2_500])
    parser.add_argument("--steps", type=int, default=2_000, help="gradient steps of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    share_cores(options.jobs)
    started = time.monotonic()
    levels: dict[str, Any] = json.loads(RESULT.read_text())["levels"] if RESULT.exists() else {}
    plan = {
        f"{level} {agent} {count}": (level, agent, count)
        for level in options.levels
        for agent in options.agents
        for count in options.demonstrations
    }
    more = ["--steps", str(options.steps), *overrides]
    with work_folder(options) as folder:
        measured = each_name(
            list(plan), options, lambda name, seed: measure(*plan[name], seed, folder, more)
        )
        for name, runs in measured:  # each is kept as soon as it is done
            level, agent, count = plan[name]
            levels.setdefault(level, {}).setdefault(agent, {})[str(count)] = {
                "steps": options.steps,
                "overrides": overrides,
                "jobs": options.jobs,
                "runs": runs,
                **provenance(started),
            }
            write_json(RESULT, {"levels": levels})
            write_atomically(RESULT.with_suffix(".md"), table(levels))
    print(table(levels), end="")


if __name__ == "__main__":
    main()

"""Memories of PPO on tasks that cannot be solved without one: success and speed of each.

    pip install popgym
    python benchmarks/memories.py --jobs 2
    python benchmarks/memories.py --only gru transformer --seeds 0 1 2

POPGym's RepeatPrevious (Morad et al., 2023) asks for the card that was shown four steps ago, in a
deck without images or sentences; a policy without a memory can only guess. Each memory replaces
that of ``configs/foreign/popgym_repeat_previous.yaml``, by the ``mmrl train`` command; further
options are handed to it. ``benchmarks/results/memories.json`` has for each memory and seed the mean
return on held-out episodes with its 95% interval, a random policy's, the steps after which the
return of the training episodes first was 0.9 of at most 1, and environment steps a second; a table
lies beside it as Markdown. Compare speeds only within one run with one job. What is not run this
time keeps its entries. With ``--folder`` a measurement that was interrupted is resumed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from commands import finish
from learning import curve, first_above
from seeds import add_folder, each_name, share_cores, work_folder

from mmrl.evaluation.report import provenance
from mmrl.files import write_atomically, write_json

RESULT: Final = Path(__file__).parent / "results" / "memories.json"
CONFIG: Final = Path(__file__).parent.parent / "configs" / "foreign" / "popgym_repeat_previous.yaml"
MEMORIES: Final = {
    "none": "none",
    "frame_stack": "{kind: frame_stack, frames: 5}",
    "gru": "gru",
    "lstm": "lstm",
    "transformer": "{kind: transformer, window: 16}",
}
"""The options of ``--ppo.memory``; what was shown four steps ago is within every window."""
_RETURN: Final = 0.9


def measure(name: str, seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """One training: its return, how soon it learned, and its speed."""
    out = folder / name / f"seed-{seed}"
    finish(
        out, "train", "--config", CONFIG, "--seed", seed, "--trust-code",
        "--ppo.memory", MEMORIES[name], *overrides,
    )  # fmt: skip
    result = json.loads((out / "result.json").read_text())
    random = result["controls"]["random_policy"]
    points = curve(out, "rollout/ep_rew_mean")
    return {
        "seed": seed,
        "mean_return": result["mean_return"],
        "mean_return_95": result["mean_return_95"],
        "random": random["mean_return"],
        "steps_to_0.9": first_above(points, _RETURN),
        "steps_per_second": round(result["steps"] / result["training_seconds"]),
        "curve": points,
    }


def table(memories: dict[str, Any]) -> str:
    """One memory a line."""
    lines = [
        "| memory | return, by seed | random policy | steps to a return of 0.9 | steps/s |",
        "|---|---|--:|---|--:|",
    ]
    for name, one in memories.items():
        runs = one["runs"]
        returns = ", ".join(f"{run['mean_return']:.2f}" for run in runs)
        reached = ", ".join(
            "not" if run["steps_to_0.9"] is None else f"{run['steps_to_0.9']:,}" for run in runs
        )
        speed = fmean(run["steps_per_second"] for run in runs)
        random = fmean(run["random"] for run in runs)
        lines.append(f"| {name} | {returns} | {random:.2f} | {reached} | {speed:,.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train, print the table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=MEMORIES, default=list(MEMORIES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    share_cores(options.jobs)
    started = time.monotonic()
    found: dict[str, Any] = {}
    if RESULT.exists():
        found = json.loads(RESULT.read_text())["memories"]
    with work_folder(options) as folder:
        measured = each_name(
            options.only, options, lambda name, seed: measure(name, seed, folder, overrides)
        )
        for name, runs in measured:  # each is kept as soon as it is done
            found[name] = {
                "memory": MEMORIES[name],
                "overrides": overrides,
                "jobs": options.jobs,
                "runs": runs,
                **provenance(started),
            }
            found = {known: found[known] for known in MEMORIES if known in found}
            write_json(RESULT, {"memories": found})
            write_atomically(RESULT.with_suffix(".md"), table(found))
    print(table(found), end="")


if __name__ == "__main__":
    main()

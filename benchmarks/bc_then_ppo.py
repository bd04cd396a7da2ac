"""Behaviour cloning, then PPO, beside PPO alone: environment episodes until agents succeed.

    python benchmarks/bc_then_ppo.py --jobs 2
    python benchmarks/bc_then_ppo.py --levels PickupLoc --demonstrations 5000

For each level and seed, ``configs/imitation/bc.yaml`` clones the expert, and PPO
(``configs/levels/go_to_local.yaml``) begins with the cloned weights (``--init``): its critic is
trained first, and a penalty keeps it near to the clone for a while. PPO alone has the same model,
settings and steps. All by the ``mmrl train`` command; further options are handed to both PPO
trainings. Checkpoints are played on 512 held-out episodes.

``benchmarks/results/bc_then_ppo.json`` has for each level, seed and way the success after cloning,
that of every checkpoint by steps and episodes of PPO, the first that reached each target, and
controls at the end. A table lies beside it as Markdown, and a plot for each level. What is not run
this time keeps its entries. With ``--folder`` a measurement that was interrupted is resumed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

from commands import finish
from learning import curves, of_control, play_checkpoints
from seeds import add_folder, each_name, share_cores, work_folder

from mmrl.evaluation.report import provenance
from mmrl.experiment.run import Run
from mmrl.files import write_atomically, write_json

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "bc_then_ppo.json"
BC: Final = HERE.parent / "configs" / "imitation" / "bc.yaml"
PPO: Final = HERE.parent / "configs" / "levels" / "go_to_local.yaml"
WAYS: Final[dict[str, list[str]]] = {
    "PPO alone": [],
    "BC, then PPO": [
        "--ppo.critic-warmup", "20000", "--ppo.kl-coef", "0.05",
        "--ppo.learning-rate", "3e-4", "--ppo.final-learning-rate", "1e-4",
    ],
}  # fmt: skip
"""Ways to train, and their options beside those of :data:`PPO`."""
TARGETS: Final = (0.95, 0.98, 0.99)
_KEPT: Final = ("success_rate", "success_rate_95", "episodes", "mean_length", "controls")


def measure(
    level: str, way: str, seed: int, folder: Path, options: argparse.Namespace, more: list[str]
) -> dict[str, Any]:
    """One training of PPO, with what was cloned before it."""
    env = f"mmrl/{level}-v0"
    here = folder / level / way.replace(", ", "-").replace(" ", "-")
    chosen, cloned = [*WAYS[way], *more], None
    if way != "PPO alone":
        clone = folder / level / "clone" / f"seed-{seed}"
        finish(
            clone, "train", "--config", BC, "--env", env, "--seed", seed, "--steps",
            options.bc_steps, "--bc.demonstrations", options.demonstrations,
        )  # fmt: skip
        cloned = {key: one for key, one in _result(clone).items() if key in _KEPT}
        chosen += ["--init", str(clone)]
    out = here / f"seed-{seed}"
    seconds = finish(
        out, "train", "--config", PPO, "--env", env, "--seed", seed, "--steps", options.steps,
        "--checkpoint-every", options.every, "--keep-checkpoints", 100_000, "--clip-every", 0,
        *chosen,
    )  # fmt: skip
    points = [
        {
            "steps": checkpoint.steps,
            "episodes": checkpoint.state["counters"]["_episode_num"],
            "success": rate,
        }
        for _, checkpoint, rate in play_checkpoints(Run.open(out), options.episodes)
    ]
    reached = {f"{one:.0%}": _first(points, one) for one in TARGETS}
    print(f"{level}, {way}, seed {seed}: {reached}", flush=True)
    return {
        "seed": seed,
        "cloned": cloned,
        **{key: one for key, one in _result(out).items() if key in _KEPT},
        "points": points,
        "reached": reached,
        "command_seconds": seconds,
    }


def _result(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "result.json").read_text())
    return found


def _first(points: list[dict[str, Any]], target: float) -> dict[str, Any] | None:
    return next((one for one in points if one["success"] >= target), None)


def table(levels: dict[str, Any]) -> str:
    """One level and way a line."""
    targets = " | ".join(f"episodes to {one:.0%}" for one in TARGETS)
    lines = [
        f"| level | way | demonstrations | success after cloning | {targets} "
        "| success at the end | swapped instructions | random policy |",
        "|---|---|--:|---|" + "---|" * len(TARGETS) + "---|--:|--:|",
    ]
    for level, ways in levels.items():
        for way, one in ways.items():
            runs = one["runs"]
            demonstrations = f"{one['demonstrations']:,}" if runs[0]["cloned"] else "–"
            cells = [
                level,
                way,
                demonstrations,
                ", ".join(_rate(run["cloned"]) for run in runs) if runs[0]["cloned"] else "–",
                *(", ".join(_episodes(run["reached"][f"{target:.0%}"]) for run in runs)
                  for target in TARGETS),
                ", ".join(map(_rate, runs)),
                ", ".join(of_control(run, "swapped_instructions") for run in runs),
                of_control(runs[0], "random_policy"),
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _rate(run: dict[str, Any]) -> str:
    return f"{run['success_rate']:.1%}"


def _episodes(point: dict[str, Any] | None) -> str:
    return "not" if point is None else f"{point['episodes']:,}"


def plot(level: str, ways: dict[str, Any], path: Path) -> None:
    """Success on held-out episodes over the training episodes of PPO, a colour for each way."""
    with curves(
        path, f"mmrl/{level}-v0: one line a seed", "training episodes of PPO",
        "success, held-out episodes",
    ) as axes:  # fmt: skip
        for number, (way, one) in enumerate(ways.items()):
            for k, run in enumerate(one["runs"]):
                points = run["points"]
                episodes = [point["episodes"] for point in points]
                rates = [point["success"] for point in points]
                label = way if k == 0 else None
                axes.plot(episodes, rates, color=f"C{number}", linewidth=1.2, label=label)


def main() -> None:
    """Train, play, print the table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--levels", nargs="+", default=["GoToLocal"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--demonstrations", type=int, default=2_500)
    parser.add_argument("--bc-steps", type=int, default=900, help="gradient steps of cloning")
    parser.add_argument("--steps", type=int, default=250_000, help="environment steps of PPO")
    parser.add_argument("--every", type=int, default=25_000, help="steps between checkpoints")
    parser.add_argument("--episodes", type=int, default=512, help="held-out ones")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    share_cores(options.jobs)
    started = time.monotonic()
    levels: dict[str, Any] = json.loads(RESULT.read_text())["levels"] if RESULT.exists() else {}
    plan = {f"{level}: {way}": (level, way) for level in options.levels for way in options.ways}
    with work_folder(options) as folder:
        measured = each_name(
            list(plan), options,
            lambda name, seed: measure(*plan[name], seed, folder, options, overrides),
        )  # fmt: skip
        for name, runs in measured:  # each is kept as soon as it is done
            level, way = plan[name]
            ways = levels.setdefault(level, {})
            ways[way] = {
                "demonstrations": options.demonstrations,
                "bc_steps": options.bc_steps,
                "steps": options.steps,
                "options": [*WAYS[way], *overrides],
                "jobs": options.jobs,
                "runs": runs,
                **provenance(started),
            }
            write_json(RESULT, {"levels": levels})
            write_atomically(RESULT.with_suffix(".md"), table(levels))
            plot(level, ways, RESULT.with_name(f"bc_then_ppo-{level}.png"))
    print(table(levels), end="")


if __name__ == "__main__":
    main()

"""What hindsight relabelling is worth: none, by an oracle, by a learned or a fitted captioner.

    python benchmarks/hindsight.py --jobs 2 --model.precision bf16 --folder runs/hindsight

Trains ``configs/hindsight.yaml`` with every arm and seed by the ``mmrl train`` command. Failed
episodes are relabelled by nobody (none), by the environment's verifier (oracle), by a captioner
that learns from the agent's own successes (learned), or by one that was fitted before to episodes
of random actions, by ``mmrl collect`` and ``mmrl fit captioner`` (fitted). Without relabelling it
is trained twice as long, so that it may reach the target at all. Options that the script does not
know are handed to ``mmrl train``. With ``--folder`` a measurement that was interrupted is resumed:
trainings that are done are not repeated, others continue from their newest checkpoint.

Kept in ``benchmarks/results/hindsight.json``: the success of training episodes over episodes, the
area under it up to as many episodes as every run has, the episodes until 80% of the last 100 are
successes, the share of relabels that the verifier confirms, success on held-out episodes; a plot of
all curves lies beside it. Intervals are 95% ones over seeds, by Student's t.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from commands import collect, finish
from learning import curves
from numpy.typing import NDArray
from seeds import add_folder, share_cores, work_folder
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import mean_interval
from mmrl.experiment.run import RESULT
from mmrl.files import write_json

RESULTS: Final = Path(__file__).parent / "results"
CONFIG: Final = Path(__file__).parent.parent / "configs" / "hindsight.yaml"
ARMS: Final = ("none", "oracle", "learned", "fitted")
TARGET: Final = 0.8
RECENT: Final = 100
"""Episodes that a point of a training's curve is the mean of, as soon as there are so many."""
LONGER: Final = 2  # times as many steps without relabelling
CURVES: Final = ("curve", "accuracy", "relabelled")
KEPT: Final = 100  # points of each


def fit_captioner(config: dict[str, Any], folder: Path, episodes: int, steps: int) -> Path:
    """A captioner that was fitted to episodes of random actions in this environment."""
    out = folder / "captioner"
    data = collect(folder / "data", config["env"], "random", episodes, env_args=config["env_args"])
    wordings = ["--without", "on your|front of|behind|(a|the) object$|go to"]
    small = ["--batch-size", 64, "--width", 64, "--image-args", '{"blocks": 0}']
    finish(out, "fit", "captioner", "--data", data, "--steps", steps, *wordings, *small)
    return out


def train(arm: str, who: str, seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """One training: its curves, and its result."""
    out = folder / f"{arm}-{seed}"
    options = ["--config", CONFIG, "--seed", seed, "--qrdqn.hindsight", who]
    longer = longer_training() if arm == "none" else []
    finish(out, "train", *options, *longer, *overrides, log=out.with_suffix(".log"))
    events = EventAccumulator(str(out), size_guidance={"scalars": 0})
    events.Reload()
    result = json.loads((out / RESULT).read_text())
    print(f"{arm}, seed {seed}: {result['success_rate']:.1%} held out", flush=True)
    return {
        "arm": arm,
        "seed": seed,
        "success_rate": result["success_rate"],
        "success_rate_95": result["success_rate_95"],
        "training_seconds": result["training_seconds"],
        "curve": over_episodes(events, "rollout/success_rate"),
        "accuracy": over_episodes(events, "hindsight/accuracy"),
        "relabelled": over_episodes(events, "hindsight/relabelled"),
    }


def longer_training() -> list[str]:
    """Options for more steps, of which the same number explores."""
    config = yaml.safe_load(CONFIG.read_text())
    steps, fraction = config["steps"] * LONGER, config["qrdqn"]["exploration_fraction"] / LONGER
    return ["--steps", str(steps), "--qrdqn.exploration-fraction", str(fraction)]


def over_episodes(events: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    """A scalar, by the number of training episodes."""
    if tag not in events.Tags()["scalars"]:
        return []
    episodes = {event.step: int(event.value) for event in events.Scalars("rollout/episodes")}
    return [
        (episodes[event.step], round(event.value, 4))
        for event in events.Scalars(tag)
        if event.step in episodes
    ]


def thinned(curve: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Some points of a curve, the last one among them."""
    return curve[:: -max(len(curve) // KEPT, 1)][::-1]


def area(curve: list[tuple[int, float]], episodes: int) -> float:
    """The mean success over the first so many episodes."""
    at = np.arange(episodes)
    where, success = zip(*curve, strict=True)
    return float(np.interp(at, (0, *where), (0.0, *success)).mean())


def episodes_to(curve: list[tuple[int, float]], target: float) -> int | None:
    """Episodes until the last :data:`RECENT` ones succeed that often."""
    return next((n for n, success in curve if n >= RECENT and success >= target), None)


def compare(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The arms side by side."""
    episodes = min(run["curve"][-1][0] for run in runs)
    table: dict[str, Any] = {"episodes": episodes, "arms": {}}
    for arm in ARMS:
        own = [run for run in runs if run["arm"] == arm]
        areas = np.array([area(run["curve"], episodes) for run in own])
        table["arms"][arm] = {
            "area": [round(one, 4) for one in areas.tolist()],
            "mean_area": round(float(areas.mean()), 4),
            "mean_area_95": mean_interval(areas.tolist(), 0.0, 1.0),
            "episodes_to_target": [episodes_to(run["curve"], TARGET) for run in own],
            "held_out": [run["success_rate"] for run in own],
            "accuracy": [run["accuracy"][-1][1] if run["accuracy"] else None for run in own],
        }
    oracle = table["arms"]["oracle"]["mean_area"]
    for arm in ARMS:
        table["arms"][arm]["share_of_oracle"] = round(table["arms"][arm]["mean_area"] / oracle, 4)
    return table


def plot(runs: list[dict[str, Any]], path: Path) -> None:
    """All curves, one colour an arm, and their means."""
    with curves(path, "one of eight things is to be picked up", "training episodes") as axes:
        for k, arm in enumerate(ARMS):
            own = [run["curve"] for run in runs if run["arm"] == arm]
            for curve in own:
                axes.plot(*zip(*curve, strict=True), color=f"C{k}", linewidth=0.6, alpha=0.4)
            at = np.arange(0, min(curve[-1][0] for curve in own), 20)
            axes.plot(at, mean_curve(own, at), color=f"C{k}", linewidth=1.8, label=arm)
        axes.axhline(TARGET, color="0.6", linewidth=0.8, linestyle="--")


def mean_curve(own: list[list[tuple[int, float]]], at: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of the curves at some numbers of episodes."""
    columns = [tuple(zip(*curve, strict=True)) for curve in own]
    return np.mean([np.interp(at, where, success) for where, success in columns], axis=0)


def main() -> None:
    """Fit the captioner, train all arms and seeds, compare, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    parser.add_argument("--fit-episodes", type=int, default=4_000, help="of random actions")
    parser.add_argument("--fit-steps", type=int, default=1_000)
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    share_cores(options.jobs)
    started = time.monotonic()
    config = yaml.safe_load(CONFIG.read_text())
    with work_folder(options) as folder, ThreadPoolExecutor(options.jobs) as pool:
        captioner = fit_captioner(config, folder, options.fit_episodes, options.fit_steps)
        fitted = json.loads((captioner / RESULT).read_text())
        plan = [(arm, seed) for arm in ARMS for seed in options.seeds]
        runs = list(
            pool.map(
                lambda one: train(
                    one[0], str(captioner) if one[0] == "fitted" else one[0], one[1], folder,
                    overrides,
                ),
                plan,
            )
        )  # fmt: skip
    report = {
        "config": config,
        "overrides": overrides,
        "jobs": options.jobs,
        "target": TARGET,
        "fitted_captioner": {
            "episodes": options.fit_episodes,
            **{name: fitted[name] for name in ("steps", "accepted", "wall_seconds")},
        },
        "comparison": compare(runs),
        "runs": [run | {name: thinned(run[name]) for name in CURVES} for run in runs],
        **provenance(started),
    }
    write_json(RESULTS / "hindsight.json", report)
    plot(runs, RESULTS / "hindsight.png")
    print("| arm | area | of the oracle's | episodes to 80% | held out | confirmed |")
    print("|---|--:|--:|--:|--:|--:|")
    for arm, one in report["comparison"]["arms"].items():
        print(
            f"| {arm} | {one['mean_area']:.3f} | {one['share_of_oracle']:.1%} "
            f"| {one['episodes_to_target']} | {one['held_out']} | {one['accuracy']} |"
        )


if __name__ == "__main__":
    main()

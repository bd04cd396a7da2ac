"""How many training episodes an agent needs until 99% of held-out episodes succeed.

    python benchmarks/sample_efficiency.py configs/levels/go_to_red_ball_grey.yaml --seeds 0 1 2

Trains a configuration with several seeds by the ``mmrl train`` command, a checkpoint every so many
steps, and plays 512 held-out episodes with each of them, as BabyAI's paper measures it
(Chevalier-Boisvert et al., 2019: training episodes until 99% success). Checkpoints that fail in
more than one of twenty of their training episodes are not played, nor those after the first that
reaches the target, but for the last. Below the seeds stand the worst one, and the interquartile
mean of the episodes (IQM, Agarwal et al., 2021). Options that the script does not know are handed
to ``mmrl train``. With ``--folder`` a measurement that was interrupted is resumed. The table, the
curves and a plot are kept in ``benchmarks/results/episodes-<name>.json`` and ``.png``.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from commands import finish
from learning import curves
from seeds import add_folder, share_cores, work_folder

from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import interquartile_mean, wilson_interval
from mmrl.experiment.checkpoint import put_weights, read_checkpoint
from mmrl.experiment.run import Run
from mmrl.files import write_json
from mmrl.registry import find_agent

RESULTS = Path(__file__).parent / "results"
PLAYED_FROM = 0.95


def train(
    config: Path, seed: int, folder: Path, every: int, overrides: list[str]
) -> tuple[Path, float]:
    """One training, with all its checkpoints: its run folder, and its wall time in seconds."""
    out = folder / f"seed-{seed}"
    seconds = finish(
        out, "train", "--config", config, "--seed", seed, *overrides,
        "--checkpoint-every", every, "--keep-checkpoints", 100_000,
        "--eval-episodes", 0, "--clip-every", 0, log=out.with_suffix(".log"),
    )  # fmt: skip
    return out, seconds


def measure(path: Path, episodes: int, target: float) -> list[dict[str, Any]]:
    """Success of each checkpoint that may have reached the target, until one has; and the last."""
    run = Run.open(path)
    actor: Any = find_agent(run.config["agent"]).load(run, "cpu")
    env_id, env_args = run.config["env"], run.config.get("env_args", {})
    points: list[dict[str, Any]] = []
    folders = sorted(run.checkpoints.glob("step_*"), key=lambda one: int(one.name[5:]))
    for folder in folders:
        checkpoint = read_checkpoint(folder)
        state = checkpoint.state
        training = float(np.mean(state["recent"]["successes"] or [0.0]))
        point = {
            "steps": checkpoint.steps,
            "episodes": state["counters"]["_episode_num"],
            "training_success": round(training, 4),
        }
        sought = training >= PLAYED_FROM and first_reached(points, target) is None
        if sought or folder == folders[-1]:
            put_weights(actor.policy, checkpoint.weights)
            played = play_episodes(actor, env_id, episodes, env_args=env_args)
            point["success"] = round(float(played.success.mean()), 4)
        points.append(point)
        print(f"{path.name}: {point}", flush=True)
    return points


def first_reached(points: list[dict[str, Any]], target: float) -> dict[str, Any] | None:
    """The first checkpoint that is as good as that."""
    return next((point for point in points if point.get("success", 0.0) >= target), None)


def plot(report: dict[str, Any], path: Path) -> None:
    """Training success over episodes, all seeds, and where the target was reached."""
    target = report["target"]
    title = f"{report['config']['env']}; dots: {target:.0%} of held-out episodes"
    with curves(path, title, "training episodes") as axes:
        for run in report["runs"]:
            points = run["points"]
            (line,) = axes.plot(
                [p["episodes"] for p in points], [p["training_success"] for p in points],
                label=f"seed {run['seed']}", linewidth=1.5,
            )  # fmt: skip
            if run["reached"] is not None:
                axes.plot(run["reached"]["episodes"], target, "o", color=line.get_color())
        axes.axhline(target, color="0.6", linewidth=0.8, linestyle="--")


def main() -> None:
    """Train every seed, measure, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, help="YAML file of 'mmrl train'")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--every", type=int, default=20_000, help="steps between checkpoints")
    parser.add_argument("--target", type=float, default=0.99)
    parser.add_argument("--episodes", type=int, default=512, help="held-out ones")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    parser.add_argument("--name", help="of the result files; the configuration's name otherwise")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    name, started = options.name or options.config.stem, time.monotonic()
    share_cores(options.jobs)
    runs = []
    with work_folder(options) as folder, ThreadPoolExecutor(options.jobs) as pool:
        trained = pool.map(
            lambda seed: train(options.config, seed, folder, options.every, overrides),
            options.seeds,
        )
        for seed, (path, seconds) in zip(options.seeds, trained, strict=True):
            points = measure(path, options.episodes, options.target)
            last = points[-1]
            runs.append(
                {
                    "seed": seed,
                    "reached": first_reached(points, options.target),
                    "final_success": last["success"],
                    "final_success_95": wilson_interval(
                        round(last["success"] * options.episodes), options.episodes
                    ),
                    "training_seconds": round(seconds, 1),
                    "steps_per_second": round(last["steps"] / seconds),
                    "points": points,
                }
            )
    needed = [run["reached"]["episodes"] if run["reached"] else math.inf for run in runs]
    summary = {"worst": max(needed), "iqm": interquartile_mean(needed)}
    report = {
        "config": yaml.safe_load(options.config.read_text()),
        "overrides": overrides,
        "episodes_to_target": {
            name: value if math.isfinite(value) else None for name, value in summary.items()
        },
        "target": options.target,
        "held_out_episodes": options.episodes,
        "jobs": options.jobs,
        "runs": runs,
        **provenance(started),
    }
    write_json(RESULTS / f"episodes-{name}.json", report)
    plot(report, RESULTS / f"episodes-{name}.png")
    print(f"| seed | episodes to {options.target:.0%} | steps | final success | training |")
    print("|---|--:|--:|---|--:|")
    for run in runs:
        reached = run["reached"] or {"episodes": float("nan"), "steps": float("nan")}
        low, high = run["final_success_95"]
        print(
            f"| {run['seed']} | {reached['episodes']:,} | {reached['steps']:,} "
            f"| {run['final_success']:.1%} ({low:.1%} to {high:.1%}) "
            f"| {run['training_seconds']:.0f} s, {run['steps_per_second']:,} steps/s |"
        )
    print("| worst, IQM | " + ", ".join(f"{one:,.0f}" for one in summary.values()) + " | | | |")
    print(json.dumps({"name": name, "wall_seconds": report["wall_seconds"]}))


if __name__ == "__main__":
    main()

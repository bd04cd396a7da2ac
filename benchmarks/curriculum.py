"""What a curriculum is worth: scenes played again, or edited, against new ones always.

    python benchmarks/curriculum.py --jobs 2

Trains ``configs/levels/go_to_local.yaml`` by the ``mmrl train`` command on each level with every
arm and seed: new scenes always (uniform), prioritised level replay (plr), and ACCEL's edits
(accel); ``--arms`` knows robust_plr, too. Ten times on the way, the last at the end, the same
held-out episodes are played, whose seeds no curriculum is ever offered. Options that the script
does not know are handed to ``mmrl train``. Its 18 trainings of 200,000 steps take two hours of one
core of an EPYC.

Kept in ``benchmarks/results/curriculum.json``: the area under the held-out success over steps (the
mean over the checkpoints), the success at the end, and how far both are from uniform's of the same
seed, with 95% intervals over seeds by Student's t; how many steps were learned from; and the levels
that were kept. A plot of the curves of each level lies beside it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import yaml
from commands import finish
from learning import curves, play_checkpoints
from seeds import add_folder, share_cores, work_folder
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import mean_interval
from mmrl.experiment.run import Run
from mmrl.files import write_json

RESULTS: Final = Path(__file__).parent / "results"
CONFIG: Final = Path(__file__).parent.parent / "configs" / "levels" / "go_to_local.yaml"
LEVELS: Final = ("mmrl/GoToLocal-v0", "mmrl/GoToObjMazeS4R2-v0")
UNIFORM: Final = "uniform"
ARMS: Final = (UNIFORM, "plr", "accel")
FIGURES: Final = ("levels", "replayed", "trained_share", "mean_score", "mean_edits")


def measured(
    case: tuple[str, str, int], folder: Path, options: argparse.Namespace, overrides: list[str]
) -> dict[str, Any]:
    """:func:`measure` in a process of its own, unless it is done."""
    level, arm, seed = case
    done = folder / f"{short(level)}-{arm}-{seed}.json"
    if not done.is_file():
        one = ["--one", level, arm, str(seed), "--folder", str(folder)]
        numbers = ["--steps", str(options.steps), "--episodes", str(options.episodes)]
        command = [sys.executable, __file__, *one, *numbers, *overrides]
        with done.with_suffix(".log").open("w") as log:
            subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
    run: dict[str, Any] = json.loads(done.read_text())
    last = run["curve"][-1][1]
    print(f"{short(level)}, {arm}, seed {seed}: {last:.1%} held out", flush=True)
    return run


def measure(
    level: str, arm: str, seed: int, folder: Path, steps: int, episodes: int, overrides: list[str]
) -> dict[str, Any]:
    """One training, and the held-out success of its checkpoints."""
    out = folder / f"{short(level)}-{arm}-{seed}"
    chosen = "none" if arm == UNIFORM else arm
    seconds = finish(
        out, "train", "--config", CONFIG, "--env", level, "--seed", seed,
        "--ppo.curriculum", chosen, *overrides, "--steps", steps,
        "--checkpoint-every", steps // 10, "--keep-checkpoints", 99,
        "--eval-episodes", 0, "--clip-every", 0,
    )  # fmt: skip
    started = time.monotonic()
    run = Run.open(out)
    curve = held_out(run, episodes)
    return {
        "level": level,
        "arm": arm,
        "seed": seed,
        "curve": curve,
        "area": round(float(np.mean([success for _, success in curve])), 4),
        "success": curve[-1][1],
        "training_episodes": run.read_checkpoint().state["counters"]["_episode_num"],
        "curriculum": figures(out),
        "training_seconds": seconds,
        "evaluation_seconds": round(time.monotonic() - started, 1),
    }


def held_out(run: Run, episodes: int) -> list[tuple[int, float]]:
    """Steps and held-out success of every checkpoint."""
    torch.set_num_threads(1)
    return [(one.steps, success) for _, one, success in play_checkpoints(run, episodes)]


def figures(run: Path) -> dict[str, float]:
    """The metrics of the curriculum: shares as means over the training, the others at its end."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    metrics: dict[str, float] = {}
    for name in FIGURES:
        if (tag := f"curriculum/{name}") in events.Tags()["scalars"]:
            values = [event.value for event in events.Scalars(tag)]
            is_share = name in ("replayed", "trained_share")
            metrics[name] = round(float(np.mean(values) if is_share else values[-1]), 4)
    return metrics


def short(level: str) -> str:
    """A level's name without its package and version."""
    return level.removeprefix("mmrl/").removesuffix("-v0")


def compare(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The arms side by side, on each level."""
    table: dict[str, Any] = {}
    by = {(run["level"], run["arm"], run["seed"]): run for run in runs}
    for level, arm in sorted({key[:2] for key in by}):
        own = [run for run in runs if (run["level"], run["arm"]) == (level, arm)]
        row: dict[str, Any] = {}
        for name in ("area", "success"):
            values = [run[name] for run in own]
            row[name] = summary(values, 0.0, 1.0)
            beside = [by.get((level, UNIFORM, run["seed"])) for run in own]
            if arm != UNIFORM and all(beside):
                gains = [a - b[name] for a, b in zip(values, beside, strict=True) if b]
                row[f"{name}_gain"] = summary(gains)
        table.setdefault(short(level), {})[arm] = row
    return table


def summary(values: list[float], least: float = -1.0, most: float = 1.0) -> dict[str, Any]:
    """The mean over seeds, and its interval, within what can be."""
    low, high = mean_interval(values, least, most)
    return {
        "mean": round(float(np.mean(values)), 4),
        "interval_95": [round(low, 4), round(high, 4)],
        "of": [round(value, 4) for value in values],
    }


def plot(level: str, runs: list[dict[str, Any]], path: Path) -> None:
    """The curves of a level, one colour an arm, and their means."""
    own = [run for run in runs if run["level"] == level]
    with curves(path, short(level), "environment steps", "success, held out") as axes:
        for k, arm in enumerate(dict.fromkeys(run["arm"] for run in own)):
            drawn = [np.array(run["curve"]).T for run in own if run["arm"] == arm]
            for steps, success in drawn:
                axes.plot(steps, success, color=f"C{k}", linewidth=0.6, alpha=0.4)
            mean = np.mean([success for _, success in drawn], axis=0)
            axes.plot(drawn[0][0], mean, color=f"C{k}", linewidth=1.8, label=arm)


def print_table(table: dict[str, Any]) -> None:
    """Areas and last successes, with their intervals."""
    print("| level | arm | area | gain | success | gain |\n|---|---|---|---|---|---|")
    for level, arms in table.items():
        for arm, row in arms.items():
            cells = [
                "{:.1%} ({:.1%} to {:.1%})".format(row[name]["mean"], *row[name]["interval_95"])
                if name in row
                else ""
                for name in ("area", "area_gain", "success", "success_gain")
            ]
            print(f"| {level} | {arm} | {' | '.join(cells)} |")


def main() -> None:
    """Train all levels, arms and seeds, compare, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--levels", nargs="+", default=LEVELS)
    parser.add_argument("--arms", nargs="+", default=ARMS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=200_000, help="of each training")
    parser.add_argument("--episodes", type=int, default=256, help="held-out ones, a checkpoint")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    parser.add_argument("--name", default="curriculum", help="of the result files")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    if options.one is not None:
        level, arm, seed = options.one
        rest = (options.folder, options.steps, options.episodes, overrides)
        run = measure(level, arm, int(seed), *rest)
        write_json(options.folder / f"{short(level)}-{arm}-{seed}.json", run)
        return
    share_cores(options.jobs)
    started = time.monotonic()
    plan = list(itertools.product(options.levels, options.arms, options.seeds))
    with work_folder(options) as folder, ThreadPoolExecutor(options.jobs) as pool:
        runs = list(pool.map(lambda case: measured(case, folder, options, overrides), plan))
    report = {
        "config": yaml.safe_load(CONFIG.read_text()),
        "overrides": overrides,
        "steps": options.steps,
        "held_out_episodes": options.episodes,
        "jobs": options.jobs,
        "comparison": compare(runs),
        "runs": runs,
        **provenance(started),
    }
    RESULTS.mkdir(exist_ok=True)
    write_json(RESULTS / f"{options.name}.json", report)
    for level in options.levels:
        plot(level, runs, RESULTS / f"{options.name}-{short(level)}.png")
    print_table(report["comparison"])


if __name__ == "__main__":
    main()

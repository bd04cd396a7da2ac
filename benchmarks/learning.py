"""Trains a configuration with several seeds by the ``mmrl train`` command, and keeps the curves.

    python benchmarks/learning.py configs/demo.yaml --seeds 0 1 2
    python benchmarks/learning.py configs/minigrid.yaml --seeds 0

Further options are handed to ``mmrl train``. Each training is a process of its own, one after the
other; with ``--folder`` a measurement that was interrupted is resumed. What is kept in
``benchmarks/results/learning-<name>.json``: the result on held-out episodes of seeds that were
never trained on, wall time with and without the evaluation, and the success curve of the training
episodes; a plot of the curves lies beside it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from commands import finish
from seeds import add_folder, work_folder

from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.report import provenance
from mmrl.experiment.checkpoint import Checkpoint, put_weights, read_checkpoint
from mmrl.experiment.curves import SUCCESS, read_curve
from mmrl.experiment.run import Run
from mmrl.files import write_json
from mmrl.registry import find_agent

RESULTS = Path(__file__).parent / "results"


def train(config: Path, seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """One training; its result, wall time and success curve."""
    out = folder / f"seed-{seed}"
    seconds = finish(out, "train", "--config", config, "--seed", seed, *overrides)
    result = json.loads((out / "result.json").read_text())
    return {
        "seed": seed,
        "success_rate": result["success_rate"],
        "success_rate_95": result["success_rate_95"],
        "episodes": result["episodes"],
        "mean_length": result["mean_length"],
        "controls": result.get("controls"),
        "steps": result["steps"],
        "training_seconds": result["training_seconds"],
        "command_seconds": seconds,
        "curve": curve(out),
    }


def of_control(run: dict[str, Any], name: str, key: str = "success_rate") -> str:
    """A share of one of the controls of a training as text; a dash where it was left out."""
    rate = (run.get("controls") or {}).get(name, {}).get(key)
    return "–" if rate is None else f"{rate:.1%}"


def first_above(curve: list[tuple[int, float]], rate: float) -> int | None:
    """The steps after which a curve first was at a rate or above; None where it never was."""
    return next((step for step, value in curve if value >= rate), None)


def curve(events: Path, tag: str = SUCCESS) -> list[tuple[int, float]]:
    """Environment steps and the success rate of recent training episodes, or another curve."""
    return [(step, round(value, 4)) for step, value in read_curve(events, tag)]


def play_checkpoints(run: Run, episodes: int) -> Iterator[tuple[Path, Checkpoint, float]]:
    """The folder of every checkpoint of a run, what it holds, and its success on so many held-out
    episodes.
    """
    actor: Any = find_agent(run.config["agent"]).load(run, "cpu")
    env, env_args = run.config["env"], run.config.get("env_args", {})
    for folder in sorted(run.checkpoints.glob("step_*"), key=lambda one: int(one.name[5:])):
        checkpoint = read_checkpoint(folder)
        put_weights(actor.policy, checkpoint.weights)
        played = play_episodes(actor, env, episodes, env_args=env_args)
        yield folder, checkpoint, round(float(played.success.mean()), 4)


@contextmanager
def curves(
    path: Path, title: str, across: str, up: str = "success, training episodes"
) -> Iterator[Any]:
    """Axes for curves of success, kept as an image afterwards.

    Args:
        path: of the image.
        title: above it.
        across: what the curves go along.
        up: what they measure.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    yield axes
    axes.set(xlabel=across, ylabel=up, ylim=(0, 1.02))
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.25)
    if len(axes.get_legend_handles_labels()[1]) > 4:  # beside the curves, which it would hide
        figure.set_figwidth(8.5)
        figure.legend(frameon=False, fontsize=8, loc="outside right upper")
    else:
        axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


def plot(report: dict[str, Any], path: Path) -> None:
    """The success curves of all seeds."""
    with curves(path, report["config"]["env"], "environment steps") as axes:
        for run in report["runs"]:
            steps, rates = zip(*run["curve"], strict=True)
            axes.plot(steps, rates, label=f"seed {run['seed']}", linewidth=1.5)


def main() -> None:
    """Train every seed, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, help="YAML file of 'mmrl train'")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--name", help="of the result files; the configuration's name otherwise")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    name = options.name or options.config.stem
    started = time.monotonic()
    with work_folder(options) as folder:
        runs = [train(options.config, seed, folder, overrides) for seed in options.seeds]
    report = {
        "config": yaml.safe_load(options.config.read_text()),
        "overrides": overrides,
        "runs": runs,
        **provenance(started),
    }
    RESULTS.mkdir(exist_ok=True)
    write_json(RESULTS / f"learning-{name}.json", report)
    plot(report, RESULTS / f"learning-{name}.png")
    print(
        "| seed | success on held-out episodes | 95% interval | swapped instructions "
        "| random policy | training | whole command |"
    )
    print("|---|---|---|--:|--:|--:|--:|")
    for run in runs:
        low, high = run["success_rate_95"]
        print(
            f"| {run['seed']} | {run['success_rate']:.1%} of {run['episodes']} "
            f"| {low:.1%} to {high:.1%} | {of_control(run, 'swapped_instructions')} "
            f"| {of_control(run, 'random_policy')} | {run['training_seconds']:.0f} s "
            f"| {run['command_seconds']:.0f} s |"
        )


if __name__ == "__main__":
    main()

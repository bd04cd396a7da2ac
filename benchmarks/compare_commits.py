"""Speed of this checkout beside that of another commit, run in turn.

    python benchmarks/compare_commits.py HEAD~1

The other commit is checked out into a temporary worktree. Then each work is done by both, in turn,
``--repetitions`` times after a short one that only compiles: stepping a batch of environments,
training PPO on pixels and words, and fitting a captioner. Both run on the same installed packages,
and each finds its own agents. What is compared are environment steps a second, and the steps a
second that the trainings themselves have written for TensorBoard, checkpoints included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from rich.progress import track
from seeds import add_folder, work_folder
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.evaluation.report import provenance
from mmrl.files import write_json

RESULTS = Path(__file__).parent / "results"
HERE = Path(__file__).resolve().parents[1]
# Options with underscores, which earlier commits read as well.
TRAIN = [
    "train", "--env=mmrl/GoToRedBallGrey-v0", "--device=cpu", "--eval_episodes=0", "--clip_every=0",
]  # fmt: skip
STEP = """
import sys, time, gymnasium as gym, numpy as np, mmrl_envs
envs = gym.make_vec("mmrl/GoToLocal-v0", num_envs=64)
envs.reset(seed=0)
actions = np.random.default_rng(0).integers(7, size=(256, 64))
for row in actions: envs.step(row)
started = time.perf_counter()
for k in range(int(sys.argv[1]) // 64): envs.step(actions[k % 256])
print(int(sys.argv[1]) / (time.perf_counter() - started))
"""
FIT = ["fit", "captioner", "--device=cpu", "--batch_size=32", "--evaluate_every=100000"]
WORKS: dict[str, tuple[list[str], int]] = {
    "environment, steps": ([], 6_400_000),
    "PPO, steps": (TRAIN, 16_384),
    "captioner, gradient steps": (FIT, 100),
}
WARM_UP = 8  # times shorter


def speed(checkout: Path, work: list[str], steps: int, out: Path) -> float:
    """Run mmrl of a checkout; its steps a second."""
    paths = [entry_points(checkout, out), checkout, checkout / "envs", checkout / "agents"]
    what = ["-m", "mmrl", *work, f"--steps={steps}", f"--out={out}"]
    done = subprocess.run(
        [sys.executable, "-P", *(what if work else ["-c", STEP, str(steps)])],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{checkout}: {done.stderr}")
    if not work:
        return float(done.stdout)
    accumulator = EventAccumulator(str(out), size_guidance={"scalars": 0})
    accumulator.Reload()
    if "time/fps" in accumulator.Tags()["scalars"]:
        return accumulator.Scalars("time/fps")[-1].value
    seconds = accumulator.Scalars("time/seconds")
    if len(seconds) < 2:
        return 0.0
    first, last = seconds[0], seconds[-1]
    return (last.step - first.step) / (last.value - first.value)


def entry_points(checkout: Path, out: Path) -> Path:
    """A folder with the entry points of a checkout, to stand before those that are installed."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    folder = out.with_name(f"{out.name}-metadata")
    info = folder / f"multimodal_rl-{project['version']}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


def main() -> None:
    """Measure in turn, print medians and ratios, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commit", help="to compare with")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--only", choices=WORKS, help="one of the works; others keep their results")
    add_folder(parser)
    options = parser.parse_args()
    started = time.monotonic()
    git = ["git", "-C", str(HERE)]
    name = subprocess.check_output([*git, "rev-parse", options.commit], text=True).strip()
    with work_folder(options) as folder:
        other = folder / "checkout"
        if not other.exists():
            subprocess.run([*git, "worktree", "add", "--detach", str(other), name], check=True)
        try:
            works = measure(
                folder, {"before": other, "now": HERE}, options.repetitions, options.only
            )
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(other)], check=True)
    for work, one in works.items():
        print(f"{work} a second: {one['before']:.1f} before, {one['now']:.1f} now, "
              f"ratio {one['ratio']:.3f}")  # fmt: skip
    file = RESULTS / "compare_commits.json"
    if options.only is not None:
        kept = json.loads(file.read_text())
        if kept["commit_before"] == name:
            works = {**kept["works"], **works}
    write_json(file, {"commit_before": name, "works": works, **provenance(started)})


def measure(
    folder: Path, checkouts: dict[str, Path], repetitions: int, only: str | None
) -> dict[str, Any]:
    """The speeds of both checkouts at all works, or at one."""
    chosen = WORKS if only is None else {only: WORKS[only]}
    data = folder / "data"
    collect = ["collect", "mmrl/GoToObj-v0", "--episodes=200", "--by=expert", f"--out={data}"]
    subprocess.run([sys.executable, "-P", "-m", "mmrl", *collect], check=True)
    speeds: dict[str, dict[str, list[float]]] = {
        work: {name: [] for name in checkouts} for work in chosen
    }
    for repetition in track(range(repetitions + 1), description="repetitions"):
        for work, (arguments, steps) in chosen.items():
            more = [f"--data={data}"] if arguments is FIT else []
            count = steps if repetition else steps // WARM_UP
            for name, checkout in checkouts.items():
                out = folder / f"{name}-{work[:3]}-{repetition}"
                found = speed(checkout, [*arguments, *more], count, out)
                if repetition:
                    speeds[work][name].append(found)
    return {work: summary(both["before"], both["now"]) for work, both in speeds.items()}


def summary(before: list[float], now: list[float]) -> dict[str, Any]:
    """Medians of steps a second, and of the ratios of neighbouring runs."""
    ratios = [one / other for one, other in zip(now, before, strict=True)]
    return {
        "before": statistics.median(before),
        "now": statistics.median(now),
        "ratio": statistics.median(ratios),
        "ratios": [round(one, 3) for one in ratios],
        "each_before": [round(one, 2) for one in before],
        "each_now": [round(one, 2) for one in now],
    }


if __name__ == "__main__":
    main()

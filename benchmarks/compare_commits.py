"""Speed of this checkout beside that of another commit, run in turn.

    python benchmarks/compare_commits.py HEAD~1

The other commit is checked out into a temporary worktree. Then each work is done by both, in turn,
``--repetitions`` times after one round that only compiles: training PPO on pixels and words, and
fitting a captioner. Both run on the same installed packages. What is compared is the time that a
process takes for so many steps, without its start: a long run less a short one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.progress import track
from seeds import add_folder, work_folder

from mmrl.evaluation.report import provenance
from mmrl.files import write_json

RESULTS = Path(__file__).parent / "results"
HERE = Path(__file__).resolve().parents[1]
TRAIN = [
    "train", "--env=mmrl/GoToRedBallGrey-v0", "--device=cpu", "--eval_episodes=0", "--clip_every=0",
]  # fmt: skip
FIT = ["fit", "captioner", "--device=cpu", "--batch_size=32", "--evaluate_every=100000"]
WORKS = {"PPO, steps": (TRAIN, 2_048, 26_624), "captioner, gradient steps": (FIT, 4, 84)}


def command(checkout: Path, work: list[str], steps: int, out: Path) -> float:
    """Run mmrl of a checkout; the seconds that it took."""
    paths = [str(checkout), str(checkout / "envs"), str(checkout / "agents")]
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mmrl", *work, f"--steps={steps}", f"--out={out}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{checkout}: {done.stderr}")
    return time.monotonic() - begun


def main() -> None:
    """Measure in turn, print medians and ratios, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commit", help="to compare with")
    parser.add_argument("--repetitions", type=int, default=5)
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
            works = measure(folder, {"before": other, "now": HERE}, options.repetitions)
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(other)], check=True)
    for work, one in works.items():
        print(f"{work} a second: {one['before']:.1f} before, {one['now']:.1f} now, "
              f"ratio {one['ratio']:.3f}")  # fmt: skip
    report = {"commit_before": name, "works": works, **provenance(started)}
    write_json(RESULTS / "compare_commits.json", report)


def measure(folder: Path, checkouts: dict[str, Path], repetitions: int) -> dict[str, Any]:
    """The speeds of both checkouts at all works."""
    data = folder / "data"
    collect = ["collect", "mmrl/GoToObj-v0", "--episodes=200", "--by=expert", f"--out={data}"]
    subprocess.run([sys.executable, "-P", "-m", "mmrl", *collect], check=True)
    seconds: dict[str, dict[str, list[float]]] = {
        work: {name: [] for name in checkouts} for work in WORKS
    }
    for repetition in track(range(repetitions + 1), description="repetitions"):
        for work, (arguments, short, long) in WORKS.items():
            more = [f"--data={data}"] if arguments is FIT else []
            for name, checkout in checkouts.items():
                out = folder / f"{name}-{work[:3]}-{repetition}"
                spent = [
                    command(checkout, [*arguments, *more], steps, out.with_name(f"{out.name}-{k}"))
                    for k, steps in enumerate((short, long))
                ]
                if repetition:
                    seconds[work][name].append(spent[1] - spent[0])
    return {
        work: summary(WORKS[work][2] - WORKS[work][1], seconds[work]["before"], both["now"])
        for work, both in seconds.items()
    }


def summary(steps: int, before: list[float], now: list[float]) -> dict[str, Any]:
    """Medians of steps a second, and of the ratios of neighbouring runs."""
    ratios = [one / other for one, other in zip(before, now, strict=True)]
    return {
        "before": steps / statistics.median(before),
        "now": steps / statistics.median(now),
        "ratio": statistics.median(ratios),
        "ratios": [round(one, 3) for one in ratios],
        "seconds_before": [round(one, 2) for one in before],
        "seconds_now": [round(one, 2) for one in now],
    }


if __name__ == "__main__":
    main()

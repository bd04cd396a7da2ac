"""Does memory grow over a million training steps, and is everything released at the end?

    python benchmarks/long_run.py

``mmrl train`` with its usual clips, records and checkpoints runs in a process of its own, which is
sampled: memory (RSS), open handles, threads and child processes, by the training steps so far. Of
memory the least of each hundredth of the training counts, what stays between clips and evaluations:
their frames take hundreds of megabytes for a moment. The slope over steps after the warm-up has a
95% interval from a bootstrap over blocks of samples in a row, since samples beside each other are
alike. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple

import numpy as np
from rich.progress import Progress
from seeds import add_folder, work_folder

from mmrl.evaluation.report import provenance
from mmrl.files import write_json

RESULT: Final = Path(__file__).parent / "results" / "long_run.json"
WARM_UP: Final = 0.2  # of the steps: caches and pools fill
BLOCKS: Final = 20
RESAMPLED: Final = 2_000
USUAL: Final = ["--logger", "jsonl", "--eval-episodes", "64", "--controls", "false"]
SMALL: Final = ["--model.features", "64"]
KINDS: Final[dict[str, list[str]]] = {
    "state vector": ["--env", "CartPole-v1", *SMALL, "--clip-every", "0"],
    "state vector, with clips of 600 x 400 pixels": ["--env", "CartPole-v1", *SMALL],
    "image and text": [
        "--env", "mmrl/GoToRedBallGrey-v0", *SMALL, "--model.text", "bag_of_words",
        "--model.image-args", "{width: 8}",
    ],
    "processes": [
        "--env", "CartPole-v1", *SMALL, "--env-workers", "2", "--clip-every", "0",
    ],
}  # fmt: skip
"""What is trained."""
SHARE: Final = {"processes": 0.3}


class Sample(NamedTuple):
    """A process at one moment, with its children."""

    steps: int
    rss_mb: float
    handles: int
    threads: int
    children: int


def sample(process: int, log: Path) -> Sample | None:
    """A sample of a process; None before its first update, and where it has ended."""
    try:
        last = log.read_bytes().rstrip().rpartition(b"\n")[2]
        everyone = [process, *descendants(process)]
        return Sample(
            json.loads(last)["step"],
            round(sum(map(rss_mb, everyone)), 2),
            sum(len(os.listdir(f"/proc/{one}/fd")) for one in everyone),
            sum(len(os.listdir(f"/proc/{one}/task")) for one in everyone),
            len(everyone) - 1,
        )
    except (OSError, ValueError, IndexError):
        return None


def rss_mb(process: int) -> float:
    """Memory of a process in RAM."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def descendants(process: int) -> list[int]:
    """The processes that a process has begun, and theirs."""
    files = Path(f"/proc/{process}/task").glob("*/children")
    direct = [int(one) for file in files for one in file.read_text().split()]
    return [*direct, *(deeper for one in direct for deeper in descendants(one))]


def slope(samples: Sequence[Sample], field: str, after: float = WARM_UP) -> dict[str, Any]:
    """Growth over a million steps after a share of them, with its 95% interval."""
    steps = np.array([one.steps for one in samples]) / 1e6
    values = np.array([getattr(one, field) for one in samples], float)
    kept = steps >= after * steps.max()
    count = min(BLOCKS, kept.sum())
    blocks = np.array_split(np.flatnonzero(kept), count)
    rng = np.random.default_rng(0)
    slopes = []
    for _ in range(RESAMPLED):
        rows = np.concatenate([blocks[k] for k in rng.integers(0, count, count)])
        slopes.append(np.polyfit(steps[rows], values[rows], 1)[0])
    low, high = np.percentile(slopes, [2.5, 97.5])
    return {
        "per_million_steps": round(float(np.polyfit(steps[kept], values[kept], 1)[0]), 3),
        "interval_95": [round(float(low), 3), round(float(high), 3)],
    }


def parts(samples: Sequence[Sample], count: int) -> list[Sequence[Sample]]:
    """The samples in so many parts of the training, as far as there are as many."""
    size = -(-len(samples) // count)
    return [samples[k : k + size] for k in range(0, len(samples), size)]


def least(samples: Sequence[Sample]) -> list[Sample]:
    """The sample with the least memory of each hundredth of the training."""
    return [min(part, key=lambda one: one.rss_mb) for part in parts(samples, 100)]


def measure(name: str, steps: int, out: Path, seconds: float) -> dict[str, Any]:
    """Train, and sample the process while it does."""
    steps = int(steps * SHARE.get(name, 1.0))
    command = [sys.executable, "-P", "-m", "mmrl", "train", *KINDS[name], *USUAL]
    before = set(os.listdir("/dev/shm"))
    begun, samples = time.monotonic(), []
    process = subprocess.Popen(
        [*command, "--steps", str(steps), "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=(out.parent / f"{out.name}.log").open("w"),
    )
    children: set[int] = set()
    with Progress() as progress:
        task = progress.add_task(name, total=steps)
        while process.poll() is None:
            time.sleep(seconds)
            children |= set(descendants(process.pid)) if process.poll() is None else set()
            taken = sample(process.pid, out / "metrics.jsonl")
            if taken is not None and (not samples or taken.steps > samples[-1].steps):
                samples.append(taken)
                progress.update(task, completed=taken.steps)
    return {
        "command": [*command[4:], "--steps", str(steps)],
        "status": process.returncode,
        "seconds": round(time.monotonic() - begun, 1),
        "samples": len(samples),
        "rss_mb": slope(least(samples), "rss_mb"),
        "rss_mb_second_half": slope(least(samples), "rss_mb", after=0.5),
        "least_rss_mb_by_fifths": [
            round(min(one.rss_mb for one in part), 1) for part in parts(samples, 5)
        ],
        "handles": slope(samples, "handles"),
        "threads": slope(samples, "threads"),
        "children": slope(samples, "children"),
        "mean_after_warm_up": {
            field: round(fmean(getattr(one, field) for one in samples[len(samples) // 5 :]), 1)
            for field in Sample._fields[1:]
        },
        "left_at_the_end": {
            "processes": sum(Path(f"/proc/{one}").exists() for one in children),
            "shared_memory": len(set(os.listdir("/dev/shm")) - before),
        },
        "curve": [list(one) for one in samples[:: max(len(samples) // 100, 1)]],
    }


def main() -> None:
    """Train each kind, print a table, write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between samples")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--output", type=Path, default=RESULT, help="the JSON file to write; it keeps other kinds"
    )
    add_folder(parser)
    options = parser.parse_args()
    started = time.monotonic()
    found = json.loads(options.output.read_text())["kinds"] if options.output.is_file() else {}
    with work_folder(options) as folder:
        for name in options.kinds:
            out = folder / re.sub(r"\W+", "-", name)
            one = found[name] = measure(name, options.steps, out, options.every)
            low, high = one["rss_mb"]["interval_95"]
            print(
                f"{name}: {one['rss_mb']['per_million_steps']:+.1f} MB a million steps "
                f"({low:+.1f} to {high:+.1f}), handles {one['handles']['per_million_steps']:+.2f}, "
                f"left at the end: {one['left_at_the_end']}",
                flush=True,
            )
            write_json(options.output, {"kinds": found, **provenance(started)})


if __name__ == "__main__":
    main()

"""Steps a second of slow simulators in one process and in several, and of a free environment.

    python benchmarks/slow_simulator.py
    python benchmarks/slow_simulator.py --before HEAD~1

A step sleeps for 20 ms, as a simulator that waits for another program does; is busy for 20 ms of a
core; or takes no time at all. Eight environments with an image, a vector and an instruction; all
take turns, so compare within one run only. With ``--before`` the free environment is stepped by
another commit, too, in turn, each in processes of their own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from simulators import KINDS, SECONDS

from mmrl.evaluation.report import provenance
from mmrl.files import write_json
from mmrl.wrappers.adapters import make_vec_env

RESULT: Final = Path(__file__).parent / "results" / "slow_simulator.json"
HERE: Final = Path(__file__).resolve().parents[1]
ENVS: Final = 8
WORKERS: Final = (0, 1, 2, 4)
TURNS: Final = 41
FREE_STEPS: Final = 400
"""Steps of the batch that a turn of the free environment takes."""


def speed(env: Any, steps: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Environment steps a second of a batch, by a clock."""
    actions = np.zeros(ENVS, np.int64)
    started = clock()
    for _ in range(steps):
        env.step(actions)
    return ENVS * steps / (clock() - started)


def measure(kind: str, steps: int, repetitions: int) -> dict[str, Any]:
    """Speeds with each number of workers, in turn; medians, and how often they are the speed of
    one process.
    """
    started, envs = {}, {}
    for workers in WORKERS:
        at = time.perf_counter()
        env = make_vec_env(f"simulators:slow/{kind}-v0", ENVS, env_workers=workers)
        env.reset(seed=0)
        started[workers], envs[workers] = time.perf_counter() - at, env
        speed(env, 2)
    speeds: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    for _ in range(repetitions):
        for workers, env in envs.items():
            speeds[workers].append(speed(env, steps))
    for env in envs.values():
        env.close()
    medians = {workers: statistics.median(runs) for workers, runs in speeds.items()}
    for workers, median in medians.items():
        print(
            f"{kind}, {workers} workers: {median:,.0f} steps/s, "
            f"{median / medians[0]:.2f} times one process",
            flush=True,
        )
    return {
        "steps_per_second": speeds,
        "median_steps_per_second": medians,
        "ratios_to_one_process": {k: median / medians[0] for k, median in medians.items()},
        "seconds_to_start": started,
    }


def compare(commit: str) -> dict[str, Any]:
    """Steps a second of a core, which other processes take little from, of the free environment in
    one process: of this checkout and of another commit, in turn.
    """
    runs: dict[str, list[float]] = {"this": [], "before": []}
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        git = ["git", "-C", str(HERE), "worktree"]
        subprocess.run(
            [*git, "add", "--detach", str(other), commit], check=True, capture_output=True
        )
        try:
            with _stepping(HERE) as this, _stepping(other) as before:
                for turn in range(TURNS):
                    pair = [("this", this), ("before", before)]
                    for name, process in pair[:: 1 if turn % 2 else -1]:
                        runs[name].append(_turn(process))
        finally:
            subprocess.run([*git, "remove", "--force", str(other)], check=True)
    medians = {name: statistics.median(one) for name, one in runs.items()}
    ratio = statistics.median(a / b for a, b in zip(runs["this"], runs["before"], strict=True))
    print(f"free, in one process: {ratio:.3f} times the speed of {commit}")
    return {
        "commit": commit,
        "steps_per_cpu_second": runs,
        "median_steps_per_cpu_second": medians,
        "median_ratio": ratio,
    }


def _stepping(checkout: Path) -> subprocess.Popen[str]:
    """A process with the free environment, and mmrl of a checkout; see :func:`_turn`."""
    paths = [Path(__file__).parent, checkout, checkout / "envs", checkout / "agents"]
    code = (
        "import sys, time, slow_simulator as s\n"
        f"env = s.make_vec_env('simulators:slow/free-v0', {ENVS})\n"
        "env.reset(seed=0)\n"
        "for line in sys.stdin:\n"
        f"    print(s.speed(env, {FREE_STEPS}, time.process_time), flush=True)"
    )
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _turn(process: subprocess.Popen[str]) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main() -> None:
    """Measure, print, write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=5, help="turns of each (default 5)")
    parser.add_argument("--steps", type=int, default=4, help="of the batch in a turn (default 4)")
    parser.add_argument("--before", help="a commit, which steps the free environment, too")
    parser.add_argument("--output", type=Path, default=RESULT, help="the JSON file to write")
    arguments = parser.parse_args()
    start = time.monotonic()
    kinds = {
        kind: measure(
            kind, FREE_STEPS if kind == "free" else arguments.steps, arguments.repetitions
        )
        for kind in KINDS
    }
    compared = {}
    if arguments.before is not None:
        compared = {"one_process": compare(arguments.before)}
    write_json(
        arguments.output,
        {
            "benchmark": "environment steps per second of slow simulators, by env_workers",
            "environments": ENVS,
            "step_seconds": SECONDS,
            "repetitions": arguments.repetitions,
            "kinds": kinds,
            **compared,
            **provenance(start),
        },
    )


if __name__ == "__main__":
    main()

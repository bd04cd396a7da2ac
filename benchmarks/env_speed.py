"""Steps a second of the grid engine, beside Minigrid and EnvPool, in one run on one core."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.util
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
from rich.progress import track

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl.evaluation.report import machine, versions
from mmrl.files import write_json

BATCHES: Final = (64, 128, 256, 1024)
ENVPOOL_BATCH: Final = 256
OURS: Final = "mmrl/GoToLocal-v0"
THEIRS: Final = "BabyAI-GoToLocal-v0"
MINIGRID: Final = "Minigrid, pixels, one"
ENVPOOL: Final = "EnvPool, symbols, batch of 256"
RESULT: Final = Path(__file__).parent / "results" / "env_speed.json"

Runner = Callable[[float], float]
"""Takes seconds; steps for about that long and returns steps a second."""

_FIRST_STEP: Final = f"""
import time
import gymnasium as gym, numpy as np
start = time.perf_counter()
import mmrl_envs.grid.vector_env
imported = time.perf_counter()
envs = gym.make_vec({OURS!r}, num_envs=64)
envs.reset(seed=0)
envs.step(np.zeros(64, np.int64))
print(imported - start, time.perf_counter() - imported)
"""


def _timed(step: Callable[[int], None], steps_each: int, seconds: float) -> float:
    """Call ``step(0)``, ``step(1)``, … for a time; looks at the clock every 16th call."""
    calls = 0
    start = now = time.perf_counter()
    while now - start < seconds:
        for _ in range(16):
            step(calls)
            calls += 1
        now = time.perf_counter()
    return calls * steps_each / (now - start)


def _actions(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).integers(0, 7, (256, *shape))


def our_batch(num_envs: int, seed: int) -> Runner:
    """Our native batch; it begins ended episodes anew by itself."""
    envs = gym.make_vec(OURS, num_envs=num_envs)
    envs.reset(seed=seed)
    actions = _actions(seed, num_envs)
    return lambda seconds: _timed(lambda k: envs.step(actions[k % 256]), num_envs, seconds)


def one_env(env: gym.Env[Any, Any], seed: int) -> Runner:
    """A single environment, begun anew whenever its episode ends."""
    env.reset(seed=seed)
    actions = _actions(seed).tolist()

    def step(k: int) -> None:
        _, _, terminated, truncated, _ = env.step(actions[k % 256])
        if terminated or truncated:
            env.reset()

    return lambda seconds: _timed(step, 1, seconds)


def minigrid_env(seed: int) -> Runner:
    """Minigrid's own environment with the same pixels; what it prints is swallowed."""
    from minigrid.wrappers import RGBImgPartialObsWrapper

    with contextlib.redirect_stdout(io.StringIO()):
        run = one_env(RGBImgPartialObsWrapper(gym.make(THEIRS), tile_size=8), seed)

    def quietly(seconds: float) -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            return run(seconds)

    return quietly


def envpool_batch(seed: int) -> Runner:
    """EnvPool's C++ environments, one thread: symbols 7 × 7 × 3 instead of pixels."""
    import envpool

    envs = envpool.make(
        THEIRS, env_type="gymnasium", num_envs=ENVPOOL_BATCH, num_threads=1, seed=seed
    )
    envs.reset()
    actions = _actions(seed, ENVPOOL_BATCH)
    return lambda seconds: _timed(lambda k: envs.step(actions[k % 256]), ENVPOOL_BATCH, seconds)


def contestants(seed: int) -> dict[str, Runner]:
    """Everything that is measured, by its name in the table."""
    runners = {f"mmrl, pixels, batch of {n}": our_batch(n, seed) for n in BATCHES}
    runners["mmrl, pixels, one"] = one_env(gym.make(OURS), seed)
    runners[MINIGRID] = minigrid_env(seed)
    if importlib.util.find_spec("envpool"):
        runners[ENVPOOL] = envpool_batch(seed)
    else:
        print("EnvPool is left out: it is not installed (pip install 'multimodal-rl[bench]')")
    return runners


def measure(runners: dict[str, Runner], repetitions: int, seconds: float) -> dict[str, list[float]]:
    """Steps a second of each, in turn and again, so that a slow moment hits all alike."""
    for run in runners.values():
        run(0.1)  # compiles, fills caches
    speeds: dict[str, list[float]] = {name: [] for name in runners}
    for _ in track(range(repetitions), description="repetitions"):
        for name, run in runners.items():
            speeds[name].append(run(seconds))
    return speeds


def first_steps() -> dict[str, float]:
    """Seconds to import the engine, and from there to the first step of a batch: as a fresh
    install compiles it (cold), and as a new process finds it compiled (warm).
    """
    seconds = {}
    with tempfile.TemporaryDirectory() as cache:
        for name in ("cold", "warm"):
            printed = subprocess.run(
                [sys.executable, "-c", _FIRST_STEP],
                env={**os.environ, "NUMBA_CACHE_DIR": cache},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            seconds[f"{name}_import"], seconds[f"{name}_first_step"] = map(float, printed.split())
    return seconds


def ratios(medians: dict[str, float]) -> dict[str, float]:
    """How many times as fast our best batch, and our single environment, are."""
    best = max(medians, key=lambda name: medians[name] * name.startswith("mmrl"))
    found = {
        f"{best} / {MINIGRID}": medians[best] / medians[MINIGRID],
        f"mmrl, pixels, one / {MINIGRID}": medians["mmrl, pixels, one"] / medians[MINIGRID],
    }
    if ENVPOOL in medians:
        found[f"{best} / {ENVPOOL}"] = medians[best] / medians[ENVPOOL]
    return found


def table(speeds: dict[str, list[float]]) -> str:
    """Median, slowest and fastest repetition of each, as Markdown."""
    lines = ["| GoToLocal | steps/s, median | slowest | fastest |", "|---|--:|--:|--:|"]
    for name, runs in speeds.items():
        lines.append(
            f"| {name} | {statistics.median(runs):,.0f} | {min(runs):,.0f} | {max(runs):,.0f} |"
        )
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="How many steps a second do the grid worlds make? Random actions on GoToLocal, "
        "with resets and sentences included, on one core; ours beside Minigrid's (the same pixels) "
        "and EnvPool's (symbols only). All take turns, so compare within one run only.",
        epilog="example: python benchmarks/env_speed.py --repetitions 9 --seconds 2",
    )
    parser.add_argument("--repetitions", type=int, default=7, help="turns of each (default 7)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a turn (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of levels and actions (default 0)")
    parser.add_argument("--core", type=int, default=0, help="which core, on Linux (default 0)")
    parser.add_argument("--output", type=Path, default=RESULT, help="the JSON file to write")
    arguments = parser.parse_args()
    if arguments.repetitions < 1 or arguments.seconds <= 0:
        parser.error("--repetitions must be at least 1, --seconds above 0")
    return arguments


def main() -> None:
    """Measure, print the table, write the file."""
    arguments = parse_arguments()
    start = time.perf_counter()
    about = machine()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {arguments.core})
    first = first_steps()
    speeds = measure(contestants(arguments.seed), arguments.repetitions, arguments.seconds)
    medians = {name: statistics.median(runs) for name, runs in speeds.items()}
    compared = ratios(medians)
    print(table(speeds), end="\n\n")
    for name, ratio in compared.items():
        print(f"{name}: {ratio:,.1f} times")
    for name, seconds in first.items():
        print(f"{name}: {seconds:.2f} s")
    write_json(
        arguments.output,
        {
            "command": "python benchmarks/env_speed.py",
            "benchmark": "environment steps per second, GoToLocal, one core",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": about,
            "versions": versions("envpool"),
            "seed": arguments.seed,
            "seconds_per_repetition": arguments.seconds,
            "wall_seconds": round(time.perf_counter() - start, 1),
            "steps_per_second": speeds,
            "median_steps_per_second": medians,
            "ratios": compared,
            "first_step_seconds": first,
        },
    )
    print(f"written: {arguments.output}")


if __name__ == "__main__":
    main()

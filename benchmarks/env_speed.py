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

LEVELS: Final = ("GoToLocal", "BossLevel")
BATCHES: Final = (64, 256, 1024, 16384)
THREADED: Final = (1024, 4096, 16384)
ENVPOOL_BATCH: Final = 256
MINIGRID: Final = "Minigrid, pixels, one"
ENVPOOL: Final = "EnvPool, symbols, batch of 256"
RESULT: Final = Path(__file__).parent / "results" / "env_speed.json"

Runner = Callable[[float], float]
"""Takes seconds; steps for about that long and returns steps a second."""

_FIRST_STEP: Final = """
import time
import gymnasium as gym, numpy as np
start = time.perf_counter()
import mmrl_envs.grid.vector_env
imported = time.perf_counter()
envs = gym.make_vec("mmrl/GoToLocal-v0", num_envs=64)
envs.reset(seed=0)
envs.step(np.zeros(64, np.int64))
stepped = time.perf_counter()
envs.unwrapped.expert_actions()
print(imported - start, stepped - imported, time.perf_counter() - stepped)
"""


def _timed(step: Callable[[int], object], steps_each: int, seconds: float) -> float:
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
    return np.random.default_rng(seed).integers(0, 7, (256, *shape), np.int8).astype(np.int64)


def our_batch(level: str, num_envs: int, seed: int, num_threads: int = 1, **options: Any) -> Runner:
    """Our native batch; it begins ended episodes anew by itself."""
    envs = gym.make_vec(f"mmrl/{level}-v0", num_envs=num_envs, num_threads=num_threads, **options)
    envs.reset(seed=seed)
    actions = _actions(seed, num_envs)
    return lambda seconds: _timed(lambda k: envs.step(actions[k % 256]), num_envs, seconds)


def one_env(env: Any, seed: int) -> Runner:
    """A single environment, begun anew whenever its episode ends."""
    env.reset(seed=seed)
    actions = (_actions(seed) % env.action_space.n).tolist()

    def step(k: int) -> None:
        _, _, terminated, truncated, _ = env.step(actions[k % 256])
        if terminated or truncated:
            env.reset()

    return lambda seconds: _timed(step, 1, seconds)


def minigrid_env(level: str, seed: int) -> Runner:
    """Minigrid's own environment with the same pixels; what it prints is swallowed."""
    from minigrid.wrappers import RGBImgPartialObsWrapper

    with contextlib.redirect_stdout(io.StringIO()):
        run = one_env(RGBImgPartialObsWrapper(gym.make(f"BabyAI-{level}-v0"), tile_size=8), seed)

    def quietly(seconds: float) -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            return run(seconds)

    return quietly


def envpool_batch(level: str, seed: int) -> Runner:
    """EnvPool's C++ environments, one thread: symbols 7 × 7 × 3 instead of pixels."""
    import envpool

    envs = envpool.make(
        f"BabyAI-{level}-v0", env_type="gymnasium", num_envs=ENVPOOL_BATCH, num_threads=1, seed=seed
    )
    envs.reset()
    actions = _actions(seed, ENVPOOL_BATCH)
    return lambda seconds: _timed(lambda k: envs.step(actions[k % 256]), ENVPOOL_BATCH, seconds)


def contestants(level: str, seed: int) -> dict[str, Runner]:
    """Everything that is measured on one core, by its name in the table."""
    runners = {f"mmrl, pixels, batch of {n}": our_batch(level, n, seed) for n in BATCHES}
    runners["mmrl, pixels, one"] = one_env(gym.make(f"mmrl/{level}-v0"), seed)
    runners[MINIGRID] = minigrid_env(level, seed)
    if importlib.util.find_spec("envpool"):
        runners[ENVPOOL] = envpool_batch(level, seed)
    else:
        print("EnvPool is left out: it is not installed (pip install 'multimodal-rl[bench]')")
    return runners


def threaded(level: str, seed: int) -> dict[str, Runner]:
    """One thread and two, in turn."""
    return {
        f"batch of {n}, {threads} thread{'s' * (threads > 1)}": our_batch(level, n, seed, threads)
        for n in THREADED
        for threads in (1, 2)
    }


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
    """Seconds to import the engine, from there to the first step of a batch, and to the expert's
    first answer: as a fresh install compiles them (cold), and as a new process finds them
    compiled (warm).
    """
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as cache:
        for name in ("cold", "warm"):
            printed = subprocess.run(
                [sys.executable, "-c", _FIRST_STEP],
                env={**os.environ, "NUMBA_CACHE_DIR": cache},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            what = ("import", "first_step", "first_expert_action")
            taken = map(float, printed.split())
            seconds |= {f"{name}_{one}": t for one, t in zip(what, taken, strict=True)}
    return seconds


def medians_of(speeds: dict[str, list[float]]) -> dict[str, float]:
    """The median of each."""
    return {name: statistics.median(runs) for name, runs in speeds.items()}


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


def table(level: str, speeds: dict[str, list[float]]) -> str:
    """Median, slowest and fastest repetition of each, as Markdown."""
    lines = [f"| {level} | steps/s, median | slowest | fastest |", "|---|--:|--:|--:|"]
    for name, runs in speeds.items():
        lines.append(
            f"| {name} | {statistics.median(runs):,.0f} | {min(runs):,.0f} | {max(runs):,.0f} |"
        )
    return "\n".join(lines)


def parse_arguments(description: str, example: str, output: Path) -> argparse.Namespace:
    """The command line of a measurement of speed.

    Args:
        description: what is measured.
        example: a command.
        output: the file that is written, if no other is named.
    """
    parser = argparse.ArgumentParser(description=description, epilog=f"example: {example}")
    parser.add_argument("--repetitions", type=int, default=7, help="turns of each (default 7)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a turn (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of levels and actions (default 0)")
    parser.add_argument("--core", type=int, default=0, help="which core, on Linux (default 0)")
    parser.add_argument("--output", type=Path, default=output, help="the JSON file to write")
    arguments = parser.parse_args()
    if arguments.repetitions < 1 or arguments.seconds <= 0:
        parser.error("--repetitions must be at least 1, --seconds above 0")
    return arguments


def main() -> None:
    """Measure, print the table, write the file."""
    arguments = parse_arguments(
        "How many steps a second do the grid worlds make? Random actions on GoToLocal and "
        "BossLevel, with resets and sentences included, on one core; ours beside Minigrid's (the "
        "same pixels) and EnvPool's (symbols only). All take turns, so compare within one run "
        "only; two threads are compared with one on all cores.",
        "python benchmarks/env_speed.py --repetitions 9 --seconds 2",
        RESULT,
    )
    start = time.perf_counter()
    about = machine()
    cores = set(range(os.cpu_count() or 1))
    if hasattr(os, "sched_setaffinity"):
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {arguments.core})
    first = first_steps()
    levels: dict[str, Any] = {}
    for level in LEVELS:
        runners = contestants(level, arguments.seed)
        speeds = measure(runners, arguments.repetitions, arguments.seconds)
        medians = medians_of(speeds)
        levels[level] = {
            "steps_per_second": speeds,
            "median_steps_per_second": medians,
            "ratios": ratios(medians),
        }
        print(table(level, speeds), end="\n\n")
        for name, ratio in levels[level]["ratios"].items():
            print(f"{name}: {ratio:,.1f} times")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    for level in LEVELS:
        speeds = measure(threaded(level, arguments.seed), arguments.repetitions, arguments.seconds)
        medians = medians_of(speeds)
        gains = {
            f"batch of {n}, two threads / one": medians[f"batch of {n}, 2 threads"]
            / medians[f"batch of {n}, 1 thread"]
            for n in THREADED
        }
        levels[level]["threads"] = {
            "steps_per_second": speeds,
            "median_steps_per_second": medians,
            "ratios": gains,
        }
        for name, ratio in gains.items():
            print(f"{level}, {name}: {ratio:.2f} times")
    for name, seconds in first.items():
        print(f"{name}: {seconds:.2f} s")
    write_json(
        arguments.output,
        {
            "command": "python benchmarks/env_speed.py",
            "benchmark": "environment steps per second; one core but where threads are named",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": about,
            "versions": versions("envpool"),
            "seed": arguments.seed,
            "seconds_per_repetition": arguments.seconds,
            "wall_seconds": round(time.perf_counter() - start, 1),
            "levels": levels,
            "first_step_seconds": first,
        },
    )
    print(f"written: {arguments.output}")


if __name__ == "__main__":
    main()

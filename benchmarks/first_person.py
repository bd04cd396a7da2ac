"""Frames a second of the first-person view, beside Miniworld's, in one run on one core.

    python benchmarks/first_person.py

Miniworld draws its rooms by OpenGL (in software, where there is no graphics card); it is left out
where it is not installed or has no OpenGL to draw with.
"""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
from env_speed import Runner, measure, medians_of, one_env, our_batch, parse_arguments, table

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl.evaluation.report import provenance
from mmrl.files import write_json
from mmrl_envs.grid.rendering.views.first_person import SIDE

LEVELS: Final = {"GoToLocal": "OneRoom", "BossLevel": "FourRooms"}
"""Ours, and Miniworld's that is nearest to it: one room with things in it, several rooms."""
SIDES: Final = (64, 128)
BATCHES: Final = (64, 256)
RESULT: Final = Path(__file__).parent / "results" / "first_person.json"


def miniworld_env(room: str, side: int, seed: int) -> Runner | None:
    """Miniworld without a window, with frames of the same size; None, and a note, where it does not
    run.
    """
    try:
        import pyglet

        pyglet.options["headless"] = True
        import miniworld  # noqa: F401  # registers its environments

        env = gym.make(f"MiniWorld-{room}-v0", obs_width=side, obs_height=side)
        return one_env(env, seed)
    except Exception as error:  # whatever it meets on a machine without OpenGL
        print(f"Miniworld is left out: {type(error).__name__}: {error}")
        return None


def contestants(level: str, side: int, seed: int) -> dict[str, Runner]:
    """Everything that is measured, by its name in the table."""
    options: dict[str, Any] = {"view": "first_person", "tile_size": side // SIDE}
    runners = {f"mmrl, batch of {n}": our_batch(level, n, seed, **options) for n in BATCHES}
    runners["mmrl, one"] = one_env(gym.make(f"mmrl/{level}-v0", **options), seed)
    theirs = miniworld_env(LEVELS[level], side, seed)
    if theirs is not None:
        runners[f"Miniworld {LEVELS[level]}, one"] = theirs
    return runners


def ratios(medians: dict[str, float]) -> dict[str, float]:
    """How many times as fast as Miniworld ours are; empty without it."""
    theirs = [name for name in medians if name.startswith("Miniworld")]
    ours = [name for name in medians if name.startswith("mmrl")]
    return {f"{one} / {two}": medians[one] / medians[two] for one in ours for two in theirs}


def main() -> None:
    """Measure, print the tables, write the file."""
    started = time.monotonic()
    arguments = parse_arguments(
        'How many frames a second does view="first_person" make? Random actions on GoToLocal and '
        "BossLevel, with resets and sentences included, on one core, frames of 64 × 64 and "
        "128 × 128; beside Miniworld's OneRoom and FourRooms (one at a time: it has no batches). "
        "All take turns.",
        "python benchmarks/first_person.py --repetitions 5 --seconds 2",
        RESULT,
    )
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {arguments.core})
    results: dict[str, Any] = {}
    for level, side in itertools.product(LEVELS, SIDES):
        name = f"{level}, {side} × {side}"
        runners = contestants(level, side, arguments.seed)
        speeds = measure(runners, arguments.repetitions, arguments.seconds)
        medians = medians_of(speeds)
        results[name] = {
            "frames_per_second": speeds,
            "median_frames_per_second": medians,
            "ratios": ratios(medians),
        }
        print(table(name, speeds), end="\n\n")
        for pair, ratio in results[name]["ratios"].items():
            print(f"{pair}: {ratio:,.1f} times")
    write_json(
        arguments.output,
        {
            "benchmark": "frames per second of the first-person view, one core",
            "seed": arguments.seed,
            "seconds_per_repetition": arguments.seconds,
            "results": results,
            **provenance(started, "miniworld", "pyglet"),
        },
    )
    print(f"written: {arguments.output}")


if __name__ == "__main__":
    main()

"""Millions of random steps over all levels with every invariant checked, and the same lives twice.

    python benchmarks/soak.py

Debug mode checks each state after each step (:mod:`mmrl_envs.grid.rules.invariants`). Then one life
of
every level is led again: in batches of other sizes, in other processes, with other threads.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.progress import Progress

from mmrl.evaluation.report import machine, versions
from mmrl.files import write_json
from mmrl_envs.grid.generation.levels import LEVELS
from mmrl_envs.grid.vector_env import GridVectorEnv

RESULT: Final = Path(__file__).parent / "results" / "soak.json"
BATCH: Final = 64
LIVES: Final = 3  # environments whose life is compared
LIFE: Final = 200  # steps of it
_CHANCES: Final = (np.ones(7) / 7, np.array([2, 2, 4, 4, 3, 3, 0]) / 18)
"""Of the actions: all alike, or mostly those that change something."""


def soak(level: str, steps: int, seed: int) -> dict[str, Any]:
    """Random steps in debug mode; half of the batch is busier than the other."""
    envs = GridVectorEnv(BATCH, level, debug=True)
    envs.reset(seed=seed)
    rng = np.random.default_rng(seed)
    done = episodes = successes = 0
    faults: list[str] = []
    while done < steps:
        actions = np.concatenate([rng.choice(7, BATCH // 2, p=chances) for chances in _CHANCES])
        try:
            _, _, terminated, truncated, infos = envs.step(actions)
        except RuntimeError as fault:
            faults.append(str(fault))
            envs.reset(seed=seed + done)
            continue
        done += BATCH
        episodes += int((terminated | truncated).sum())
        successes += int(infos["is_success"].sum()) if "is_success" in infos else 0
    return {"steps": done, "episodes": episodes, "successes": successes, "faults": faults}


def lives(level: str, num_envs: int, threads: int) -> str:
    """A hash of all that the first environments of a batch hand out."""
    envs = GridVectorEnv(num_envs, level, num_threads=threads)
    observation, _ = envs.reset(seed=0)
    digest = hashlib.sha256()
    actions = np.random.default_rng(0).integers(0, 7, (LIFE, LIVES))
    others = np.random.default_rng(1).integers(0, 7, (LIFE, num_envs))
    for mine, rest in zip(actions, others, strict=True):
        digest.update(observation["image"][:LIVES].tobytes())
        digest.update("\n".join(observation["instruction"][:LIVES]).encode())
        rest[:LIVES] = mine
        observation, rewards, terminated, truncated, _ = envs.step(rest)
        for array in (rewards, terminated, truncated):
            digest.update(array[:LIVES].tobytes())
    envs.close()
    return digest.hexdigest()


def all_lives(num_envs: int, threads: int) -> str:
    """One hash over :func:`lives` of every level."""
    each = "".join(lives(level, num_envs, threads) for level in LEVELS)
    return hashlib.sha256(each.encode()).hexdigest()


def same_lives() -> dict[str, str]:
    """The hash of all lives, led in several ways; all have to be the same."""
    command = f"import soak; print(soak.all_lives({LIVES}, 1))"
    other = subprocess.run(
        [sys.executable, "-c", command],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        f"batch of {LIVES}": all_lives(LIVES, 1),
        "batch of 64": all_lives(64, 1),
        "batch of 64, 2 threads": all_lives(64, 2),
        "batch of 100, 5 threads": all_lives(100, 5),
        f"batch of {LIVES}, another process": other.stdout.strip(),
    }


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--steps", type=int, default=10_000_000, help="of all levels together")
    parser.add_argument("--seed", type=int, default=0, help="of levels and actions (default 0)")
    parser.add_argument("--output", type=Path, default=RESULT, help="the JSON file to write")
    return parser.parse_args()


def main() -> None:
    """Run, print, write the file, and fail if anything was wrong."""
    arguments = parse_arguments()
    began = time.perf_counter()
    levels: dict[str, dict[str, Any]] = {}
    each = -(-arguments.steps // len(LEVELS))
    with Progress() as progress:
        task = progress.add_task("levels", total=len(LEVELS))
        for level in LEVELS:
            progress.update(task, description=level)
            levels[level] = soak(level, each, arguments.seed)
            progress.advance(task)
    hashes = same_lives()
    faults = sum(len(level["faults"]) for level in levels.values())
    steps = sum(level["steps"] for level in levels.values())
    same = len(set(hashes.values())) == 1
    write_json(
        arguments.output,
        {
            "command": f"python benchmarks/soak.py --steps {arguments.steps} "
            f"--seed {arguments.seed}",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": versions(),
            "seed": arguments.seed,
            "wall_seconds": round(time.perf_counter() - began, 1),
            "steps": steps,
            "faults": faults,
            "same_lives": same,
            "hash_of_all_lives": hashes,
            "levels": levels,
        },
    )
    print(f"{steps:,} steps with all invariants checked: {faults} faults; lives the same: {same}")
    if faults or not same:
        raise SystemExit(f"see {arguments.output}")


if __name__ == "__main__":
    main()

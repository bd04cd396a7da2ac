"""Success of random actions on every level, plain and strict, to compare trained policies with.

    python benchmarks/random_policy.py

Two random policies play the held-out episodes that ``mmrl eval`` plays: a walk that mostly moves,
and one that chooses among all seven actions alike. "done" decides nothing on plain levels, where
the walk leaves it out; on the strict ones it says it as often as it picks something up.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
from rich.progress import track

import mmrl_envs  # noqa: F401  registers the levels
from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import wilson_interval
from mmrl.files import write_json
from mmrl_envs.grid.generation.levels import LEVELS

RESULT: Final = Path(__file__).parent / "results" / "random_policy.json"
FIRST_SEED: Final = 1_000_000_000  # of the held-out episodes of mmrl eval
POLICIES: Final = {"walk": [2, 2, 6, 1, 1, 1], "uniform": [1] * 6}
"""Weights of left, right, forward, pick up, drop and toggle."""
SIZES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "OpenDoorColorStrict, room_size 4": ("OpenDoorColorStrict", {"room_size": 4}),
    "OpenDoorColorStrict, room_size 5": ("OpenDoorColorStrict", {"room_size": 5}),
    "PickupDistStrict, room_size 5, num_dists 2": (
        "PickupDistStrict",
        {"room_size": 5, "num_dists": 2},
    ),
    "PickupDistStrict, room_size 7, num_dists 8": (
        "PickupDistStrict",
        {"room_size": 7, "num_dists": 8},
    ),
}
"""Other sizes that agents are trained on here: ``configs/demo.yaml``, ``minilm.yaml``,
``listening.yaml``, ``hindsight.yaml``.
"""


def success(level: str, args: dict[str, Any], weights: list[int], episodes: int) -> int:
    """How many held-out episodes a random policy wins, one an environment."""
    envs = gym.make_vec(f"mmrl/{level}-v0", num_envs=episodes, **args)
    envs.reset(seed=FIRST_SEED)
    rng = np.random.default_rng(0)
    chances = np.array(weights) / sum(weights)
    playing, won = np.ones(episodes, bool), 0
    while playing.any():
        actions = rng.choice(7, episodes, p=chances)
        _, _, terminated, truncated, infos = envs.step(actions)
        ends = playing & (terminated | truncated)
        if ends.any():
            won += int(infos["is_success"][ends].sum())
        playing &= ~ends
    envs.close()
    return won


def main() -> None:
    """Play and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--episodes", type=int, default=512, help="of each level and policy")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    started = time.monotonic()
    names = [name + suffix for name in LEVELS for suffix in ("", "Strict")]
    every: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in names}
    levels = every | SIZES
    table: dict[str, dict[str, Any]] = {}
    for name, (level, args) in track(levels.items(), description="levels"):
        table[name] = {}
        for policy, weights in POLICIES.items():
            done = policy == "uniform" or level.endswith("Strict")
            won = success(level, args, [*weights, int(done)], options.episodes)
            table[name][policy] = {
                "success": round(won / options.episodes, 4),
                "95": [round(end, 4) for end in wilson_interval(won, options.episodes)],
            }
    result = {
        "episodes": options.episodes,
        "first_seed": FIRST_SEED,
        "weights": POLICIES,
        "levels": table,
        **provenance(started),
    }
    write_json(options.out, result)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()

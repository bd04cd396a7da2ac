"""What adapting an environment costs at each step, beside plain Gymnasium.

    python benchmarks/adapter_overhead.py

An environment that does nothing, with a camera, four numbers and a sentence, is stepped as it is
and adapted to the contract, in turns, in one process. Each turn compares medians of single steps;
``benchmarks/results/adapter_overhead.json`` has the microseconds of every turn and the median of
their differences.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from mmrl.evaluation.report import provenance
from mmrl.files import write_json
from mmrl.wrappers.adapters import make_env

RESULT: Final = Path(__file__).parent / "results" / "adapter_overhead.json"


class Idle(gym.Env[Any, Any]):
    """Nothing happens, and nothing is computed."""

    observation_space = spaces.Dict(
        rgb=spaces.Box(0, 255, (64, 64, 3), np.uint8),
        joints=spaces.Box(-1, 1, (4,), np.float32),
        task=spaces.Text(9),
    )
    action_space = spaces.Discrete(2)

    def __init__(self) -> None:
        self._seen = {
            "rgb": np.zeros((64, 64, 3), np.uint8),
            "joints": np.zeros(4, np.float32),
            "task": "go",
        }

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """What is always seen."""
        return self._seen, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """The same."""
        return self._seen, 0.0, False, False, {}


def seconds_per_step(env: gym.Env[Any, Any], steps: int) -> float:
    """The median of single steps."""
    took = []
    for _ in range(steps):
        started = time.perf_counter()
        env.step(0)
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def main() -> None:
    """Measure, print the median, write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=20_000, help="of each turn")
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    started = time.monotonic()
    gym.register("Idle-v0", Idle)
    plain = gym.make("Idle-v0", disable_env_checker=True)
    adapted = make_env("Idle-v0")
    plain.reset(seed=0)
    adapted.reset(seed=0)
    turns = [
        [1e6 * seconds_per_step(env, options.steps) for env in (plain, adapted)]
        for _ in range(options.turns)
    ]
    overhead = statistics.median(after - before for before, after in turns)
    print(f"{overhead:.1f} µs a step, median of {options.turns} turns")
    write_json(
        RESULT,
        {
            "overhead_microseconds": round(overhead, 2),
            "turns": [{"plain": round(one, 2), "adapted": round(two, 2)} for one, two in turns],
            **provenance(started),
        },
    )


if __name__ == "__main__":
    main()

"""What ``examples/one_file.py`` learns: success, with swapped instructions, and of random actions.

    python benchmarks/one_file.py

Two levels: four doors of which a wrong one ends the episode, where the instruction has to be read,
and a small room with two objects, where it has not. Each is trained anew for every seed, and tested
on 512 episodes whose seeds training does not use.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, Final

import torch

from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import wilson_interval
from mmrl.files import write_json

HERE: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "examples"))
from one_file import EPISODES, NUM_ENVS, Game, train  # noqa: E402 - it stands beside

LEVELS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "four doors": ("mmrl_envs:mmrl/OpenDoorColor-v0", {"room_size": 4, "strict": True}),
    "two objects": ("mmrl_envs:mmrl/GoToLocalS5N2-v0", {}),
}
STEPS: Final = 150_000


def measure(level: str, seed: int) -> dict[str, Any]:
    """Train once, and test with both controls."""
    env, args = LEVELS[level]
    torch.manual_seed(seed)
    started = time.monotonic()
    policy = train(Game(env, args, NUM_ENVS, seed), STEPS)
    seconds = time.monotonic() - started
    test = Game(env, args, EPISODES, seed=1_000_000)
    shares = {
        "success": test.success(policy),
        "swapped_instructions": test.success(policy, 1),
        "random": test.success(),
    }
    intervals = {
        f"{name}_95": wilson_interval(round(share * EPISODES), EPISODES)
        for name, share in shares.items()
    }
    return {"level": level, "seed": seed, "seconds": round(seconds, 1), **shares, **intervals}


def main() -> None:
    """Train, test, print a table, write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started, rows = time.monotonic(), []
    for level in LEVELS:
        for seed in range(options.seeds):
            rows.append(row := measure(level, seed))
            shares = (f"{row[key]:.1%}" for key in ("success", "swapped_instructions", "random"))
            print(
                f"| {level} | {seed} | {' | '.join(shares)} | {row['seconds']:.0f} s |", flush=True
            )
    write_json(
        HERE / "results" / "one_file.json",
        {"steps": STEPS, "episodes": EPISODES, "runs": rows, **provenance(started)},
    )


if __name__ == "__main__":
    main()

"""PPO with an LSTM: against ours without a memory, and against sb3-contrib's RecurrentPPO.

    python benchmarks/memory_speed.py

The same encoders, fusion, LSTM (128), number of environments and settings everywhere:

- ``ours``: without a memory.
- ``ours, lstm``, ``ours, gru``: whole rollouts of some environments in a minibatch, whose episodes
  the memory goes through side by side.
- ``sb3-contrib``: ``RecurrentPPO`` and ``MultiInputLstmPolicy`` with the same network as its
  features extractor, the LSTM shared by actor and critic.
- ``sb3-contrib, text once``: the same with our text encoder's shortcut in it.

Each on its own best environment path (ours batched, Minigrid's in a DummyVecEnv), and all on one
that costs nothing, a tape of recorded steps. All take turns; a repetition is whole updates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ppo_speed import make_ours, make_sb3, summarize, take_turns
from sb3_contrib import RecurrentPPO

from mmrl.evaluation.report import provenance
from mmrl.files import write_json

RESULTS = Path(__file__).parent / "results"
SIZE = 128
CONTRIB: dict[str, Any] = {
    "algorithm": RecurrentPPO, "policy": "MultiInputLstmPolicy",
    "lstm_hidden_size": SIZE, "shared_lstm": True, "enable_critic_lstm": False,
}  # fmt: skip


def main() -> None:
    """Measure, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--level", default="GoToRedBallGrey")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--updates", type=int, default=1, help="in a repetition")
    parser.add_argument("--num-envs", type=int, default=64)
    options = parser.parse_args()
    settings: dict[str, Any] = {
        "n_steps": 32, "batch_size": 512, "n_epochs": 4, "learning_rate": 1e-3, "device": "cpu",
    }  # fmt: skip
    started = time.monotonic()
    common = (options.level, settings, options.num_envs)
    arms: dict[str, Callable[[], Any]] = {}
    for suffix, free in (("", False), (", free", True)):
        arms |= {
            f"ours{suffix}": partial(make_ours, *common, free=free),
            **{
                f"ours, {memory}{suffix}": partial(
                    make_ours, *common, free=free, memory=memory, memory_args={"size": SIZE}
                )
                for memory in ("lstm", "gru")
            },
            **{
                f"sb3-contrib{how}{suffix}": partial(
                    make_sb3, *common, free=free, text_once=bool(how), **CONTRIB
                )
                for how in ("", ", text once")
            },
        }
    algorithms = {name: make() for name, make in arms.items()}
    measured = take_turns(
        algorithms, options.repetitions, dict.fromkeys(algorithms, options.updates)
    )
    pairs = [
        (f"ours, {memory}{suffix}", f"{rival}{suffix}")
        for suffix in ("", ", free")
        for memory in ("lstm", "gru")
        for rival in ("ours", "sb3-contrib", "sb3-contrib, text once")
    ]
    write_json(
        RESULTS / "memory_speed.json",
        {
            "level": options.level,
            "num_envs": options.num_envs,
            "settings": settings,
            "memory_size": SIZE,
            **summarize(measured, pairs),
            **provenance(started, "sb3-contrib"),
        },
    )


if __name__ == "__main__":
    main()

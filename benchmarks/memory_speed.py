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
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from minigrid.wrappers import RGBImgPartialObsWrapper
from ppo_speed import PlainExtractor, TokenWrapper, fps, make_batch
from rich.progress import track
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from mmrl.adapters import instruction_words
from mmrl.building import ModelConfig, build_tokenizer
from mmrl.evaluation.report import provenance
from mmrl.files import write_json
from mmrl_agents.policy import MultimodalPolicy
from mmrl_agents.ppo import PPO

RESULTS = Path(__file__).parent / "results"
SIZE = 128


def make_ours(
    level: str, settings: dict[str, Any], num_envs: int, *, free: bool, memory: str | None
) -> PPO:
    """Our path."""
    config = ModelConfig()
    env = make_batch(level, num_envs, free=free, config=config)
    recall = {"memory": memory, "memory_args": {"size": SIZE} if memory else {}}
    kwargs = {"model": config, **recall}
    return PPO(MultimodalPolicy, env, policy_kwargs=kwargs, seed=0, **settings)


def make_contrib(
    level: str, settings: dict[str, Any], num_envs: int, *, free: bool, text_once: bool
) -> RecurrentPPO:
    """sb3-contrib's own path on Minigrid, or on the tape."""
    config = ModelConfig()
    tokenizer = build_tokenizer(config, instruction_words(f"mmrl/{level}-v0"))

    def make() -> gym.Env[Any, Any]:
        env = RGBImgPartialObsWrapper(gym.make(f"BabyAI-{level}-v0"), tile_size=8)
        return Monitor(TokenWrapper(env, tokenizer))

    minigrid = None if free else DummyVecEnv([make] * num_envs)
    return RecurrentPPO(
        "MultiInputLstmPolicy",
        minigrid or make_batch(level, num_envs, free=True, config=config),
        policy_kwargs={
            "features_extractor_class": PlainExtractor,
            "features_extractor_kwargs": {"model": config, "text_once": text_once},
            "net_arch": {"pi": [64], "vf": [64]},
            "ortho_init": False,
            "lstm_hidden_size": SIZE,
            "shared_lstm": True,
            "enable_critic_lstm": False,
        },
        seed=0,
        **settings,
    )


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
            f"ours{suffix}": partial(make_ours, *common, free=free, memory=None),
            f"ours, lstm{suffix}": partial(make_ours, *common, free=free, memory="lstm"),
            f"ours, gru{suffix}": partial(make_ours, *common, free=free, memory="gru"),
            f"sb3-contrib{suffix}": partial(make_contrib, *common, free=free, text_once=False),
            f"sb3-contrib, text once{suffix}": partial(
                make_contrib, *common, free=free, text_once=True
            ),
        }
    algorithms = {name: make() for name, make in arms.items()}
    for algorithm in algorithms.values():
        fps(algorithm, 1)
    measured: dict[str, list[float]] = {name: [] for name in arms}
    for _ in track(range(options.repetitions), description="repetitions"):
        for name, algorithm in algorithms.items():
            measured[name].append(round(fps(algorithm, options.updates), 1))
    medians = {name: statistics.median(values) for name, values in measured.items()}

    def ratio(name: str, rival: str) -> float:
        pairs = zip(measured[name], measured[rival], strict=True)
        return round(statistics.median(a / b for a, b in pairs), 2)

    ratios = {
        f"ours, {memory}{suffix} / {rival}{suffix}": ratio(
            f"ours, {memory}{suffix}", f"{rival}{suffix}"
        )
        for suffix in ("", ", free")
        for memory in ("lstm", "gru")
        for rival in ("ours", "sb3-contrib", "sb3-contrib, text once")
    }
    print("| path | environment steps/s (median) |")
    print("|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:,.0f} |")
    for name, value in ratios.items():
        print(f"{name}: {value:.2f} ×")
    write_json(
        RESULTS / "memory_speed.json",
        {
            "level": options.level,
            "num_envs": options.num_envs,
            "settings": settings,
            "memory_size": SIZE,
            "torch_threads": torch.get_num_threads(),
            "steps_per_second": measured,
            "medians": medians,
            "ratios_median_of_pairs": ratios,
            **provenance(started, "sb3-contrib"),
        },
    )


if __name__ == "__main__":
    main()

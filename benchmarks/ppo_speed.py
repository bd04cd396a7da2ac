"""PPO end to end: ours against stable-baselines3's, on the environment and on a free one.

    python benchmarks/ppo_speed.py

The same network, number of environments and settings everywhere; what differs is the path that the
data takes:

- ``ours``: mmrl's batched environment and PPO; the text encoder runs once for each distinct
  instruction. Also in bfloat16.
- ``sb3``: what a user of SB3 and Minigrid writes: a DummyVecEnv of Minigrid environments with
  pixels and token ids, SB3's PPO and ``MultiInputPolicy`` with the same ResNet, BERT and fusion as
  its features extractor, the text encoder on every row.
- ``sb3, text once``: the same, with our text encoder's shortcut in it.
- ``…, free``: the same on an environment that costs nothing, a tape of recorded steps, so that only
  the algorithms differ.

All take turns; a repetition is several whole updates (collecting and learning).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import stable_baselines3
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from minigrid.wrappers import RGBImgPartialObsWrapper
from rich.progress import track
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor

from mmrl.evaluation.report import provenance
from mmrl.files import write_json
from mmrl.models.build import build_model, build_tokenizer
from mmrl.models.config import ModelConfig
from mmrl.models.inputs import ModelInputs
from mmrl.models.tokens import Tokens
from mmrl.preprocessing.text import PADDING, Tokenizer
from mmrl.wrappers.adapters import instruction_words, make_vec_env
from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.vec_env import MultimodalVecEnv

RESULTS = Path(__file__).parent / "results"


class TokenWrapper(gym.ObservationWrapper[Any, Any, Any]):
    """Minigrid's pixels and mission as SB3 can take them: the mission as token ids."""

    def __init__(self, env: gym.Env[Any, Any], tokenizer: Tokenizer) -> None:
        super().__init__(env)
        self._tokenizer = tokenizer
        source: Any = env.observation_space
        self.observation_space = spaces.Dict(
            {
                "image": source["image"],
                "instruction": spaces.Box(0, tokenizer.size - 1, (tokenizer.length,), np.int32),
            }
        )

    def observation(self, observation: Any) -> dict[str, Any]:
        """Image and ids."""
        return {
            "image": observation["image"],
            "instruction": self._tokenizer.encode(observation["mission"]),
        }


class PlainExtractor(BaseFeaturesExtractor):
    """The same network, as a user of SB3 puts it into ``MultiInputPolicy``.

    SB3 hands images as floats from 0 to 1 and ids as floats.
    """

    def __init__(self, space: spaces.Dict, model: ModelConfig, text_once: bool) -> None:
        super().__init__(space, model.features or 0)
        tokens: Any = space["instruction"]
        shape: Any = space["image"].shape
        self.model = build_model(model, ModelInputs.standard(shape[1:], int(tokens.high.max()) + 1))
        self._text_once = text_once

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Features float [B, F]."""
        model: Any = self.model
        ids = observations["instruction"].long()
        encoder = model.encoders["image"]
        maps = encoder.body(observations["image"] * 2 - 1)
        mask = torch.ones(len(maps), maps[0, 0].numel(), dtype=torch.bool)
        image = Tokens(maps.flatten(2).transpose(1, 2), mask, encoder.shape.grid)
        if self._text_once:
            text = model.encoders["instruction"](ids)
        else:
            mask = ids != PADDING
            bert = model.encoders["instruction"].bert
            hidden = bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
            text = Tokens(hidden, mask)
        features: Tensor = model.fusion({"image": image, "instruction": text})
        return features


class Tape(VectorEnv[Any, Any, Any]):
    """Steps of a batch, recorded once and played again and again, whatever the actions.

    Args:
        env: the batch.
        steps: how many.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], steps: int = 64) -> None:
        self.metadata, self.num_envs = env.metadata, env.num_envs
        self.single_observation_space = env.single_observation_space
        self.observation_space = env.observation_space
        self.single_action_space, self.action_space = env.single_action_space, env.action_space
        self._first = env.reset(seed=0)
        env.action_space.seed(0)
        self._tape = [deepcopy(env.step(env.action_space.sample())) for _ in range(steps)]
        self._at = 0
        env.close()

    def reset(self, **_: Any) -> Any:
        """The first observation."""
        return self._first

    def step(self, actions: Any) -> Any:
        """The next recorded step."""
        self._at = (self._at + 1) % len(self._tape)
        return self._tape[self._at]


def make_batch(level: str, num_envs: int, *, free: bool, config: ModelConfig) -> MultimodalVecEnv:
    """Our batch of a level, or a tape of it."""
    env_id = f"mmrl/{level}-v0"
    tokenizer = build_tokenizer(config, instruction_words(env_id))
    batch = make_vec_env(env_id, num_envs)
    return MultimodalVecEnv(Tape(batch) if free else batch, tokenizer)


def make_ours(
    level: str,
    settings: dict[str, Any],
    num_envs: int,
    *,
    free: bool,
    precision: str = "fp32",
    **policy: Any,
) -> PPO:
    """Our path; further arguments are the policy's."""
    config = ModelConfig(precision=precision)
    env = make_batch(level, num_envs, free=free, config=config)
    kwargs = {"model": config, **policy}
    return PPO(MultimodalPolicy, env, policy_kwargs=kwargs, seed=0, **settings)


def make_sb3(
    level: str,
    settings: dict[str, Any],
    num_envs: int,
    *,
    free: bool,
    text_once: bool,
    algorithm: Any = stable_baselines3.PPO,
    policy: str = "MultiInputPolicy",
    **more: Any,
) -> Any:
    """SB3's own path on Minigrid, or on the tape; further arguments are the policy's."""
    config = ModelConfig()
    tokenizer = build_tokenizer(config, instruction_words(f"mmrl/{level}-v0"))

    def make() -> gym.Env[Any, Any]:
        env = RGBImgPartialObsWrapper(gym.make(f"BabyAI-{level}-v0"), tile_size=8)
        return Monitor(TokenWrapper(env, tokenizer))

    minigrid = None if free else DummyVecEnv([make] * num_envs)
    return algorithm(
        policy,
        minigrid or make_batch(level, num_envs, free=True, config=config),
        policy_kwargs={
            "features_extractor_class": PlainExtractor,
            "features_extractor_kwargs": {"model": config, "text_once": text_once},
            "net_arch": {"pi": [64], "vf": [64]},
            "ortho_init": False,
            **more,
        },
        seed=0,
        **settings,
    )


def fps(algorithm: Any, updates: int) -> float:
    """Environment steps a second over whole updates; Minigrid's messages are not shown."""
    assert algorithm.env is not None
    steps = updates * algorithm.n_steps * algorithm.env.num_envs
    with contextlib.redirect_stdout(io.StringIO()):
        started = time.perf_counter()
        algorithm.learn(steps, reset_num_timesteps=False)
    return steps / (time.perf_counter() - started)


def take_turns(
    algorithms: Mapping[str, Any], repetitions: int, updates: Mapping[str, int]
) -> dict[str, list[float]]:
    """Steps a second of each algorithm in each repetition, after an update to warm up.

    Args:
        algorithms: by name.
        repetitions: how many.
        updates: of each in a repetition.
    """
    for algorithm in algorithms.values():
        fps(algorithm, 1)
    measured: dict[str, list[float]] = {name: [] for name in algorithms}
    for _ in track(range(repetitions), description="repetitions"):
        for name, algorithm in algorithms.items():
            measured[name].append(round(fps(algorithm, updates[name]), 2))
    return measured


def ratio(measured: Mapping[str, list[float]], name: str, rival: str) -> float:
    """How much faster, the median over the repetitions."""
    pairs = zip(measured[name], measured[rival], strict=True)
    return round(statistics.median(a / b for a, b in pairs), 2)


def summarize(
    measured: Mapping[str, list[float]], pairs: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """Medians, and the ratios of some pairs, as the result file has them; printed, too."""
    medians = {name: statistics.median(values) for name, values in measured.items()}
    ratios = {f"{name} / {rival}": ratio(measured, name, rival) for name, rival in pairs}
    print("| path | environment steps/s (median) |")
    print("|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:,.1f} |")
    for name, value in ratios.items():
        print(f"{name}: {value:.2f} ×")
    return {
        "torch_threads": torch.get_num_threads(),
        "steps_per_second": measured,
        "medians": medians,
        "ratios_median_of_pairs": ratios,
    }


def main() -> None:
    """Measure, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--level", default="GoToRedBallGrey")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--updates", type=int, default=2, help="in a repetition")
    parser.add_argument("--num-envs", type=int, default=64)
    options = parser.parse_args()
    settings: dict[str, Any] = {
        "n_steps": 32, "batch_size": 512, "n_epochs": 4, "learning_rate": 1e-3, "device": "cpu",
    }  # fmt: skip
    started = time.monotonic()
    common = (options.level, settings, options.num_envs)
    arms: dict[str, Callable[[], stable_baselines3.PPO]] = {}
    for suffix, free in (("", False), (", free", True)):
        arms |= {
            f"ours{suffix}": partial(make_ours, *common, free=free),
            f"ours, bf16{suffix}": partial(make_ours, *common, free=free, precision="bf16"),
            f"sb3{suffix}": partial(make_sb3, *common, free=free, text_once=False),
            f"sb3, text once{suffix}": partial(make_sb3, *common, free=free, text_once=True),
        }
    algorithms = {name: make() for name, make in arms.items()}
    measured = take_turns(
        algorithms, options.repetitions, dict.fromkeys(algorithms, options.updates)
    )
    pairs = [
        (name, rival)
        for name in arms
        for rival in arms
        if name.startswith("ours") and rival.startswith("sb3")
        and name.endswith("free") == rival.endswith("free")
    ]  # fmt: skip
    write_json(
        RESULTS / "ppo_speed.json",
        {
            "level": options.level,
            "num_envs": options.num_envs,
            "settings": settings,
            **summarize(measured, pairs),
            **provenance(started),
        },
    )


if __name__ == "__main__":
    main()

"""What SB3's algorithms that learn from a replay buffer share."""

from __future__ import annotations

import os
from typing import Any

from gymnasium import spaces
from stable_baselines3.common import policies
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BaseModel, BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from mmrl.building import ModelConfig
from mmrl.errors import UserError
from mmrl.experiment.config import OptimizerConfig, TrainConfig
from mmrl_agents.optimizers import build_optimizer
from mmrl_agents.policy import MultimodalExtractor
from mmrl_agents.replay import FrameReplay
from mmrl_agents.training import SB3Agent, check_positive
from mmrl_agents.vec_env import MultimodalVecEnv

_GIGABYTE = 1e9


class AsTheyAre(BaseModel):
    """One of SB3's networks, which gets frames as bytes and tokens as integers."""

    def extract_features(
        self, obs: PyTorchObs, features_extractor: BaseFeaturesExtractor
    ) -> Tensor:
        """Features float [B, F], without SB3's cast of everything to float."""
        features: Tensor = features_extractor(obs)
        return features


class ContinuousCritic(AsTheyAre, policies.ContinuousCritic):
    """Values of an action, by two networks on one model."""


class MultimodalNetworks(BasePolicy):
    """One of SB3's policies, whose networks see and read by :class:`mmrl.model.MultimodalModel`.

    Args:
        model: what the model is made of.
        optimizer: its name, arguments and penalties.
        kwargs: the other arguments of SB3's policy.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *,
        model: ModelConfig | None = None,
        optimizer: OptimizerConfig | None = None,
        **kwargs: Any,
    ) -> None:
        self._made_of = {
            "model": model or ModelConfig(),
            "optimizer": optimizer or OptimizerConfig(),
        }
        kwargs = {
            **kwargs,
            "features_extractor_class": MultimodalExtractor,
            "features_extractor_kwargs": {"model": self._made_of["model"]},
            "normalize_images": False,
            "optimizer_class": build_optimizer,
            "optimizer_kwargs": {"config": self._made_of["optimizer"]},
        }
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        """What ``save`` writes down of this policy, and ``load`` hands to the constructor."""
        data = super()._get_constructor_parameters()
        return {key: data[key] for key in data if key not in _OURS} | self._made_of


_OURS = (
    "features_extractor_class",
    "features_extractor_kwargs",
    "normalize_images",
    "optimizer_class",
    "optimizer_kwargs",
)


class OffPolicyAgent(SB3Agent):
    """An algorithm with a replay buffer, for the command line."""

    @classmethod
    def build(cls, config: TrainConfig, hyper: Any, env: MultimodalVecEnv) -> BaseAlgorithm:
        """As :meth:`SB3Agent.build`.

        Raises:
            UserError: a replay buffer that is larger than the machine's memory.
        """
        algorithm = super().build(config, hyper, env)
        replay: FrameReplay = algorithm.replay_buffer  # type: ignore[attr-defined]
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if replay.nbytes > there:
            raise UserError(
                f"{config.agent}.buffer_size={hyper.buffer_size}: a replay buffer of "
                f"{replay.nbytes / _GIGABYTE:.1f} GB, where there are {there / _GIGABYTE:.1f} GB "
                f"of memory: give {int(hyper.buffer_size * there / replay.nbytes / 2):,} or less"
            )
        return algorithm

    @classmethod
    def algorithm_kwargs(cls, hyper: Any) -> dict[str, Any]:
        """As :meth:`SB3Agent.algorithm_kwargs`."""
        return {**super().algorithm_kwargs(hyper), "replay_buffer_class": FrameReplay}

    @classmethod
    def check(cls, hyper: Any) -> None:
        """As :meth:`SB3Agent.check`."""
        names = ("num_envs", "buffer_size", "batch_size", "train_freq", "gradient_steps")
        check_positive(cls.name, hyper, *names)
        if hyper.buffer_size < hyper.num_envs:
            raise UserError(
                f"{cls.name}.buffer_size={hyper.buffer_size}: must hold a step of each of "
                f"num_envs={hyper.num_envs} environments"
            )

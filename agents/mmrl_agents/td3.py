"""TD3 (Fujimoto et al., 2018): stable-baselines3's, for continuous actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import stable_baselines3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.td3 import policies

from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl_agents.off_policy import AsTheyAre, ContinuousCritic, MultimodalNetworks, OffPolicyAgent
from mmrl_agents.training import check_positive
from mmrl_agents.vec_env import MultimodalVecEnv


class Actor(AsTheyAre, policies.Actor):
    """One action."""


class TD3Policy(MultimodalNetworks, policies.TD3Policy):
    """SB3's policy of TD3 around :class:`mmrl.model.MultimodalModel`."""

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Actor:
        """An actor, with a model of its own if none is given."""
        arguments = self._update_features_extractor(self.actor_kwargs, features_extractor)
        return Actor(**arguments).to(self.device)

    def make_critic(
        self, features_extractor: BaseFeaturesExtractor | None = None
    ) -> ContinuousCritic:
        """Critics, with a model of their own if none is given."""
        arguments = self._update_features_extractor(self.critic_kwargs, features_extractor)
        return ContinuousCritic(**arguments).to(self.device)


@dataclass
class TD3Config:
    """Hyperparameters of TD3, named as in stable-baselines3.

    Attributes:
        num_envs: environments stepped together.
        buffer_size: transitions that are remembered; a frame of 56 × 56 pixels takes 9.4 kB.
        learning_starts: steps before the first update.
        batch_size: transitions in a gradient step.
        train_freq: steps of each environment between updates.
        gradient_steps: in an update.
        learning_rate: at the start.
        final_learning_rate: at the end; the way between is straight.
        gamma: discount.
        tau: how far the target networks follow at every update.
        policy_delay: updates of the critics to one of the actor.
        action_noise: standard deviation of what is added to actions, where 1 is half their range.
    """

    num_envs: int = 8
    buffer_size: int = 50_000
    learning_starts: int = 1_000
    batch_size: int = 128
    train_freq: int = 1
    gradient_steps: int = 2
    learning_rate: float = 7e-4
    final_learning_rate: float = 1e-4
    gamma: float = 0.98
    tau: float = 0.01
    policy_delay: int = 2
    action_noise: float = 0.2


class TD3Agent(OffPolicyAgent):
    """TD3 for the command line."""

    name = "td3"
    search = (
        "td3.learning_rate=1e-4..3e-3:log",
        "td3.gradient_steps=1..8:int",
        "td3.tau=0.002..0.05:log",
        "td3.action_noise=0.05..0.5",
    )
    Config = TD3Config
    Algorithm = stable_baselines3.TD3
    Policy = TD3Policy

    @classmethod
    def build(cls, config: TrainConfig, hyper: TD3Config, env: MultimodalVecEnv) -> BaseAlgorithm:
        """As :meth:`OffPolicyAgent.build`, with the noise."""
        algorithm: Any = super().build(config, hyper, env)
        shape = env.action_space.shape or ()
        algorithm.action_noise = NormalActionNoise(
            np.zeros(shape), np.full(shape, hyper.action_noise)
        )
        return algorithm

    @classmethod
    def algorithm_kwargs(cls, hyper: TD3Config) -> dict[str, Any]:
        """As :meth:`SB3Agent.algorithm_kwargs`."""
        kwargs = super().algorithm_kwargs(hyper)
        del kwargs["action_noise"]
        return kwargs

    @classmethod
    def check(cls, hyper: TD3Config) -> None:
        """As :meth:`SB3Agent.check`."""
        super().check(hyper)
        check_positive(cls.name, hyper, "policy_delay")
        if hyper.action_noise < 0:
            raise UserError(f"td3.action_noise={hyper.action_noise}: must be at least 0")

"""TD3 (Fujimoto et al., 2018): stable-baselines3's, for continuous actions."""

from __future__ import annotations

from typing import Any

import numpy as np
import stable_baselines3
from gymnasium import spaces
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.td3 import policies

from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl_agents.algorithms.checks import check_positive
from mmrl_agents.algorithms.divergence import CheckedUpdates
from mmrl_agents.algorithms.off_policy import (
    ContinuousNetworks,
    OffPolicyAgent,
    UncastNetwork,
)
from mmrl_agents.algorithms.replay_saving import OffPolicySaveable
from mmrl_agents.configs import TD3Config
from mmrl_agents.vec_env import MultimodalVecEnv


class Actor(UncastNetwork, policies.Actor):
    """One action."""


class TD3Policy(ContinuousNetworks, policies.TD3Policy):
    """SB3's policy of TD3 around :class:`mmrl.models.model.MultimodalModel`."""

    Actor = Actor


class TD3(CheckedUpdates, OffPolicySaveable, stable_baselines3.TD3):
    """SB3's TD3, saved as plain data, with a replay buffer that keeps every frame once;
    it stops where its numbers are not finite any more.

    Args:
        policy: :class:`TD3Policy`, or one made of it.
        env: a :class:`~mmrl_agents.vec_env.MultimodalVecEnv`.
        kwargs: SB3's other arguments.
    """

    policy_aliases = {**stable_baselines3.TD3.policy_aliases, "TD3Policy": TD3Policy}


class TD3Agent(OffPolicyAgent):
    """TD3 for the command line."""

    name = "td3"
    search = (
        "td3.learning_rate=1e-4..3e-3:log",
        "td3.gradient_steps=1..8:int",
        "td3.tau=0.002..0.05:log",
        "td3.action_noise=0.05..0.5",
    )
    actions = (spaces.Box,)
    Config = TD3Config
    Algorithm = TD3
    Policy = TD3Policy

    @classmethod
    def data_kwargs(
        cls, config: TrainConfig, hyper: TD3Config, env: MultimodalVecEnv
    ) -> dict[str, Any]:
        """As :meth:`OffPolicyAgent.data_kwargs`, with the noise."""
        shape = env.action_space.shape or ()
        noise = NormalActionNoise(np.zeros(shape), np.full(shape, hyper.action_noise))
        return {**super().data_kwargs(config, hyper, env), "action_noise": noise}

    @classmethod
    def check(cls, hyper: TD3Config) -> None:
        """As :meth:`SB3Agent.check`."""
        super().check(hyper)
        check_positive(cls.name, hyper, "policy_delay")
        if hyper.action_noise < 0:
            raise UserError(f"td3.action_noise={hyper.action_noise}: must be at least 0")

"""SAC (Haarnoja et al., 2018): stable-baselines3's, for continuous actions."""

from __future__ import annotations

import stable_baselines3
from gymnasium import spaces
from stable_baselines3.sac import policies

from mmrl_agents.algorithms.divergence import CheckedUpdates
from mmrl_agents.algorithms.off_policy import (
    ContinuousNetworks,
    OffPolicyAgent,
    UncastNetwork,
)
from mmrl_agents.algorithms.replay_saving import OffPolicySaveable
from mmrl_agents.configs import SACConfig


class Actor(UncastNetwork, policies.Actor):
    """A squashed Gaussian over actions."""


class SACPolicy(ContinuousNetworks, policies.SACPolicy):
    """SB3's policy of SAC around :class:`mmrl.models.model.MultimodalModel`."""

    Actor = Actor


class SAC(CheckedUpdates, OffPolicySaveable, stable_baselines3.SAC):
    """SB3's SAC, saved as plain data, with a replay buffer that keeps every frame once;
    it stops where its numbers are not finite any more.

    Args:
        policy: :class:`SACPolicy`, or one made of it.
        env: a :class:`~mmrl_agents.vec_env.MultimodalVecEnv`.
        kwargs: SB3's other arguments.
    """

    policy_aliases = {**stable_baselines3.SAC.policy_aliases, "SACPolicy": SACPolicy}


class SACAgent(OffPolicyAgent):
    """SAC for the command line."""

    name = "sac"
    search = (
        "sac.learning_rate=1e-4..3e-3:log",
        "sac.gradient_steps=1..8:int",
        "sac.tau=0.002..0.05:log",
        "sac.gamma=0.9..0.99",
    )
    actions = (spaces.Box,)
    Config = SACConfig
    Algorithm = SAC
    Policy = SACPolicy

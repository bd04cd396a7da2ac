"""DQN (Mnih et al., 2015): stable-baselines3's, on images and instructions."""

from __future__ import annotations

import stable_baselines3
from gymnasium import spaces
from stable_baselines3.dqn import policies

from mmrl_agents.algorithms.divergence import CheckedUpdates
from mmrl_agents.algorithms.masked_values import MaskedExploration, MaskedValues
from mmrl_agents.algorithms.off_policy import (
    MultimodalNetworks,
    OffPolicyAgent,
    UncastNetwork,
)
from mmrl_agents.algorithms.replay_saving import OffPolicySaveable
from mmrl_agents.configs import DQNConfig
from mmrl_agents.hindsight.part import HindsightPart


class QNetwork(MaskedValues, UncastNetwork, policies.QNetwork):
    """A value for each action."""


class DQNPolicy(MultimodalNetworks, policies.DQNPolicy):
    """SB3's policy of DQN around :class:`mmrl.models.model.MultimodalModel`."""

    def make_q_net(self) -> QNetwork:
        """A network with a model of its own."""
        arguments = self._update_features_extractor(self.net_args, features_extractor=None)
        return QNetwork(**arguments).to(self.device)


class DQN(CheckedUpdates, OffPolicySaveable, MaskedExploration, stable_baselines3.DQN):
    """SB3's DQN, saved as plain data, with a replay buffer that keeps every frame once;
    it stops where its numbers are not finite any more.

    Args:
        policy: :class:`DQNPolicy`, or one made of it.
        env: a :class:`~mmrl_agents.vec_env.MultimodalVecEnv`.
        kwargs: SB3's other arguments.
    """

    policy_aliases = {**stable_baselines3.DQN.policy_aliases, "DQNPolicy": DQNPolicy}
    target_networks = ("q_net_target",)


class DQNAgent(OffPolicyAgent):
    """DQN for the command line."""

    name = "dqn"
    search = (
        "dqn.learning_rate=5e-5..1e-3:log",
        "dqn.gradient_steps=1..8:int",
        "dqn.gamma=0.9..0.99",
        "dqn.exploration_fraction=0.1..0.6",
    )
    parts = {"hindsight": HindsightPart}
    actions = (spaces.Discrete,)
    masks = True
    Config = DQNConfig
    Algorithm = DQN
    Policy = DQNPolicy

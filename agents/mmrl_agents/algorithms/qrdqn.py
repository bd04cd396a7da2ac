"""QR-DQN (Dabney et al., 2018): sb3-contrib's, on images and instructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sb3_contrib
from gymnasium import spaces
from sb3_contrib.qrdqn import policies

from mmrl.experiment.config import TrainConfig
from mmrl_agents.algorithms.checks import check_positive
from mmrl_agents.algorithms.divergence import CheckedUpdates
from mmrl_agents.algorithms.masked_values import MaskedExploration, MaskedValues
from mmrl_agents.algorithms.off_policy import MultimodalNetworks, OffPolicyAgent, UncastNetwork
from mmrl_agents.algorithms.replay_saving import OffPolicySaveable
from mmrl_agents.configs import QRDQNConfig
from mmrl_agents.hindsight.part import HindsightPart
from mmrl_agents.parts import Part


class QuantileNetwork(MaskedValues, UncastNetwork, policies.QuantileNetwork):
    """Quantiles of the return of each action."""


class QRDQNPolicy(MultimodalNetworks, policies.QRDQNPolicy):
    """The policy of QR-DQN around :class:`mmrl.models.model.MultimodalModel`."""

    def make_quantile_net(self) -> QuantileNetwork:
        """A network with a model of its own."""
        arguments = self._update_features_extractor(self.net_args, features_extractor=None)
        return QuantileNetwork(**arguments).to(self.device)


class QRDQN(CheckedUpdates, OffPolicySaveable, MaskedExploration, sb3_contrib.QRDQN):
    """sb3-contrib's QR-DQN, saved as plain data, with a replay buffer that keeps every frame once;
    it stops where its numbers are not finite any more.

    Args:
        policy: :class:`QRDQNPolicy`, or one made of it.
        env: a :class:`~mmrl_agents.vec_env.MultimodalVecEnv`.
        kwargs: SB3's other arguments.
    """

    policy_aliases = {**sb3_contrib.QRDQN.policy_aliases, "QRDQNPolicy": QRDQNPolicy}
    target_networks = ("quantile_net_target",)


class QRDQNAgent(OffPolicyAgent):
    """QR-DQN for the command line."""

    name = "qrdqn"
    search = (
        "qrdqn.learning_rate=5e-5..1e-3:log",
        "qrdqn.gradient_steps=1..8:int",
        "qrdqn.gamma=0.9..0.99",
        "qrdqn.n_quantiles=20..200:int",
    )
    parts = {"hindsight": HindsightPart}
    actions = (spaces.Discrete,)
    masks = True
    Config = QRDQNConfig
    Algorithm = QRDQN
    Policy = QRDQNPolicy

    @classmethod
    def policy_kwargs(
        cls, config: TrainConfig, hyper: QRDQNConfig, parts: Sequence[Part]
    ) -> dict[str, Any]:
        """As :meth:`SB3Agent.policy_kwargs`."""
        kwargs = super().policy_kwargs(config, hyper, parts)
        return {**kwargs, "n_quantiles": hyper.n_quantiles}

    @classmethod
    def check(cls, hyper: QRDQNConfig) -> None:
        """As :meth:`SB3Agent.check`."""
        super().check(hyper)
        check_positive(cls.name, hyper, "n_quantiles")

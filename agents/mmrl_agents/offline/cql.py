"""Conservative Q-learning (Kumar et al., 2020) of discrete actions, on DQN's networks."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from mmrl_agents.algorithms.dqn import DQNPolicy
from mmrl_agents.configs import CQLConfig
from mmrl_agents.offline.agent import OfflineAgent, check_not_negative
from mmrl_agents.offline.buffer import Transitions
from mmrl_agents.offline.task import Losses, OfflineTask, discounted


class CQLTask(OfflineTask):
    """Double Q-learning (van Hasselt et al., 2016), and α times how far the soft maximum of Q(s, ·)
    is above the value of the dataset's action: CQL(H) of the paper.
    """

    name = "cql"
    hyper: CQLConfig

    @staticmethod
    def target_networks(policy: Any) -> list[tuple[nn.Module, nn.Module]]:
        """As :meth:`OfflineTask.target_networks`."""
        return [(policy.q_net, policy.q_net_target)]

    def compute_losses(self, batch: Transitions) -> Losses:
        """As :meth:`OfflineTask.compute_losses`."""
        policy = self.policy
        with torch.no_grad():
            best = policy.q_net(batch.next_observations).argmax(1)
            after = _of_actions(policy.q_net_target(batch.next_observations), best)
            targets = discounted(batch, after, self.hyper.gamma)
        values = policy.q_net(batch.observations)
        taken = _of_actions(values, batch.actions)
        td_loss = functional.smooth_l1_loss(taken, targets)
        gap = (values.logsumexp(1) - taken).mean()
        return {
            "loss": td_loss + self.hyper.alpha * gap,
            "td_loss": td_loss,
            "conservative_loss": gap,
            "value": taken.mean(),
        }


class CQLAgent(OfflineAgent):
    """Conservative Q-learning for the command line."""

    name = "cql"
    search = ("cql.learning_rate=5e-5..1e-3:log", "cql.alpha=0.05..5:log")
    actions = (spaces.Discrete,)
    training_only = ("q_net_target.",)
    Config = CQLConfig
    Policy = DQNPolicy
    Task = CQLTask

    @classmethod
    def check(cls, hyper: CQLConfig) -> None:
        """As :meth:`SB3Agent.check`."""
        super().check(hyper)
        check_not_negative(cls.name, hyper, "alpha")


def _of_actions(values: Tensor, actions: Tensor) -> Tensor:
    """The values [B] of actions [B], of those of all actions [B, n]."""
    return values.gather(1, actions.long()[:, None]).flatten()

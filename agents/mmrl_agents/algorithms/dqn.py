"""DQN (Mnih et al., 2015): stable-baselines3's, on images and instructions."""

from __future__ import annotations

from dataclasses import dataclass

import stable_baselines3
from gymnasium import spaces
from stable_baselines3.dqn import policies

from mmrl_agents.algorithms.divergence import CheckedUpdates
from mmrl_agents.algorithms.masked_values import MaskedExploration, MaskedValues
from mmrl_agents.algorithms.off_policy import (
    MultimodalNetworks,
    OffPolicyAgent,
    ReplayConfig,
    UncastNetwork,
)
from mmrl_agents.algorithms.replay_saving import OffPolicySaveable
from mmrl_agents.hindsight.part import HindsightPart
from mmrl_agents.parts import NONE, PartOptions


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


@dataclass
class DQNConfig(ReplayConfig):
    """Hyperparameters of DQN: those of every replay, and the exploration.

    Attributes:
        target_update_interval: steps between the times that the target network follows.
        exploration_fraction: of the training, until fewest actions are random.
        exploration_initial_eps: share of random actions at the start.
        exploration_final_eps: at the end.
        max_grad_norm: gradients are scaled down to it.
        hindsight: what relabels failed episodes with an instruction that they did achieve: none;
            oracle, the environment's verifier; learned, a captioner that is trained on the agent's
            own successes; or a run folder of 'mmrl fit captioner'. As a mapping: {kind: oracle}.
    """

    num_envs: int = 16
    learning_starts: int = 2_000
    train_freq: int = 4
    gradient_steps: int = 4
    learning_rate: float = 3e-4
    gamma: float = 0.97
    tau: float = 0.02
    target_update_interval: int = 16
    exploration_fraction: float = 0.3
    exploration_initial_eps: float = 1.0
    exploration_final_eps: float = 0.05
    max_grad_norm: float = 10.0
    hindsight: PartOptions = NONE


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

"""Implicit Q-learning (Kostrikov et al., 2022): values of the dataset's own actions only."""

from __future__ import annotations

from typing import Any, cast

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim, preprocess_obs
from stable_baselines3.common.torch_layers import create_mlp
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from mmrl.errors import UserError
from mmrl.models.config import ModelConfig
from mmrl_agents.configs import IQLConfig
from mmrl_agents.networks.policy import MultimodalExtractor, MultimodalPolicy
from mmrl_agents.offline.agent import OfflineAgent, check_not_negative
from mmrl_agents.offline.buffer import Transitions
from mmrl_agents.offline.task import Losses, OfflineTask, discounted

_HIDDEN = [256, 256]


class TwinCritic(nn.Module):
    """Two estimates of the value of an action, on one multimodal model.

    Args:
        observation_space: as of :class:`MultimodalExtractor`.
        action_space: of any kind that agents take; choices become one-hot vectors.
        model: what the model is made of.
    """

    def __init__(
        self, observation_space: spaces.Dict, action_space: spaces.Space[Any], model: ModelConfig
    ) -> None:
        super().__init__()
        self.features_extractor = MultimodalExtractor(observation_space, model)
        self._action_space = action_space
        width = self.features_extractor.features_dim + get_flattened_obs_dim(action_space)
        self.heads = nn.ModuleList(nn.Sequential(*create_mlp(width, 1, _HIDDEN)) for _ in range(2))

    def forward(self, observations: dict[str, Tensor], actions: Tensor) -> Tensor:
        """Observations [B, …] and actions [B] or [B, A] → values, float [2, B]."""
        features = self.features_extractor(observations)
        encoded = preprocess_obs(actions, self._action_space, normalize_images=False)
        together = torch.cat([features, cast("Tensor", encoded)], 1)
        return torch.stack([head(together).flatten() for head in self.heads])


class IQLPolicy(MultimodalPolicy):
    """The policy of PPO, whose critic is V(s), with two estimates of Q(s, a) beside it.

    Attributes:
        critic, critic_target: of Q(s, a), and what follows it.
    """

    critic: TwinCritic
    critic_target: TwinCritic

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        model = self.features_extractor_kwargs["model"]
        space: Any = self.observation_space
        self.critic = TwinCritic(space, self.action_space, model)
        self.critic_target = TwinCritic(space, self.action_space, model)
        self.critic_target.load_state_dict(self.critic.state_dict())


class IQLTask(OfflineTask):
    """Q(s, a) → r + γ V(s'); V(s) → an expectile of Q(s, a) over the dataset's actions; and the
    policy → the dataset's actions, weighted by exp(β (Q(s, a) − V(s))).
    """

    name = "iql"
    hyper: IQLConfig

    @staticmethod
    def target_networks(policy: Any) -> list[tuple[nn.Module, nn.Module]]:
        """As :meth:`OfflineTask.target_networks`."""
        return [(policy.critic, policy.critic_target)]

    def compute_losses(self, batch: Transitions) -> Losses:
        """As :meth:`OfflineTask.compute_losses`."""
        policy, hyper = self.policy, self.hyper
        with torch.no_grad():
            best = policy.critic_target(batch.observations, batch.actions).amin(0)
            after = policy.predict_values(batch.next_observations).flatten()
            targets = discounted(batch, after, hyper.gamma)
        evaluation = policy.evaluate(batch.observations, batch.actions)
        advantages = best - evaluation.values
        value_loss = expectile_loss(advantages, hyper.expectile)
        weights = (hyper.beta * advantages.detach()).exp().clamp(max=hyper.max_weight)
        actor_loss = -(weights * evaluation.log_probs).mean()
        critic_loss = (policy.critic(batch.observations, batch.actions) - targets).square().mean()
        return {
            "loss": value_loss + critic_loss + actor_loss,
            "value_loss": value_loss,
            "critic_loss": critic_loss,
            "actor_loss": actor_loss,
            "value": evaluation.values.mean(),
            "advantage_weight": weights.mean(),
        }


class IQLAgent(OfflineAgent):
    """Implicit Q-learning for the command line. Its policy is that of PPO."""

    name = "iql"
    search = (
        "iql.learning_rate=1e-4..1e-3:log", "iql.expectile=0.6..0.95", "iql.beta=0.5..10:log",
    )  # fmt: skip
    training_only = ("critic.", "critic_target.")
    Config = IQLConfig
    Policy = IQLPolicy
    Task = IQLTask

    @classmethod
    def check(cls, hyper: IQLConfig) -> None:
        """As :meth:`SB3Agent.check`."""
        super().check(hyper)
        if not 0 < hyper.expectile < 1:
            raise UserError(f"iql.expectile={hyper.expectile}: must be above 0 and below 1")
        check_not_negative(cls.name, hyper, "beta", "max_weight")


def expectile_loss(errors: Tensor, expectile: float) -> Tensor:
    """The mean of |τ − 1(u < 0)| u² over errors u, with τ the expectile: its minimum is the
    expectile of what the errors are measured from.
    """
    weights = torch.where(errors < 0, 1 - expectile, expectile)
    return (weights * errors.square()).mean()

"""TD3+BC (Fujimoto and Gu, 2021): TD3 whose actor also imitates the dataset's actions."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.func import functional_call

from mmrl_agents.algorithms.checks import check_positive
from mmrl_agents.algorithms.td3 import TD3Policy
from mmrl_agents.configs import TD3BCConfig
from mmrl_agents.offline.agent import OfflineAgent, check_not_negative
from mmrl_agents.offline.buffer import Transitions
from mmrl_agents.offline.task import Losses, OfflineTask, discounted, scaled_actions


class TD3BCTask(OfflineTask):
    """TD3's critics; the actor maximises λ Q(s, π(s)) − (π(s) − a)², with λ = α / mean |Q|."""

    name = "td3_bc"
    hyper: TD3BCConfig
    _step = 0

    @staticmethod
    def target_networks(policy: Any) -> list[tuple[nn.Module, nn.Module]]:
        """As :meth:`OfflineTask.target_networks`."""
        return [(policy.actor, policy.actor_target), (policy.critic, policy.critic_target)]

    def before_step(self, step: int) -> None:
        """Remember which step it is: the actor learns in one of ``policy_delay``."""
        self._step = step

    def compute_losses(self, batch: Transitions) -> Losses:
        """As :meth:`OfflineTask.compute_losses`."""
        actions = scaled_actions(self.policy, batch.actions)
        critic_loss = self._critic_loss(batch, actions)
        losses = {"loss": critic_loss, "critic_loss": critic_loss}
        if self.module.training and (self._step + 1) % self.hyper.policy_delay:
            return losses
        chosen = self.policy.actor(batch.observations)
        values = self._values(batch.observations, chosen)
        cloning_loss = (chosen - actions).square().mean()
        scale = self.hyper.alpha / values.detach().abs().mean().clamp(min=1e-6)
        actor_loss = cloning_loss - scale * values.mean()
        return {
            "loss": critic_loss + actor_loss,
            "critic_loss": critic_loss,
            "actor_loss": actor_loss,
            "cloning_loss": cloning_loss,
            "value": values.mean(),
        }

    def _critic_loss(self, batch: Transitions, actions: Tensor) -> Tensor:
        """The error of both critics, with a target of smoothed actions."""
        policy, hyper = self.policy, self.hyper
        with torch.no_grad():
            noise = torch.randn_like(actions) * hyper.target_noise
            noise = noise.clamp(-hyper.target_noise_clip, hyper.target_noise_clip)
            smoothed = (policy.actor_target(batch.next_observations) + noise).clamp(-1, 1)
            after = torch.cat(policy.critic_target(batch.next_observations, smoothed), 1).amin(1)
            targets = discounted(batch, after, hyper.gamma)
        values = torch.cat(policy.critic(batch.observations, actions), 1)
        return (values - targets[:, None]).square().sum(1).mean()

    def _values(self, observations: dict[str, Tensor], actions: Tensor) -> Tensor:
        """The first critic's values of actions, [B], without gradients of its weights."""
        critic = self.policy.critic
        with torch.no_grad():
            features = critic.extract_features(observations, critic.features_extractor)
        head = critic.q_networks[0]
        fixed = {name: one.detach() for name, one in head.named_parameters()}
        return functional_call(head, fixed, torch.cat([features, actions], 1)).flatten()


class TD3BCAgent(OfflineAgent):
    """TD3+BC for the command line."""

    name = "td3_bc"
    search = ("td3_bc.learning_rate=1e-4..1e-3:log", "td3_bc.alpha=0.5..10:log")
    actions = (spaces.Box,)
    training_only = ("actor_target.", "critic.", "critic_target.")
    Config = TD3BCConfig
    Policy = TD3Policy
    Task = TD3BCTask

    @classmethod
    def check(cls, hyper: TD3BCConfig) -> None:
        """As :meth:`SB3Agent.check`."""
        super().check(hyper)
        check_positive(cls.name, hyper, "policy_delay")
        check_not_negative(cls.name, hyper, "alpha", "target_noise", "target_noise_clip")

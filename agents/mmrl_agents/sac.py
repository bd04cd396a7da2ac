"""SAC (Haarnoja et al., 2018): stable-baselines3's, for continuous actions."""

from __future__ import annotations

from dataclasses import dataclass

import stable_baselines3
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.sac import policies

from mmrl_agents.off_policy import AsTheyAre, ContinuousCritic, MultimodalNetworks, OffPolicyAgent


class Actor(AsTheyAre, policies.Actor):
    """A squashed Gaussian over actions."""


class SACPolicy(MultimodalNetworks, policies.SACPolicy):
    """SB3's policy of SAC around :class:`mmrl.model.MultimodalModel`."""

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
class SACConfig:
    """Hyperparameters of SAC, named as in stable-baselines3.

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
        tau: how far the target critics follow at every update.
        ent_coef: weight of the entropy: a number, or auto to learn it.
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
    ent_coef: str | float = "auto"


class SACAgent(OffPolicyAgent):
    """SAC for the command line."""

    name = "sac"
    search = (
        "sac.learning_rate=1e-4..3e-3:log",
        "sac.gradient_steps=1..8:int",
        "sac.tau=0.002..0.05:log",
        "sac.gamma=0.9..0.99",
    )
    Config = SACConfig
    Algorithm = stable_baselines3.SAC
    Policy = SACPolicy

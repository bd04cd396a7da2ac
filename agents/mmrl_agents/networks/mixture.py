"""A mixture of Gaussians over continuous actions, for demonstrations with several ways to do it.

Shapes: B batch, M components, A numbers of an action.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from stable_baselines3.common.distributions import DiagGaussianDistribution
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

_LEAST_LOG_STD, _LARGEST_LOG_STD = -5.0, 2.0


class MixtureDistribution(DiagGaussianDistribution):
    """A mixture density (Bishop, 1994): M diagonal Gaussians with their weights.

    p(a|s) = Σₘ wₘ(s) N(a; μₘ(s), σₘ(s)²). Its mode is taken as the mean of the component with the
    largest weight. Standard deviations depend on the observation, from e⁻⁵ to e².

    Args:
        action_dim: A.
        components: M, at least 2.
    """

    distribution: MixtureSameFamily  # type: ignore[assignment]  # the parent's is one Gaussian

    def __init__(self, action_dim: int, components: int) -> None:
        super().__init__(action_dim)
        self.components = components

    def proba_distribution_net(
        self, latent_dim: int, log_std_init: float = 0.0
    ) -> tuple[nn.Module, nn.Parameter]:
        """The layer for weights, means and deviations, latent → M (1 + 2 A); and the logarithm of
        the standard deviation to which it adds, [A].
        """
        net = nn.Linear(latent_dim, self.components * (1 + 2 * self.action_dim))
        return net, nn.Parameter(torch.full((self.action_dim,), log_std_init))

    def proba_distribution(self, mean_actions: Tensor, log_std: Tensor) -> Self:
        """The distribution of the layer's output, float [B, M (1 + 2 A)]."""
        split = [1, self.action_dim, self.action_dim]
        logits, means, more = mean_actions.unflatten(-1, (self.components, -1)).split(split, -1)
        stds = (log_std + more).clamp(_LEAST_LOG_STD, _LARGEST_LOG_STD).exp()
        self.distribution = MixtureSameFamily(
            Categorical(logits=logits.squeeze(-1)), Independent(Normal(means, stds), 1)
        )
        return self

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-probability densities of actions [B, A], float [B]."""
        density: Tensor = self.distribution.log_prob(actions)
        return density

    def entropy(self) -> Any:
        """None: a mixture's entropy has no closed form."""
        return None

    def sample(self) -> Tensor:
        """Random actions, float [B, A]; without a gradient."""
        drawn: Tensor = self.distribution.sample()
        return drawn

    def mode(self) -> Tensor:
        """The mean of the component with the largest weight, float [B, A]."""
        weights: Tensor = self.distribution.mixture_distribution.logits
        means: Tensor = self.distribution.component_distribution.mean
        best = weights.argmax(-1)[:, None, None].expand(-1, 1, self.action_dim)
        return means.gather(1, best).squeeze(1)

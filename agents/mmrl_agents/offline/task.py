"""Offline reinforcement learning as gradient steps: minibatches, target networks, validation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import polyak_update
from torch import Tensor, nn
from torch.optim import Optimizer

from mmrl.experiment.config import OptimizerConfig
from mmrl.training.task import Batch, Evaluation, FitConfig, TrainingTask
from mmrl_agents.actor import SB3Actor
from mmrl_agents.networks.optimizers import build_optimizer
from mmrl_agents.offline.buffer import Transitions
from mmrl_agents.offline.data import OfflineData

_VALIDATED: Final = 2_048  # steps at most
Losses = dict[str, Tensor]


class OfflineTask(TrainingTask):
    """Learns from recorded transitions; a subclass has an algorithm's losses and target networks.

    Args:
        actor: of the policy to train.
        data: to learn from.
        hyper: the hyperparameters.
        optimizer: of all networks.

    Attributes:
        policy: that is trained.
    """

    def __init__(
        self, actor: SB3Actor, data: OfflineData, hyper: Any, optimizer: OptimizerConfig
    ) -> None:
        self.policy: Any = actor.policy
        self.module = actor.policy
        self.hyper, self._data, self._optimizer = hyper, data, optimizer
        self._fingerprints = dict(actor.preprocessing.fingerprints)
        for _, target in self.target_networks(self.policy):
            target.requires_grad_(False)

    @abstractmethod
    def compute_losses(self, batch: Transitions) -> Losses:
        """As :meth:`losses`."""

    @staticmethod
    @abstractmethod
    def target_networks(policy: Any) -> list[tuple[nn.Module, nn.Module]]:
        """Networks, each with the target network that follows it."""

    def build_optimizer(self, config: FitConfig) -> Optimizer:
        """One for all networks but the targets, as the run's configuration has it."""
        return build_optimizer(self.module.parameters(), config.learning_rate, self._optimizer)

    def batch(self, generator: np.random.Generator) -> Batch:
        """Random steps of episodes that are not held out."""
        steps = self._data.buffer.sample(self._data.split.train, self.hyper.batch_size, generator)
        return self._batch(steps)

    def losses(self, batch: Batch) -> Losses:
        """The algorithm's losses, whose sum is ``loss``, and what else is logged."""
        for _, target in self.target_networks(self.policy):
            target.eval()
        return self.compute_losses(Transitions.unpack(batch))

    def after_step(self, step: int) -> None:
        """The target networks follow: weights by a share, statistics wholly."""
        for network, target in self.target_networks(self.policy):
            polyak_update(network.parameters(), target.parameters(), self.hyper.tau)
            for one, other in zip(network.buffers(), target.buffers(), strict=True):
                other.copy_(one)

    def evaluate(self) -> Evaluation:
        """Validate: the losses on steps of episodes that are held out."""
        sums: dict[str, float] = {}
        count = 0
        with torch.no_grad():
            for batch in self._validation_batches():
                size = len(next(iter(batch.values())))
                on_device = {key: one.to(self.policy.device) for key, one in batch.items()}
                for name, value in self.losses(on_device).items():
                    sums[name] = sums.get(name, 0.0) + size * float(value)
                count += size
        return Evaluation({name: value / count for name, value in sums.items()})

    def get_state(self) -> dict[str, Any]:
        """The fingerprints of what prepares the observations."""
        return {"fingerprints": self._fingerprints}

    def _validation_batches(self) -> Iterator[Batch]:
        """Evenly spaced steps of the held-out episodes."""
        starts = self._data.buffer.starts
        held_out = [
            np.arange(starts[e], starts[e + 1]) for e in self._data.split.validation.tolist()
        ]
        steps = np.concatenate([np.zeros(0, np.int64), *held_out])
        chosen = steps[:: -(-len(steps) // _VALIDATED) or 1]
        for at in range(0, len(chosen), self.hyper.batch_size):
            yield self._batch(chosen[at : at + self.hyper.batch_size])

    def _batch(self, steps: np.ndarray[Any, np.dtype[np.int64]]) -> Batch:
        return self._data.buffer.transitions(steps).pack()


def discounted(batch: Transitions, values: Tensor, gamma: float) -> Tensor:
    """Bellman targets r + γ V(s'), where V(s') is 0 after a step that terminated its episode.

    Args:
        batch: the transitions.
        values: V(s'), float [B].
        gamma: the discount.

    Returns:
        Float [B].
    """
    return batch.rewards + gamma * batch.continues * values


def scaled_actions(policy: BasePolicy, actions: Tensor) -> Tensor:
    """Continuous actions [B, A] within a policy's space, as networks give them: from -1 to 1."""
    space = policy.action_space
    assert isinstance(space, spaces.Box)
    low, high = (torch.as_tensor(one, device=actions.device) for one in (space.low, space.high))
    return (2 * (actions - low) / (high - low) - 1).clamp(-1, 1).float()

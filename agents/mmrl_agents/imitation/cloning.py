"""Behaviour cloning as a supervised task: the likelihood of a demonstrator's actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer

from mmrl.experiment.checkpoint import put_weights, weights_of
from mmrl.training.task import Batch, Evaluation, FitConfig, TrainingTask
from mmrl.viz.confusion import confusion_image
from mmrl_agents.actor import SB3Actor
from mmrl_agents.configs import BCConfig
from mmrl_agents.imitation.demonstrations import Demonstrations
from mmrl_agents.imitation.policy import CloningPolicy

ACTIONS: Final = "actions"
VALID: Final = "valid"
STARTS: Final = "starts"
_OBSERVATION: Final = "observation/"
_AT_ONCE: Final = 4_096  # steps that are evaluated together


class CloningTask(TrainingTask):
    """Maximises log π(a | s) of a demonstrator's actions: behaviour cloning (Pomerleau, 1989).

    The weight penalties are those of the policy's optimiser.

    Args:
        actor: of the policy to train; with a memory, it learns from sequences.
        demonstrations: to learn from.
        hyper: the hyperparameters.
    """

    name = "bc"
    module: CloningPolicy

    def __init__(self, actor: SB3Actor, demonstrations: Demonstrations, hyper: BCConfig) -> None:
        self.module = cast("CloningPolicy", actor.policy)
        self.demonstrations, self._hyper = demonstrations, hyper
        self._fingerprints = dict(actor.preprocessing.fingerprints)
        self._best_loss, self._worse = float("inf"), 0
        self._best_weights: dict[str, Tensor] = {}

    def build_optimizer(self, config: FitConfig) -> Optimizer:
        """The policy's own."""
        return self.module.optimizer

    def batch(self, generator: np.random.Generator) -> Batch:
        """Random steps; with a memory, random sequences of episodes."""
        size = self._hyper.batch_size
        if self.module.memory is None:
            return self._batch(
                self.demonstrations.buffer.sample(self.demonstrations.split.train, size, generator)
            )
        length = self._hyper.sequence_length
        sequences = self.demonstrations.buffer.sample_sequences(
            self.demonstrations.split.train, size // length, length, generator
        )
        return self._batch(sequences.rows.ravel(), sequences.starts)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The negative log-likelihood, less the entropy bonus."""
        observations, state, starts = self._inputs(batch)
        valid = batch[VALID]
        log_probs, entropies = self.module.log_probs(observations, batch[ACTIONS], state, starts)
        loss = -_mean(log_probs, valid)
        logged = {"negative_log_likelihood": loss.detach()}
        if self._hyper.entropy_coef and entropies is not None:
            loss = loss - self._hyper.entropy_coef * _mean(entropies, valid)
        return {"loss": loss, **logged}

    def evaluate(self) -> Evaluation:
        """Validate: the negative log-likelihood; of discrete actions also accuracy and confusion
        matrix.
        """
        if not len(self.demonstrations.split.validation):
            return Evaluation({})
        log_probs, chosen, given = [], [], []
        with torch.no_grad():
            for batch, kept in self._validation_batches():
                on_device = {key: one.to(self.module.device) for key, one in batch.items()}
                inputs, actions = self._inputs(on_device), on_device[ACTIONS]
                likely, _ = self.module.log_probs(inputs[0], actions, *inputs[1:])
                log_probs.append(likely[on_device[VALID] & kept[:, None]].cpu())
                chosen.append(self.module.distributions(*inputs).mode()[kept].cpu())
                given.append(actions[kept, 0].cpu())
        metrics = {"loss": float(-torch.cat(log_probs).mean())}
        space = self.module.action_space
        if not isinstance(space, spaces.Discrete):
            return Evaluation(metrics)
        right, guessed = torch.cat(given).numpy(), torch.cat(chosen).numpy()
        metrics["accuracy"] = float((right == guessed).mean())
        return Evaluation(metrics, [], {"confusion": confusion_image(right, guessed, int(space.n))})

    def should_stop(self, evaluation: Evaluation) -> bool:
        """After ``patience`` validations without a lower loss; the weights of the best one are put
        back.
        """
        if not self._hyper.patience or "loss" not in evaluation.metrics:
            return False
        if evaluation.metrics["loss"] < self._best_loss:
            self._best_loss, self._worse = evaluation.metrics["loss"], 0
            weights = weights_of(self.module)
            self._best_weights = {name: one.clone() for name, one in weights.items()}
        else:
            self._worse += 1
        if self._worse < self._hyper.patience:
            return False
        put_weights(self.module, self._best_weights)
        return True

    def get_state(self) -> dict[str, Any]:
        """The fingerprints, and where early stopping is."""
        best = {"loss": self._best_loss, "worse": self._worse, "weights": self._best_weights}
        return {"fingerprints": self._fingerprints, "best": best if self._best_weights else None}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Resume from a state."""
        best = state["best"]
        if best is not None:
            self._best_loss, self._worse = best["loss"], best["worse"]
            self._best_weights = dict(best["weights"])

    def _batch(self, rows: NDArray[np.int64], starts: NDArray[np.bool_] | None = None) -> Batch:
        """Steps by their numbers, [n], and the beginnings of episodes, [T, N], in sequences; of
        actions, the K from each step on.
        """
        observations = self.demonstrations.buffer.observations(rows)
        ahead, valid = self.demonstrations.buffer.chunks(rows, self.module.chunking.size)
        if self.demonstrations.buffer.is_partial:
            valid &= self.demonstrations.buffer.learned[ahead]
        actions = torch.from_numpy(self.demonstrations.buffer.actions[ahead])
        if isinstance(self.module.action_space, spaces.Discrete):
            actions = actions.long()
        batch = {_OBSERVATION + key: one for key, one in observations.items()}
        batch |= {ACTIONS: actions, VALID: torch.from_numpy(valid)}
        if starts is not None:
            batch[STARTS] = torch.from_numpy(starts)
        return batch

    def _validation_batches(self) -> Iterator[tuple[Batch, Tensor]]:
        """All validation steps, and which of a batch count, bool [n]: those that are learned from,
        and are no padding.
        """
        if self.module.memory is None:
            first = self.demonstrations.buffer.starts
            episodes = [
                np.arange(first[e], first[e + 1]) for e in self.demonstrations.split.validation
            ]
            rows = np.concatenate(episodes)
            rows = rows[self.demonstrations.buffer.learned[rows]]
            for at in range(0, len(rows), _AT_ONCE):
                some = rows[at : at + _AT_ONCE]
                yield self._batch(some), torch.ones(len(some), dtype=torch.bool)
            return
        whole = self.demonstrations.buffer.whole(
            self.demonstrations.split.validation, self._hyper.sequence_length
        )
        columns = max(_AT_ONCE // len(whole.rows), 1)
        for at in range(0, whole.rows.shape[1], columns):
            part = slice(at, at + columns)
            rows = whole.rows[:, part].ravel()
            learned = self.demonstrations.buffer.learned[rows] & ~whole.padding[:, part].ravel()
            yield self._batch(rows, whole.starts[:, part]), torch.from_numpy(learned)

    def _inputs(self, batch: Batch) -> tuple[Batch, Tensor | None, Tensor | None]:
        """Observations, and with a memory the state before the first step and the beginnings."""
        observations = {
            key.removeprefix(_OBSERVATION): one
            for key, one in batch.items()
            if key.startswith(_OBSERVATION)
        }
        starts = batch.get(STARTS)
        state = None if starts is None else self.module.begin(starts.shape[1])
        return observations, state, starts


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    """The mean of those values, [n, K], that count, bool [n, K]; 0 of none."""
    return (values * counts).sum() / counts.sum().clamp(min=1)

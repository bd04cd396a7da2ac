"""What the trainer trains, the tasks of ``mmrl fit`` among it, and evaluations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from mmrl.training.config import FitConfig

__all__ = ["Batch", "Evaluation", "FitConfig", "Task", "TrainingTask"]

Batch = dict[str, Tensor]


@dataclass
class Evaluation:
    """Metrics and samples on held-out examples.

    Attributes:
        metrics: by name.
        samples: outputs as text, one a line.
        images: outputs as images, uint8 [H, W, 3] by name.
    """

    metrics: dict[str, float]
    samples: list[str] = field(default_factory=list)
    images: dict[str, NDArray[np.uint8]] = field(default_factory=dict)


class TrainingTask(ABC):
    """Data, module, loss and evaluation, for :func:`mmrl.training.trainer.fit`.

    Attributes:
        name: in the progress bar, in checkpoints and results.
        recipe: plain data that is kept in every checkpoint; empty where the module is rebuilt from
            the configuration of its run, as an agent's policy is.
        module: to train.
    """

    name: ClassVar[str]
    recipe: dict[str, Any] = {}
    module: nn.Module

    @abstractmethod
    def batch(self, generator: np.random.Generator) -> Batch:
        """Training examples; the generator is the only source of randomness."""

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The loss to minimise, ``loss``, and further values to log."""

    @abstractmethod
    def evaluate(self) -> Evaluation:
        """Evaluate the module on held-out examples."""

    def build_optimizer(self, config: FitConfig) -> Optimizer:
        """AdamW over the weights that are trained; the trainer sets its learning rate."""
        trained = [weight for weight in self.module.parameters() if weight.requires_grad]
        return torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)

    def before_step(self, step: int) -> None:  # noqa: B027 - nothing by default
        """Make more data, for example; called before gradient step number ``step`` + 1."""

    def after_step(self, step: int) -> None:  # noqa: B027 - nothing by default
        """Have target networks follow, for example; called after gradient step number ``step``."""

    def should_stop(self, evaluation: Evaluation) -> bool:
        """Whether training ends early after an evaluation before its end."""
        return False

    def get_state(self) -> dict[str, Any]:
        """Further plain data for checkpoints; :meth:`set_state` gets it."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027 - nothing by default
        """Resume from a checkpoint's state, which has what :meth:`get_state` gave."""


class Task(TrainingTask):
    """A task of ``mmrl fit``: it is made from options, and its module from a recipe.

    Attributes:
        name: in configurations and on the command line.
        summary: one line for ``mmrl fit --help``.
        Config: dataclass of its options, a :class:`FitConfig`.
        recipe: plain data from which :meth:`build` rebuilds the module without the data.
    """

    summary: ClassVar[str]
    Config: ClassVar[type[FitConfig]]

    @classmethod
    @abstractmethod
    def prepare(cls, config: Any) -> Self:
        """Open the data and make the module, with new weights.

        Raises:
            UserError: missing or unsuitable data, options out of range.
        """

    @staticmethod
    @abstractmethod
    def build(recipe: dict[str, Any]) -> nn.Module:
        """The module of a recipe, with new weights."""

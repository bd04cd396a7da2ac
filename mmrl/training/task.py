"""What a supervised training is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Batch = dict[str, Tensor]


@dataclass
class FitConfig:
    """How long, how fast and where; a task's own configuration has more.

    Attributes:
        out: run folder, which must not exist yet.
        steps: gradient steps.
        seed: of weights and batches.
        batch_size: examples in a gradient step.
        learning_rate: its highest; it rises for 5% of the steps and falls to 0 as a cosine does.
        weight_decay: of AdamW.
        max_grad_norm: gradients are scaled down to it.
        label_smoothing: share of each target that is spread over all others.
        precision: fp32, or bf16 for matrix products in bfloat16.
        device: auto, cpu or cuda.
        evaluate_every: steps between evaluations on held-out examples.
        checkpoint_every: steps between checkpoints; 0 for none between the first step and the end.
        checkpoint_minutes: minutes between checkpoints, if that comes first; 0 for steps alone.
        keep_checkpoints: how many of the newest are kept.
    """

    out: str
    steps: int = 3_000
    seed: int = 0
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    label_smoothing: float = 0.0
    precision: str = "fp32"
    device: str = "auto"
    evaluate_every: int = 500
    checkpoint_every: int = 1_000
    checkpoint_minutes: float = 10.0
    keep_checkpoints: int = 2


@dataclass
class Evaluation:
    """How good a module is on held-out examples.

    Attributes:
        metrics: by name.
        samples: what it does, in words, one a line, for people to read.
        images: uint8 [H, W, 3] by name, likewise.
    """

    metrics: dict[str, float]
    samples: list[str] = field(default_factory=list)
    images: dict[str, NDArray[np.uint8]] = field(default_factory=dict)


class Task(ABC):
    """Data, a module, its loss and its tests, for :func:`mmrl.training.trainer.fit`.

    Attributes:
        name: by which it is known.
        summary: what it makes, for ``mmrl fit --help``.
        Config: dataclass of its options, a :class:`FitConfig`.
        recipe: plain data from which :meth:`build` makes the module again without the data;
            kept in every checkpoint.
        module: what is trained.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Config: ClassVar[type[FitConfig]]
    recipe: dict[str, Any]
    module: nn.Module

    @classmethod
    @abstractmethod
    def prepare(cls, config: Any) -> Self:
        """Open the data and make the module, with new weights.

        Raises:
            UserError: data that is not there or not of the kind, options that cannot be.
        """

    @staticmethod
    @abstractmethod
    def build(recipe: dict[str, Any]) -> nn.Module:
        """The module of a recipe, with new weights."""

    @abstractmethod
    def batch(self, generator: np.random.Generator) -> Batch:
        """Examples to learn from, drawn by the generator alone."""

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """What is to become small, ``loss``, and whatever else is to be seen of it."""

    @abstractmethod
    def evaluate(self) -> Evaluation:
        """How good the module is on examples that it never learns from."""

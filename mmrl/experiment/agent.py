"""What the command line asks of an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from mmrl.actor import Actor

if TYPE_CHECKING:
    from mmrl.experiment.config import TrainConfig
    from mmrl.experiment.run import Run


class Agent(Protocol):
    """A way of training, offered through the entry point group ``mmrl.agents``.

    Attributes:
        Config: a dataclass of its hyperparameters, which become options of the command line.
    """

    Config: type[Any]

    @staticmethod
    def train(config: TrainConfig, hyper: Any, run: Run, *, resume: bool = False) -> Actor:
        """Train, log into ``run.events`` and save checkpoints through ``run``; or go on from the
        newest one.
        """
        ...

    @staticmethod
    def load(run: Run, device: str = "auto") -> Actor:
        """The agent of a run, from its newest checkpoint."""
        ...

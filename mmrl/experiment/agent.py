"""The protocol of an agent that the command line trains and loads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from mmrl.agent import Actor

if TYPE_CHECKING:
    from mmrl.experiment.checkpoint import Checkpoint
    from mmrl.experiment.config import TrainConfig
    from mmrl.experiment.run import Run


class Agent(Protocol):
    """A way of training: any class with these three, offered through the entry point group
    ``mmrl.agents``, or named by a dotted path; ``examples/own_agent.py`` is one.

    One that several workers can train together is a :class:`DistributedAgent`.

    Attributes:
        Config: a dataclass of its hyperparameters, which become options of the command line.
    """

    Config: type[Any]

    @staticmethod
    def train(config: TrainConfig, hyper: Any, run: Run, *, resume: bool = False) -> Actor:
        """Train, log into ``run.events`` and save checkpoints through ``run``; or resume from the
        newest one.
        """
        ...

    @staticmethod
    def load(run: Run, device: str = "auto") -> Actor:
        """The agent of a run, from its newest checkpoint."""
        ...


class ExportableAgent(Agent, Protocol):
    """An agent that says what of a checkpoint acting needs; one of another agent is exported
    whole.
    """

    @classmethod
    def for_inference(cls, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint without what only training needs; :meth:`load` takes it like a whole
        one.
        """
        ...


class DistributedAgent(Agent, Protocol):
    """An agent that several workers can train as one."""

    @staticmethod
    def plan_together(config: TrainConfig, hyper: Any, workers: int, address: str | None) -> str:
        """The plan of such a training, for people to read."""
        ...

    @staticmethod
    def train_together(
        config: TrainConfig,
        hyper: Any,
        run: Run,
        *,
        workers: int,
        address: str | None = None,
        resume: bool = False,
    ) -> Actor:
        """As :meth:`Agent.train`.

        Args:
            config, hyper, run, resume: as there.
            workers: how many.
            address: of the cluster that they run on; None for this machine.
        """
        ...

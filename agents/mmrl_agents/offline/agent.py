"""The agent that learns from recorded transitions alone."""

from __future__ import annotations

from typing import Any, ClassVar

from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo
from mmrl.experiment.run import Run
from mmrl_agents.actor import SB3Actor
from mmrl_agents.algorithms.checks import DATASETS
from mmrl_agents.datasets.agent import DatasetAgent
from mmrl_agents.offline.data import OfflineData
from mmrl_agents.offline.relabelling import RecordedHindsightPart
from mmrl_agents.offline.task import OfflineTask


class OfflineAgent(DatasetAgent):
    """An algorithm of offline reinforcement learning for the command line. No environment is
    stepped in training.

    Attributes:
        Task: the algorithm's losses.
    """

    parts = {"hindsight": RecordedHindsightPart}
    learns_from = DATASETS
    Task: ClassVar[type[OfflineTask]]

    @classmethod
    def check(cls, hyper: Any) -> None:
        """As :meth:`SB3Agent.check`."""
        if not hyper.data:
            raise UserError(
                f"{cls.name}.data: names no dataset to learn from: give --{cls.name}.data [NAME]; "
                "'mmrl collect' makes one"
            )
        if hyper.episodes < 0:
            raise UserError(f"{cls.name}.episodes={hyper.episodes}: must be at least 0, for all")
        check_share(cls.name, hyper, "gamma", "tau")
        super().check(hyper)

    @classmethod
    def make_task(
        cls, config: TrainConfig, hyper: Any, run: Run, actor: SB3Actor, info: EnvInfo
    ) -> OfflineTask:
        """As :meth:`DatasetAgent.make_task`."""
        hindsight = [one for one in cls.make_parts(hyper) if isinstance(one, RecordedHindsightPart)]
        for part in hindsight:
            part.check_reads(config)
        data = OfflineData(config, hyper, info, actor.preprocessing)
        data.read()
        for part in hindsight:
            data.relabel(part.key)
        data.check_rewards()
        return cls.Task(actor, data, hyper, config.optimizer)


def check_share(section: str, hyper: Any, *names: str) -> None:
    """Refuse numbers that are not above 0 and at most 1.

    Raises:
        UserError: one is not.
    """
    for name in names:
        if not 0 < getattr(hyper, name) <= 1:
            raise UserError(
                f"{section}.{name}={getattr(hyper, name)}: must be above 0 and at most 1"
            )


def check_not_negative(section: str, hyper: Any, *names: str) -> None:
    """Refuse negative numbers.

    Raises:
        UserError: one is.
    """
    for name in names:
        if getattr(hyper, name) < 0:
            raise UserError(f"{section}.{name}={getattr(hyper, name)}: must be at least 0")

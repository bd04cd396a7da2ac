"""Behaviour cloning (Pomerleau, 1989): supervised learning of a demonstrator's actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from mmrl.contract import EVAL_SEED_START
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo
from mmrl.experiment.run import Run
from mmrl_agents.actor import SB3Actor
from mmrl_agents.algorithms.checks import DEMONSTRATIONS, check_positive
from mmrl_agents.configs import BCConfig
from mmrl_agents.datasets.agent import DatasetAgent
from mmrl_agents.datasets.reading import open_datasets
from mmrl_agents.imitation.chunks import Chunking
from mmrl_agents.imitation.cloning import CloningTask
from mmrl_agents.imitation.demonstrations import Demonstrations
from mmrl_agents.imitation.policy import CloningPolicy
from mmrl_agents.networks.memory import MemoryPart
from mmrl_agents.parts import Part


class SequenceMemoryPart(MemoryPart):
    """A memory of a policy that learns from sequences of demonstrations."""

    def check(self, hyper: BCConfig) -> None:
        """As :meth:`Part.check`."""
        self.check_kind()
        if hyper.batch_size % hyper.sequence_length:
            section = self.key.rpartition(".")[0]
            raise UserError(
                f"{section}.batch_size={hyper.batch_size}: with a memory, it must be a multiple of "
                f"sequence_length={hyper.sequence_length}"
            )


class BCAgent(DatasetAgent):
    """Behaviour cloning for the command line: of datasets, or of the environment's expert.

    Its policy is that of PPO and A2C, with action chunks and a mixture of Gaussians on request.
    ``config.steps`` counts gradient steps.
    """

    name = "bc"
    search = ("bc.learning_rate=3e-4..3e-3:log", "bc.batch_size=128,256,512")
    parts = {"memory": SequenceMemoryPart}
    learns_from = DEMONSTRATIONS
    Config: ClassVar[type[BCConfig]] = BCConfig
    Policy = CloningPolicy

    @classmethod
    def check(cls, hyper: Any) -> None:
        """As :meth:`SB3Agent.check`."""
        check_positive(cls.name, hyper, "sequence_length", "num_envs")
        if hyper.demonstrations < (0 if cls.datasets(hyper) else 1):
            raise UserError(
                f"{cls.name}.demonstrations={hyper.demonstrations}: must be at least 1; of "
                "datasets, 0 takes all"
            )
        if hyper.patience < 0 or (hyper.patience and not hyper.validation):
            raise UserError(
                f"{cls.name}.patience={hyper.patience}: must be at least 0, and needs "
                f"{cls.name}.validation above 0"
            )
        if hyper.mixture < 1:
            raise UserError(f"{cls.name}.mixture={hyper.mixture}: must be at least 1")
        chunking(hyper).check(cls.name)
        super().check(hyper)

    @classmethod
    def policy_kwargs(
        cls, config: TrainConfig, hyper: Any, parts: Sequence[Part]
    ) -> dict[str, Any]:
        """As :meth:`SB3Agent.policy_kwargs`."""
        more = {"chunking": chunking(hyper), "mixture": hyper.mixture}
        return {**super().policy_kwargs(config, hyper, parts), **more}

    @classmethod
    def datasets(cls, hyper: Any) -> list[str]:
        """The names of the datasets that it learns from; the expert does not have to play then."""
        return list(hyper.data)

    @classmethod
    def make_task(
        cls, config: TrainConfig, hyper: Any, run: Run, actor: SB3Actor, info: EnvInfo
    ) -> CloningTask:
        """As :meth:`DatasetAgent.make_task`."""
        demonstrations = Demonstrations(config, hyper, info, actor.preprocessing)
        cls.add_demonstrations(config, hyper, run, demonstrations)
        demonstrations.check()
        demonstrations.report_failed()
        return CloningTask(actor, demonstrations, hyper)

    @classmethod
    def add_demonstrations(
        cls, config: TrainConfig, hyper: Any, run: Run, demonstrations: Demonstrations
    ) -> None:
        """Read the datasets, or have the expert play.

        Args:
            config, hyper: the configuration.
            run: where the expert's episodes are kept.
            demonstrations: to add to.

        Raises:
            UserError: there are none, or they do not fit.
        """
        datasets = open_datasets(hyper.data)
        if not datasets:
            folder = run.path / "demonstrations"
            seed = demonstration_seed(config.seed)
            datasets = demonstrations.play_expert(folder, hyper.demonstrations, seed)
        left = hyper.demonstrations
        for dataset in datasets:
            demonstrations.add(dataset, left, successful_only=hyper.successful_only)
            left = max(left - len(dataset), 0)
            if hyper.demonstrations and not left:
                break


def chunking(hyper: BCConfig) -> Chunking:
    """How actions are predicted and executed."""
    return Chunking(hyper.chunk_size, hyper.action_steps, hyper.temporal_ensemble)


def demonstration_seed(seed: int, number: int = 0) -> int:
    """The seed of the first episode of a training's round, apart from those of other trainings."""
    return (seed * 1_000_003 + number * 65_537) % (EVAL_SEED_START // 2)

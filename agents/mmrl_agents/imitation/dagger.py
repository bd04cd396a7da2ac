"""DAgger (Ross et al., 2011): the expert labels the states that the learner itself visits; and
HG-DAgger (Kelly et al., 2019), in which a person corrects it.
"""

from __future__ import annotations

from typing import Any

from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo
from mmrl.experiment.run import Run
from mmrl.seeding import forked_rng
from mmrl_agents.actor import SB3Actor
from mmrl_agents.algorithms.checks import check_positive
from mmrl_agents.configs import DAggerConfig
from mmrl_agents.datasets.reading import open_datasets
from mmrl_agents.imitation.bc import BCAgent, demonstration_seed
from mmrl_agents.imitation.cloning import CloningTask
from mmrl_agents.imitation.demonstrations import Demonstrations


class DAggerTask(CloningTask):
    """Behaviour cloning of a growing dataset: in equal intervals of gradient steps, a round of
    episodes is played and labelled.

    The episodes of a round are kept in the run folder, and are read where they are there, so that
    resuming is exact.

    Args:
        actor: of the policy that learns.
        demonstrations: none so far.
        hyper: the hyperparameters.
        config: of the training.
        run: where the rounds are kept.
    """

    name = "dagger"

    def __init__(
        self,
        actor: SB3Actor,
        demonstrations: Demonstrations,
        hyper: DAggerConfig,
        config: TrainConfig,
        run: Run,
    ) -> None:
        super().__init__(actor, demonstrations, hyper)
        self._actor, self._config, self._run, self._rounds = actor, config, run, hyper
        self._played = 0

    def before_step(self, step: int) -> None:
        """Play the rounds that are due."""
        while self._played < min(step // self._interval + 1, self._rounds.rounds):
            with forked_rng():  # whether a round is played or read must not change what follows
                self._play(self._played)
            self._played += 1

    @property
    def _interval(self) -> int:
        """Gradient steps between two rounds."""
        return -(-self._config.steps // self._rounds.rounds)

    def _play(self, number: int) -> None:
        hyper = self._rounds
        share, more = divmod(hyper.demonstrations, hyper.rounds)
        datasets = self.demonstrations.play_expert(
            self._run.path / "rounds" / str(number),
            share + (number < more),
            demonstration_seed(self._config.seed, number),
            self._actor if number else None,
            hyper.beta * hyper.beta_decay ** (number - 1) if number else 0.0,
        )
        success = [one[k].success for one in datasets for k in range(len(one))]
        for one in datasets:
            self.demonstrations.add(one, 0, successful_only=hyper.successful_only and not number)
        self.demonstrations.check()
        known = [one for one in success if one is not None]
        who = "the expert" if not number else "the agent"
        rate = f", success {sum(known) / len(known):.1%}" if known else ""
        print(f"round {number + 1}: {len(success):,} episodes of {who}{rate}")


class DAggerAgent(BCAgent):
    """DAgger for the command line: it needs an environment with an expert, or a person's
    corrections.
    """

    name = "dagger"
    search = ("dagger.learning_rate=3e-4..3e-3:log", "dagger.rounds=5..40:int")
    Config = DAggerConfig

    @classmethod
    def check(cls, hyper: Any) -> None:
        """As :meth:`SB3Agent.check`."""
        super().check(hyper)
        check_positive(cls.name, hyper, "rounds")
        if hyper.by:
            return
        if hyper.data:
            raise UserError(
                "dagger.data: an expert has to label what the agent does, so datasets cannot be "
                "learned from; give --agent bc, or dagger.by, a person's corrections, as well"
            )
        if hyper.chunk_size > 1:
            raise UserError(
                f"dagger.chunk_size={hyper.chunk_size}: the expert's labels do not follow from one "
                "another, so single actions are learned; give --agent bc"
            )
        if hyper.demonstrations < hyper.rounds:
            raise UserError(
                f"dagger.demonstrations={hyper.demonstrations}: must be at least rounds="
                f"{hyper.rounds}"
            )
        for name in ("beta", "beta_decay"):
            if not 0 <= getattr(hyper, name) <= 1:
                raise UserError(f"dagger.{name}={getattr(hyper, name)}: must be from 0 to 1")

    @classmethod
    def make_task(
        cls, config: TrainConfig, hyper: Any, run: Run, actor: SB3Actor, info: EnvInfo
    ) -> CloningTask:
        """As :meth:`BCAgent.make_task`; the first round is played by the first step. There are no
        rounds with a person's corrections.
        """
        demonstrations = Demonstrations(config, hyper, info, actor.preprocessing)
        if hyper.by:
            return cls._corrected(config, hyper, run, actor, demonstrations)
        return DAggerTask(actor, demonstrations, hyper, config, run)

    @classmethod
    def datasets(cls, hyper: Any) -> list[str]:
        """As :meth:`BCAgent.datasets`."""
        return [*hyper.data, *hyper.by]

    @classmethod
    def _corrected(
        cls,
        config: TrainConfig,
        hyper: DAggerConfig,
        run: Run,
        actor: SB3Actor,
        demonstrations: Demonstrations,
    ) -> CloningTask:
        """Behaviour cloning of demonstrations, if any, and of a person's steps in corrected
        episodes.
        """
        if hyper.data or hyper.demonstrations:
            cls.add_demonstrations(config, hyper, run, demonstrations)
        for dataset in open_datasets(hyper.by):
            steps = demonstrations.add(dataset, 0, successful_only=False, corrected=True)
            print(f"{dataset.place.name}: {steps:,} steps of a person")
        demonstrations.check()
        demonstrations.report_failed()
        return CloningTask(actor, demonstrations, hyper)

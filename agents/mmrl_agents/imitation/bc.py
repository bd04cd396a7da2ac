"""Behaviour cloning (Pomerleau, 1989): supervised learning of a demonstrator's actions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, ClassVar

import torch

from mmrl.contract import EVAL_SEED_START
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import env_info
from mmrl.experiment.run import Run
from mmrl.models.saved_encoders import saved_encoders
from mmrl.training.task import FitConfig
from mmrl.training.trainer import fit
from mmrl_agents.actor import SB3Actor
from mmrl_agents.algorithms.base import SB3Agent, check_actions, check_positive
from mmrl_agents.configs import BCConfig
from mmrl_agents.imitation.chunks import Chunking
from mmrl_agents.imitation.cloning import CloningTask
from mmrl_agents.imitation.demonstrations import Demonstrations, open_datasets
from mmrl_agents.imitation.policy import CloningPolicy
from mmrl_agents.initial_weights import begin_with
from mmrl_agents.networks.memory import MemoryPart
from mmrl_agents.parts import Part
from mmrl_agents.preprocessing import prepare


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


class BCAgent(SB3Agent):
    """Behaviour cloning for the command line: of datasets, or of the environment's expert.

    Its policy is that of PPO and A2C, with action chunks and a mixture of Gaussians on request.
    ``config.steps`` counts gradient steps.
    """

    name = "bc"
    search = ("bc.learning_rate=3e-4..3e-3:log", "bc.batch_size=128,256,512")
    parts = {"memory": SequenceMemoryPart}
    from_rewards = False
    Config: ClassVar[type[BCConfig]] = BCConfig
    Policy = CloningPolicy

    @classmethod
    def check(cls, hyper: Any) -> None:
        """As :meth:`SB3Agent.check`."""
        check_positive(
            cls.name, hyper, "batch_size", "sequence_length", "evaluate_every", "num_envs"
        )
        if hyper.demonstrations < (0 if cls.datasets(hyper) else 1):
            raise UserError(
                f"{cls.name}.demonstrations={hyper.demonstrations}: must be at least 1; of "
                "datasets, 0 takes all"
            )
        if not 0 <= hyper.validation < 1:
            raise UserError(
                f"{cls.name}.validation={hyper.validation}: must be at least 0 and less than 1"
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
    def train(  # type: ignore[override]  # it learns in one process
        cls, config: TrainConfig, hyper: Any, run: Run, *, resume: bool = False
    ) -> SB3Actor:
        """Train for ``config.steps`` gradient steps, with checkpoints.

        Args:
            config, hyper: the configuration.
            run: where everything is kept.
            resume: resume from the run's newest checkpoint, exactly.

        Raises:
            UserError: a hyperparameter that cannot be, an environment without an expert, a dataset
                that does not fit, or a checkpoint that cannot be read or written.
            KeyboardInterrupt: the user interrupted; a checkpoint was saved.
        """
        cls.check(hyper)
        checkpoint = run.read_checkpoint() if resume else None
        torch.manual_seed(config.seed)
        info = env_info(run.env_info, config)
        check_actions(config, info.action_space, cls.actions)
        preprocessing = prepare(config, run, checkpoint, info)
        space = info.observation_space
        with nullcontext() if checkpoint is None else saved_encoders(run.path):
            policy = cls.build_policy(config, hyper, preprocessing, space, info.action_space)
        if checkpoint is None and config.init:
            begin_with(policy, config, run)
        actor = SB3Actor(policy, preprocessing)
        demonstrations = Demonstrations(config, hyper, info, preprocessing)
        task = cls.make_task(config, hyper, run, actor, demonstrations)
        fit(task, _fit_config(config, hyper), run, resume=resume)
        return actor

    @classmethod
    def datasets(cls, hyper: Any) -> list[str]:
        """The names of the datasets that it learns from; the expert does not have to play then."""
        return list(hyper.data)

    @classmethod
    def make_task(
        cls,
        config: TrainConfig,
        hyper: Any,
        run: Run,
        actor: SB3Actor,
        demonstrations: Demonstrations,
    ) -> CloningTask:
        """The supervised task, with its demonstrations.

        Args:
            config, hyper: the configuration.
            run: where they are kept.
            actor: of the policy that learns.
            demonstrations: none so far.

        Raises:
            UserError: there are none, or they do not fit.
        """
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
            config, hyper, run, demonstrations: as of :meth:`make_task`.

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


def _fit_config(config: TrainConfig, hyper: BCConfig) -> FitConfig:
    """The options of the supervised trainer."""
    return FitConfig(
        config.out,
        steps=config.steps,
        seed=config.seed,
        batch_size=hyper.batch_size,
        learning_rate=hyper.learning_rate,
        max_grad_norm=hyper.max_grad_norm,
        device=config.device,
        evaluate_every=hyper.evaluate_every,
        checkpoint_every=config.checkpoint_every,
        checkpoint_minutes=config.checkpoint_minutes,
        keep_checkpoints=config.keep_checkpoints,
    )

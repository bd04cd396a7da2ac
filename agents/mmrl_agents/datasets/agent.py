"""The agent that takes gradient steps on recorded episodes."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from typing import Any

import torch

from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo, env_info
from mmrl.experiment.run import Run
from mmrl.models.saved_encoders import saved_encoders
from mmrl.training.task import FitConfig, TrainingTask
from mmrl.training.trainer import fit
from mmrl_agents.actor import SB3Actor
from mmrl_agents.algorithms.base import SB3Agent
from mmrl_agents.algorithms.checks import check_actions, check_positive
from mmrl_agents.initial_weights import begin_with
from mmrl_agents.preprocessing import prepare


class DatasetAgent(SB3Agent):
    """An agent for the command line that learns from recorded episodes; ``config.steps`` counts
    gradient steps. Of the environment only the spaces are needed.
    """

    @classmethod
    def check(cls, hyper: Any) -> None:
        """As :meth:`SB3Agent.check`."""
        check_positive(cls.name, hyper, "batch_size", "evaluate_every")
        if not 0 <= hyper.validation < 1:
            raise UserError(
                f"{cls.name}.validation={hyper.validation}: must be at least 0 and less than 1"
            )
        super().check(hyper)

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
            UserError: a hyperparameter that cannot be, actions of a kind that it does not take, an
                environment without an expert, a dataset that does not fit, or a checkpoint that
                cannot be read or written.
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
        task = cls.make_task(config, hyper, run, actor, info)
        fit(task, _fit_config(config, hyper), run, resume=resume)
        return actor

    @classmethod
    @abstractmethod
    def make_task(
        cls, config: TrainConfig, hyper: Any, run: Run, actor: SB3Actor, info: EnvInfo
    ) -> TrainingTask:
        """What is trained, with its data.

        Args:
            config, hyper: the configuration.
            run: where data are kept that it makes.
            actor: of the policy that learns.
            info: of the environment.

        Raises:
            UserError: there are no data, or they do not fit.
        """


def _fit_config(config: TrainConfig, hyper: Any) -> FitConfig:
    """The options of the trainer."""
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
        logger=config.logger,
    )

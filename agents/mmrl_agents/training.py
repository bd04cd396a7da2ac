"""What all algorithms of stable-baselines3 share on the command line: training and loading."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from mmrl.adapters import make_vec_env
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.preprocessing import build_preprocessing
from mmrl.experiment.run import Run
from mmrl.preprocessing.inputs import Preprocessing
from mmrl_agents.acting import SB3Actor
from mmrl_agents.callbacks import StandardCallbacks
from mmrl_agents.vec_env import MultimodalVecEnv


class SB3Agent(ABC):
    """An algorithm for the command line; see :class:`mmrl.experiment.agent.Agent`.

    A subclass says what its hyperparameters are and how the algorithm is built of them.

    Attributes:
        Config: dataclass of the hyperparameters; ``num_envs`` is one of them.
        Algorithm: the class that reads its checkpoints.
    """

    Config: ClassVar[type[Any]]
    Algorithm: ClassVar[type[BaseAlgorithm]]

    @classmethod
    @abstractmethod
    def build(cls, config: TrainConfig, hyper: Any, env: MultimodalVecEnv) -> BaseAlgorithm:
        """The algorithm, ready to learn.

        Raises:
            UserError: a hyperparameter that cannot be.
        """

    @classmethod
    @abstractmethod
    def check(cls, hyper: Any) -> None:
        """Refuse what SB3 would fail on later, or silently do otherwise.

        Raises:
            UserError: a hyperparameter that cannot be.
        """

    @classmethod
    def train(cls, config: TrainConfig, hyper: Any, run: Run) -> SB3Actor:
        """Train for ``config.steps`` environment steps and save what was learnt.

        Raises:
            UserError: a hyperparameter that cannot be.
            KeyboardInterrupt: the user interrupted; a checkpoint was saved.
        """
        cls.check(hyper)
        torch.manual_seed(config.seed)
        batch = make_vec_env(config.env, hyper.num_envs, **config.env_args)
        preprocessing = build_preprocessing(config, batch.single_observation_space)
        env = MultimodalVecEnv(batch, preprocessing.tokenizer, preprocessing.speech)
        algorithm = cls.build(config, hyper, env)
        algorithm.set_logger(Logger(None, [TensorBoardOutputFormat(str(run.events))]))
        run.save_preprocessing(preprocessing)
        actor = SB3Actor(algorithm, preprocessing)
        callbacks = StandardCallbacks(config, run, actor)
        try:
            algorithm.learn(config.steps, callback=callbacks, log_interval=1)
        finally:
            callbacks.close()
            run.save_checkpoint(algorithm.save, algorithm.num_timesteps)
            env.close()
        return actor

    @classmethod
    def load(cls, run: Run, device: str = "auto") -> SB3Actor:
        """The agent of a run, from its newest checkpoint.

        Raises:
            UserError: there is no checkpoint, or it cannot be read.
        """
        path = run.newest_checkpoint()
        try:
            algorithm = cls.Algorithm.load(path, device=device)
        except (ValueError, KeyError, OSError, RuntimeError) as error:
            raise UserError(f"checkpoint {path} cannot be read: {error}") from error
        return SB3Actor(algorithm, Preprocessing.load(run.path))


def straight_line(start: float, end: float) -> Any:
    """A learning rate from ``start`` to ``end``, as SB3 wants it: by what remains, 1 to 0."""
    return lambda remaining: end + (start - end) * remaining


def check_positive(section: str, hyper: Any, *names: str) -> None:
    """Refuse numbers below 1.

    Raises:
        UserError: one is.
    """
    for name in names:
        if getattr(hyper, name) < 1:
            raise UserError(f"{section}.{name}={getattr(hyper, name)}: must be at least 1")

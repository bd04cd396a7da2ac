"""What all algorithms of stable-baselines3 share on the command line: training and loading."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any, ClassVar, cast

import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import get_device
from stable_baselines3.common.vec_env import VecTransposeImage

from mmrl.contract import IMAGE
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import put_weights
from mmrl.experiment.config import TrainConfig, read_config
from mmrl.experiment.env_info import env_info
from mmrl.experiment.run import Run
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.wrappers.adapters import make_vec_env
from mmrl_agents.actor import SB3Actor
from mmrl_agents.loop.callbacks import StandardCallbacks
from mmrl_agents.loop.learn import announce, go_on, learn, make_logger, profiled
from mmrl_agents.loop.progress import ProgressBar, Show
from mmrl_agents.preprocessing import load_preprocessing, prepare
from mmrl_agents.schedules import LinearDecay
from mmrl_agents.team import ALONE, Team
from mmrl_agents.vec_env import MultimodalVecEnv


class SB3Agent(ABC):
    """An algorithm for the command line; see :class:`mmrl.agent.Agent`.

    A subclass names the classes, and says what is particular to it.

    Attributes:
        name: by which it is known, and its hyperparameters.
        Config: dataclass of the hyperparameters, named as SB3's arguments; ``num_envs``,
            ``learning_rate`` and ``final_learning_rate`` are among them.
        search: what ``mmrl tune`` searches, unless it is told; see
            :func:`mmrl.experiment.tuning.parse_search`.
        elsewhere: hyperparameters that are not the algorithm's, but its environments' or policy's.
        teams: whether several workers can learn as one.
        Algorithm: SB3's, or one made of it.
        Policy: its policy.
    """

    name: ClassVar[str]
    search: ClassVar[tuple[str, ...]] = ()
    elsewhere: ClassVar[tuple[str, ...]] = ("num_envs",)
    teams: ClassVar[bool] = False
    Config: ClassVar[type[Any]]
    Algorithm: ClassVar[type[BaseAlgorithm]]
    Policy: ClassVar[type[BasePolicy]]

    @classmethod
    def build(cls, config: TrainConfig, hyper: Any, env: MultimodalVecEnv) -> BaseAlgorithm:
        """The algorithm, ready to learn, in the environment's team.

        Raises:
            UserError: a hyperparameter that cannot be, or actions of a kind that it does not take.
        """
        kwargs: dict[str, Any] = {
            "stats_window_size": max(100, 2 * hyper.num_envs),
            "policy_kwargs": cls.policy_kwargs(config, hyper),
            "seed": config.seed,
            "device": config.device,
            **cls.algorithm_kwargs(hyper),
            **cls.data_kwargs(config, hyper, env),
            **({"team": env.team} if env.team.size > 1 else {}),
        }
        try:
            return cls.Algorithm(cls.Policy, env, **kwargs)
        except AssertionError as error:
            if "action spaces" not in str(error):
                raise
            raise UserError(
                f"agent {config.agent!r} cannot act in {config.env}, whose actions are "
                f"{env.action_space}: PPO and A2C take any, DQN and QR-DQN discrete ones, SAC and "
                "TD3 continuous ones"
            ) from error

    @classmethod
    def make_batch(cls, config: TrainConfig, hyper: Any, num_envs: int) -> VectorEnv[Any, Any, Any]:
        """The environments that it learns from.

        Raises:
            UserError: as :func:`mmrl.wrappers.adapters.make_vec_env`.
        """
        return make_vec_env(config.env, num_envs, **cls.env_args(config, hyper))

    @classmethod
    def env_args(cls, config: TrainConfig, hyper: Any) -> dict[str, Any]:
        """The arguments of the environments that it learns from."""
        return config.env_args

    @classmethod
    def algorithm_kwargs(cls, hyper: Any) -> dict[str, Any]:
        """The hyperparameters as SB3 takes them: by their names, the learning rate as a line."""
        kwargs = {name: value for name, value in asdict(hyper).items() if name not in cls.elsewhere}
        start, end = kwargs.pop("learning_rate"), kwargs.pop("final_learning_rate")
        return {**kwargs, "learning_rate": straight_line(start, end)}

    @classmethod
    def data_kwargs(cls, config: TrainConfig, hyper: Any, env: MultimodalVecEnv) -> dict[str, Any]:
        """The algorithm's arguments that say how its data are kept."""
        return {}

    @classmethod
    def policy_kwargs(cls, config: TrainConfig, hyper: Any) -> dict[str, Any]:
        """The arguments of :attr:`Policy`, beside its spaces and learning rate."""
        return {"model": config.model, "optimizer": config.optimizer}

    @classmethod
    @abstractmethod
    def check(cls, hyper: Any) -> None:
        """Refuse what SB3 would fail on later, or silently do otherwise.

        Raises:
            UserError: a hyperparameter that cannot be.
        """

    @classmethod
    def check_together(cls, hyper: Any) -> None:
        """Refuse what one process alone can do.

        Raises:
            UserError: a hyperparameter that many workers cannot have.
        """
        cls.check(hyper)

    @classmethod
    def train(
        cls,
        config: TrainConfig,
        hyper: Any,
        run: Run,
        *,
        resume: bool = False,
        team: Team = ALONE,
        show: Show | None = None,
    ) -> SB3Actor:
        """Train for ``config.steps`` environment steps and save what was learnt.

        Args:
            config, hyper: the configuration.
            run: where everything is kept.
            resume: go on from the run's newest checkpoint, exactly where the environments can tell
                their state.
            team: of workers that do this together, each with its part of the environments.
            show: who is told how far the training is; a bar in the terminal, if None.

        Raises:
            UserError: a hyperparameter that cannot be, an environment that fails, numbers that are
                not finite any more, or a checkpoint that cannot be read or written.
            KeyboardInterrupt: the user interrupted; a checkpoint was saved.
        """
        cls.check(hyper)
        checkpoint = run.read_checkpoint() if resume else None
        torch.manual_seed(config.seed)
        here = hyper.num_envs // team.size
        batch = cls.make_batch(config, hyper, here)
        space = batch.single_observation_space
        preprocessing = prepare(config, run, checkpoint, space, keep=team.is_first)
        env = MultimodalVecEnv(
            batch,
            preprocessing.tokenizer,
            preprocessing.speech,
            goals=preprocessing.goals,
            team=team,
        )
        if team.is_first:
            announce(env.try_state(), config.env)
        algorithm = cls.build(config, hyper, env)
        algorithm.set_logger(
            make_logger(run, None if checkpoint is None else checkpoint.steps, team)
        )
        actor = SB3Actor(algorithm.policy, preprocessing)
        bar = ProgressBar(config.steps)
        callbacks = StandardCallbacks(config, run, actor, show or bar, team)
        try:
            if checkpoint is not None:
                go_on(algorithm, checkpoint, callbacks, config, team)
            if algorithm.num_timesteps < config.steps:
                with profiled(algorithm, callbacks, run, wanted=config.profile):
                    learn(algorithm, config.steps, callbacks, run)
        finally:
            bar.close()
            env.close()
        return actor

    @classmethod
    def load(cls, run: Run, device: str = "auto") -> SB3Actor:
        """The agent of a run, from its newest checkpoint.

        Raises:
            UserError: there is none, or it does not fit the run's configuration.
        """
        checkpoint = run.read_checkpoint()
        config, hyper = read_config(run.config, cls.Config)
        info = env_info(run, config)
        preprocessing = load_preprocessing(config, run, checkpoint, info.observation_space)
        policy = cls.build_policy(
            config, hyper, preprocessing, info.observation_space, info.action_space
        )
        put_weights(policy, checkpoint.weights)
        return SB3Actor(policy.to(get_device(device)), preprocessing)

    @classmethod
    def build_policy(
        cls,
        config: TrainConfig,
        hyper: Any,
        preprocessing: Preprocessing,
        observation: spaces.Space[Any],
        action: spaces.Space[Any],
    ) -> BasePolicy:
        """The policy of a configuration, with new weights, for an environment's spaces."""
        image = VecTransposeImage.transpose_space(cast("Any", observation)[IMAGE])
        return cls.Policy(
            spaces.Dict({IMAGE: image, **preprocessing.spaces}),
            action,
            lambda _: 0.0,
            **cls.policy_kwargs(config, hyper),
        )

    @classmethod
    def plan_together(
        cls, config: TrainConfig, hyper: Any, workers: int, address: str | None
    ) -> str:
        """See :func:`mmrl_agents.distributed.cluster.describe`."""
        from mmrl_agents.distributed.cluster import Cluster, describe

        cls.check_together(hyper)
        return describe(cls, config, hyper, Cluster(workers, address))

    @classmethod
    def train_together(
        cls,
        config: TrainConfig,
        hyper: Any,
        run: Run,
        *,
        workers: int,
        address: str | None = None,
        resume: bool = False,
    ) -> SB3Actor:
        """As :meth:`train`, by many workers; see
        :func:`mmrl_agents.distributed.workers.train_together`.
        """
        from mmrl_agents.distributed.cluster import Cluster
        from mmrl_agents.distributed.workers import train_together

        cls.check_together(hyper)
        train_together(cls, config, hyper, run, Cluster(workers, address), resume=resume)
        return cls.load(run, config.device)


def straight_line(start: float, end: float) -> Any:
    """A learning rate from ``start`` to ``end``, as SB3 wants it: by what remains, 1 to 0."""
    return LinearDecay(start, end)


def check_positive(section: str, hyper: Any, *names: str) -> None:
    """Refuse numbers below 1.

    Raises:
        UserError: one is.
    """
    for name in names:
        if getattr(hyper, name) < 1:
            raise UserError(f"{section}.{name}={getattr(hyper, name)}: must be at least 1")

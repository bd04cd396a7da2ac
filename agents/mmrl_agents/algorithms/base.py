"""The agent around an algorithm of stable-baselines3: training, resuming and loading."""

from __future__ import annotations

import sys
from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any, ClassVar, cast

import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import get_device

from mmrl.contract import ACTION_MASK, sensors
from mmrl.env_sets import short_name
from mmrl.experiment.checkpoint import Checkpoint, put_weights
from mmrl.experiment.config import TrainConfig, read_config
from mmrl.experiment.env_info import EnvInfo, env_info
from mmrl.experiment.run import CONFIG, Run
from mmrl.models.memory import bound_of, bounded_memory
from mmrl.models.saved_encoders import save_encoders, saved_encoders
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.schema import well_formed
from mmrl.wrappers.adapters import make_vec_env
from mmrl.wrappers.joined_vector_env import steps_single
from mmrl_agents.actor import SB3Actor
from mmrl_agents.algorithms.checks import INTERACTION, check_actions, uses_masks
from mmrl_agents.algorithms.saving import constructor_arguments
from mmrl_agents.initial_weights import begin_with
from mmrl_agents.loop.callbacks import StandardCallbacks
from mmrl_agents.loop.learn import announce, learn, make_logger, profiled
from mmrl_agents.loop.learn import resume as resume_training
from mmrl_agents.loop.progress import Show, TrainingProgressBar
from mmrl_agents.parts import Part
from mmrl_agents.preprocessing import load_preprocessing, prepare
from mmrl_agents.schedules import LinearDecay
from mmrl_agents.team import ALONE, Team
from mmrl_agents.vec_env import MultimodalVecEnv


class SB3Agent(ABC):
    """An algorithm for the command line; see :class:`mmrl.agent.Agent`.

    It is composed of :attr:`parts`. A subclass names the classes and hyperparameters.

    Attributes:
        name: of the agent, and of the section of its hyperparameters.
        Config: dataclass of the hyperparameters, named as SB3's arguments; ``num_envs``,
            ``learning_rate`` and ``final_learning_rate`` are among them.
        search: what ``mmrl tune`` searches by default; see
            :func:`mmrl.experiment.tuning.parse_search`.
        parts: that it may be composed of, by the hyperparameters that configure them.
        teams: whether several workers can train it together.
        actions: the kinds of action spaces that it takes.
        learns_from: interaction with an environment, demonstrations, or datasets with rewards; an
            agent is offered in place of another that learns from the same.
        masks: whether it chooses valid actions only, where there are action masks.
        training_only: beginnings of the names of weights that only training needs.
        Algorithm: SB3's, or one made of it.
        Policy: its policy.
    """

    name: ClassVar[str]
    search: ClassVar[tuple[str, ...]] = ()
    parts: ClassVar[Mapping[str, type[Part]]] = {}
    teams: ClassVar[bool] = False
    actions: ClassVar[tuple[type[spaces.Space[Any]], ...]] = (
        spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary, spaces.Box,
    )  # fmt: skip
    masks: ClassVar[bool] = False
    learns_from: ClassVar[str] = INTERACTION
    training_only: ClassVar[tuple[str, ...]] = ()
    Config: ClassVar[type[Any]]
    Algorithm: ClassVar[type[BaseAlgorithm]]
    Policy: ClassVar[type[BasePolicy]]

    @classmethod
    def make_parts(cls, hyper: Any, info: EnvInfo | None = None) -> list[Part]:
        """The parts that the hyperparameters choose.

        Args:
            hyper: the hyperparameters.
            info: what is known of the environment, for parts that are to train.

        Raises:
            UserError: a choice that cannot be.
        """
        read = (
            part.read(f"{cls.name}.{key}", getattr(hyper, key), getattr(hyper, f"{key}_args", None))
            for key, part in cls.parts.items()
        )
        parts = [part for part in read if part is not None]
        for part in parts:
            part.info = info
        return parts

    @classmethod
    def build(
        cls, config: TrainConfig, hyper: Any, env: MultimodalVecEnv, parts: Sequence[Part]
    ) -> BaseAlgorithm:
        """The algorithm, ready to learn, in the environment's team.

        Args:
            config, hyper: the configuration.
            env: to learn from.
            parts: from :meth:`make_parts`; those that :meth:`make_batch` was called with.

        Raises:
            UserError: a hyperparameter that cannot be.
        """
        kwargs: dict[str, Any] = {
            "stats_window_size": max(100, 2 * hyper.num_envs),
            "policy_kwargs": cls.policy_kwargs(config, hyper, parts),
            "seed": config.seed,
            "device": config.device,
            **cls.algorithm_kwargs(hyper),
            **cls.data_kwargs(config, hyper, env),
            **_merged(part.data_kwargs(config, env) for part in parts),
            **({"team": env.team} if env.team.size > 1 else {}),
        }
        return cls.Algorithm(cls.Policy, env, **kwargs)

    @classmethod
    def make_batch(
        cls, config: TrainConfig, num_envs: int, parts: Sequence[Part]
    ) -> VectorEnv[Any, Any, Any]:
        """The environments that it learns from.

        Raises:
            UserError: as :func:`mmrl.wrappers.adapters.make_vec_env`, or an environment that lacks
                what a part needs.
        """
        env_args = {**config.env_args, **_merged(part.env_args(config) for part in parts)}
        batch = make_vec_env(config.env, num_envs, env_workers=config.env_workers, **env_args)
        if config.env_workers and not steps_single(batch):
            name = short_name(config.env)
            print(f"env_workers is not used: {name} has a batched engine", file=sys.stderr)
        for part in parts:
            batch = part.make_batch(batch, config)
        return batch

    @classmethod
    def algorithm_kwargs(cls, hyper: Any) -> dict[str, Any]:
        """The hyperparameters that are arguments of :attr:`Algorithm`, and the schedule of the
        learning rate.
        """
        known = constructor_arguments(cls.Algorithm)
        kwargs = {name: value for name, value in asdict(hyper).items() if name in known}
        return {
            **kwargs, "learning_rate": LinearDecay(hyper.learning_rate, hyper.final_learning_rate)
        }  # fmt: skip

    @classmethod  # noqa: B027 - nothing by default
    def attach_initial(
        cls, algorithm: BaseAlgorithm, hyper: Any, config: TrainConfig, run: Run
    ) -> None:
        """Give the algorithm the policy that it began with, where it is kept near to it."""

    @classmethod
    def data_kwargs(cls, config: TrainConfig, hyper: Any, env: MultimodalVecEnv) -> dict[str, Any]:
        """The algorithm's arguments that depend on the environment, such as its buffer."""
        return {}

    @classmethod
    def policy_kwargs(
        cls, config: TrainConfig, hyper: Any, parts: Sequence[Part]
    ) -> dict[str, Any]:
        """The arguments of :attr:`Policy`, beside its spaces and learning rate."""
        of_parts = _merged(part.policy_kwargs() for part in parts)
        return {"model": config.model, "optimizer": config.optimizer, **of_parts}

    @classmethod
    def check(cls, hyper: Any) -> None:
        """Refuse what SB3 would fail on later, or silently do otherwise.

        Raises:
            UserError: a hyperparameter that cannot be.
        """
        for part in cls.make_parts(hyper):
            part.check(hyper)

    @classmethod
    def check_together(cls, hyper: Any) -> None:
        """Refuse what needs one process.

        Raises:
            UserError: a hyperparameter that many workers cannot have.
        """
        cls.check(hyper)
        for part in cls.make_parts(hyper):
            part.check_together()

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
        """Train for ``config.steps`` environment steps, with checkpoints.

        Args:
            config, hyper: the configuration.
            run: where everything is kept.
            resume: resume from the run's newest checkpoint, exactly where the environments' state
                can be saved.
            team: of workers that do this together, each with its part of the environments.
            show: what progress is reported to; a bar in the terminal, if None.

        Raises:
            UserError: a hyperparameter that cannot be, actions of a kind that it does not take, an
                environment that fails, numbers that are not finite any more, or a checkpoint that
                cannot be read or written.
            KeyboardInterrupt: the user interrupted; a checkpoint was saved.
        """
        cls.check(hyper)
        checkpoint = run.read_checkpoint() if resume else None
        torch.manual_seed(config.seed)
        here = hyper.num_envs // team.size
        info = env_info(run.env_info, config)
        parts = cls.make_parts(hyper, info)
        check_actions(config, info.action_space, cls.actions)
        batch = cls.make_batch(config, here, parts)
        preprocessing = prepare(config, run, checkpoint, info, keep=team.is_first)
        masks = uses_masks(config, info, cls, batch)
        env = MultimodalVecEnv(batch, preprocessing, team=team, masks=masks)
        if team.is_first:
            announce(env.try_state(), short_name(config.env))
        with nullcontext() if checkpoint is None else saved_encoders(run.path):
            algorithm = cls.build(config, hyper, env, parts)
        if checkpoint is None:
            if config.init:
                begin_with(algorithm.policy, config, run, keep=team.is_first)
            if team.is_first:
                save_encoders(algorithm.policy, run.path)
        cls.attach_initial(algorithm, hyper, config, run)
        algorithm.set_logger(
            make_logger(run, None if checkpoint is None else checkpoint.steps, team)
        )
        actor = SB3Actor(algorithm.policy, preprocessing)
        bar = TrainingProgressBar(config.steps)
        callbacks = StandardCallbacks(config, run, actor, show or bar, team, parts)
        has_begun = False
        try:
            if checkpoint is not None:
                resume_training(algorithm, checkpoint, callbacks, config, team, parts)
            has_begun = algorithm.num_timesteps < config.steps
            if has_begun:
                with profiled(algorithm, callbacks, run, wanted=config.profile):
                    learn(algorithm, config.steps, callbacks, run)
        finally:
            if not has_begun:  # learn() closes them
                callbacks.close()
                algorithm.logger.close()
            bar.close()
            env.close()
        return actor

    @classmethod
    def load(cls, run: Run, device: str = "auto") -> SB3Actor:
        """The agent of a run, from its newest checkpoint.

        Raises:
            UserError: there is none, it does not fit the run's configuration, or its actions were
                not adapted.
        """
        checkpoint = run.read_checkpoint()
        config, hyper = read_config(run.config, cls.Config, str(run.path / CONFIG))
        source = str(run.path / CONFIG)
        with well_formed(source):
            info = env_info(run.env_info, config)
        check_actions(config, info.action_space, cls.actions)
        preprocessing = load_preprocessing(config, run, checkpoint, info.observation_space)
        weights = bound_of(sum(one.nbytes for one in checkpoint.weights.values()))
        with saved_encoders(run.path), bounded_memory(weights, source), well_formed(source):
            policy = cls.build_policy(
                config, hyper, preprocessing, info.observation_space, info.action_space
            )
        with well_formed(checkpoint.source):
            put_weights(policy, checkpoint.weights, optional=cls.training_only)
        return SB3Actor(policy.to(get_device(device)), preprocessing)

    @classmethod
    def for_inference(cls, checkpoint: Checkpoint) -> Checkpoint:
        """As :meth:`mmrl.experiment.agent.ExportableAgent.for_inference`."""
        kept = {
            name: one
            for name, one in checkpoint.weights.items()
            if not name.startswith(cls.training_only)
        }
        state = {"fingerprints": checkpoint.state["fingerprints"]}
        return Checkpoint(checkpoint.steps, kept, state)

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
        space = cast("spaces.Dict", observation)
        masks = (
            {ACTION_MASK: space[ACTION_MASK]} if cls.masks and ACTION_MASK in space.spaces else {}
        )
        return cls.Policy(
            spaces.Dict({**sensors(space), **masks, **preprocessing.spaces}),
            action,
            lambda _: 0.0,
            **cls.policy_kwargs(config, hyper, cls.make_parts(hyper)),
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


def _merged(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """All entries of some dictionaries."""
    return {key: value for part in parts for key, value in part.items()}

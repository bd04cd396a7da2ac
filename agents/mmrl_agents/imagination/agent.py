"""The agent that learns in imagination: it plays, fits a world model, and trains PPO in it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, Self, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm

from mmrl.contract import EVAL_SEED_START
from mmrl.data import (
    ActorSource,
    Episode,
    EpisodeDataset,
    RandomSource,
    Request,
    Source,
    collect,
    find_place,
    open_dataset,
)
from mmrl.env_sets import names_several
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import Checkpoint
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import env_info
from mmrl.experiment.run import Run
from mmrl.generative.world_model.simulator import WorldSimulator
from mmrl.models.saved_encoders import save_encoders, saved_encoders
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.schema import Count, OpenSchema, convert, well_formed
from mmrl.training.config import FitConfig
from mmrl.training.load import load
from mmrl.training.task import Task
from mmrl.training.tasks.configs import TokenizerConfig, WorldModelConfig
from mmrl.training.tasks.tokenizer import TokenizerTask
from mmrl.training.tasks.world_model import WorldModelTask
from mmrl.training.trainer import fit
from mmrl_agents.actor import SB3Actor
from mmrl_agents.algorithms.base import SB3Agent, check_actions, check_positive, uses_masks
from mmrl_agents.algorithms.ppo import PPOAgent
from mmrl_agents.choices import NONE
from mmrl_agents.configs import ImaginationConfig
from mmrl_agents.earlier import entry
from mmrl_agents.imagination.vector_env import ImaginedVectorEnv, sample_starts
from mmrl_agents.initial_weights import begin_with
from mmrl_agents.loop.callbacks import ProgressCallback
from mmrl_agents.loop.learn import make_logger
from mmrl_agents.loop.progress import Progress, TrainingProgressBar
from mmrl_agents.loop.state import get_learned_state, set_learned_state
from mmrl_agents.parts import Part
from mmrl_agents.preprocessing import prepare
from mmrl_agents.vec_env import MultimodalVecEnv

_NEVER: Final = 1_000_000_000  # steps: evaluated at the end only


class ImaginedPPO(PPOAgent):
    """The PPO that learns from imagined steps; it has no curriculum. It acts by the action masks of
    real environments; in imagination, all actions are valid.
    """

    name = "imagination"
    parts: ClassVar[Mapping[str, type[Part]]] = {
        key: part for key, part in PPOAgent.parts.items() if key != "curriculum"
    }
    Config = ImaginationConfig


class ImaginationAgent:
    """PPO in the imagination of a world model (Hafner et al., 2020; Micheli et al., 2023).

    A round is: play real episodes, fit an image tokenizer and a world model to all that were
    played, train PPO on imagined episodes that begin in them. ``config.steps`` counts real steps;
    there are rounds until there are as many. A checkpoint is written after each round, and a round
    does not depend on those before in the same process: resuming is exact.

    Attributes:
        name: of the agent.
        Config: dataclass of the hyperparameters.
        search: what ``mmrl tune`` searches by default: nothing.
        actions: the kinds of action spaces that it takes.
        learner: the agent that is trained in imagination.
    """

    name = "imagination"
    Config = ImaginationConfig
    search: ClassVar[tuple[str, ...]] = ()
    actions = (spaces.Discrete,)
    learner: ClassVar[type[SB3Agent]] = ImaginedPPO

    @classmethod
    def check(cls, hyper: ImaginationConfig) -> None:
        """As :meth:`SB3Agent.check`."""
        check_positive(cls.name, hyper, "episodes", "imagined_steps", "starts", "horizon")
        if hyper.temperature < 0:
            raise UserError(f"imagination.temperature={hyper.temperature}: must be at least 0")
        if hyper.curriculum not in (None, NONE) or hyper.curriculum_args:
            raise UserError(
                f"imagination.curriculum={hyper.curriculum}: imagined episodes begin at steps of "
                "real ones, not on levels: the agent ppo has curricula"
            )
        for section, known in (("tokenizer", TokenizerConfig), ("world", WorldModelConfig)):
            try:
                known("", **getattr(hyper, section))
            except TypeError as error:
                raise UserError(f"imagination.{section}: {error}") from error
        cls.learner.check(hyper)

    @classmethod
    def for_inference(cls, checkpoint: Checkpoint) -> Checkpoint:
        """As :meth:`SB3Agent.for_inference`."""
        return cls.learner.for_inference(checkpoint)

    @classmethod
    def load(cls, run: Run, device: str = "auto") -> SB3Actor:
        """As :meth:`SB3Agent.load`."""
        return cls.learner.load(run, device)

    @classmethod
    def train(
        cls,
        config: TrainConfig,
        hyper: ImaginationConfig,
        run: Run,
        *,
        resume: bool = False,
    ) -> SB3Actor:
        """Train until there are ``config.steps`` real steps, with a checkpoint after each round.

        Args:
            config, hyper: the configuration.
            run: where everything is kept.
            resume: resume after the round of the run's newest checkpoint.

        Raises:
            UserError: a hyperparameter that cannot be, or as :meth:`SB3Agent.train`.
        """
        cls.check(hyper)
        if config.instruction != "text":
            raise UserError(
                f"agent imagination reads instructions: instruction: text, not {config.instruction}"
            )
        if names_several(config.env):
            raise UserError("agent imagination fits a world model of one environment: name one")
        checkpoint = run.read_checkpoint() if resume else None
        info = env_info(run.env_info, config)
        check_actions(config, info.action_space, cls.actions)
        masks = uses_masks(config, info, learner=cls.learner)
        if masks:
            print("action masks are used in real steps; imagined steps have none", file=sys.stderr)
        preprocessing = prepare(config, run, checkpoint, info)
        rounds = _Rounds(cls.learner, config, hyper, run, preprocessing, masks=masks)
        if checkpoint is not None:
            rounds.resume(checkpoint)
        while rounds.steps < config.steps:
            rounds.advance()
        return rounds.actor


class _State(OpenSchema):
    """What a checkpoint holds of the rounds."""

    rounds: Count


class RealOutcome(NamedTuple):
    """The outcome of a round's real episodes.

    Attributes:
        success_rate: None where it is not known of all.
        mean_return: of the episodes.
    """

    success_rate: float | None
    mean_return: float

    @classmethod
    def of(cls, episodes: EpisodeDataset) -> Self:
        """Of some episodes."""
        columns = episodes.columns(images=False)
        known = bool(columns.known.all())
        rate = float(columns.success.mean()) if known else None
        return cls(rate, float(columns.rewards.sum()) / len(columns.known))

    def __str__(self) -> str:
        if self.success_rate is None:
            return f"return {self.mean_return:.2f}"
        return f"success {self.success_rate:.1%}"


class _Rounds:
    """The state of a training between two rounds.

    Attributes:
        steps: real ones.
    """

    def __init__(
        self,
        learner: type[SB3Agent],
        config: TrainConfig,
        hyper: ImaginationConfig,
        run: Run,
        preprocessing: Preprocessing,
        *,
        masks: bool = False,
    ) -> None:
        self.learner, self.config, self.hyper, self.run = learner, config, hyper, run
        self._parts = learner.make_parts(hyper)
        self.preprocessing, self._masks = preprocessing, masks
        self.steps, self._done = 0, 0
        self._algorithm: BaseAlgorithm | None = None
        self._checkpoint: Checkpoint | None = None

    @property
    def actor(self) -> SB3Actor:
        """The agent after the last round."""
        if self._algorithm is None:
            return self.learner.load(self.run, self.config.device)
        return SB3Actor(self._algorithm.policy, self.preprocessing)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Resume after the round of a checkpoint."""
        self._checkpoint, self.steps = checkpoint, checkpoint.steps
        self._done = convert(checkpoint.state, _State, checkpoint.source).rounds

    def advance(self) -> None:
        """One more round."""
        folder = self._folder(self._done)
        shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
        torch.manual_seed(self._seed)
        played = self._play(folder / "real")
        self.steps += sum(map(len, played))
        outcome = RealOutcome.of(played)
        print(f"round {self._done + 1}: {self.steps:,} real steps, {outcome}")
        world = self._fit(folder)
        algorithm = self._imagine(world, outcome)
        self._done += 1
        weights, learned = get_learned_state(algorithm)
        state = {
            "learned": learned,
            "rounds": self._done,
            "imagined_steps": algorithm.num_timesteps,
            "fingerprints": self.preprocessing.fingerprints,
        }
        self._checkpoint = Checkpoint(self.steps, weights, state)
        self.run.save_checkpoint(self._checkpoint, self.config.keep_checkpoints)

    def _folder(self, number: int) -> Path:
        return self.run.path / "rounds" / str(number)

    @property
    def _seed(self) -> int:
        """Of this round."""
        return (self.config.seed * 1_000_003 + self._done * 65_537) % (EVAL_SEED_START // 2)

    def _play(self, place: Path) -> EpisodeDataset:
        """Real episodes."""
        place.parent.mkdir(parents=True)

        def source() -> Source:
            return ActorSource(self.actor) if self._done else RandomSource()

        request = Request(
            self.config.env,
            self.hyper.episodes,
            "imagination" if self._done else "random",
            seed=self._seed,
            env_args=self.config.env_args,
            num_envs=min(self.hyper.num_envs, self.hyper.episodes),
        )
        collect(request, source, find_place(str(place)))
        return open_dataset(str(place))

    def _fit(self, folder: Path) -> WorldSimulator:
        """A world model of all episodes that were played."""
        data = [str(self._folder(number) / "real") for number in range(self._done + 1)]
        common = {"data": data, "seed": self.config.seed, "device": self.config.device}
        tokenizer = TokenizerConfig(
            str(folder / "tokenizer"), **{"weight_decay": 0.0, "learning_rate": 3e-3, **common,
                                          "evaluate_every": _NEVER, **self.hyper.tokenizer}
        )  # fmt: skip
        world = WorldModelConfig(
            str(folder / "world"), tokenizer=tokenizer.out,
            **{**common, "evaluate_every": _NEVER, "checkpoint_every": 0, **self.hyper.world},
        )  # fmt: skip
        tasks: list[tuple[type[Task], FitConfig]] = [
            (TokenizerTask, tokenizer),
            (WorldModelTask, world),
        ]
        for task, config in tasks:
            torch.manual_seed(self._seed)
            run = Run.create(config.out, {"task": task.name, **asdict(config)})
            fit(task.prepare(config), config, run)
        return cast("WorldSimulator", load(world.out, "world-model", self.config.device))

    def _imagine(self, world: WorldSimulator, outcome: RealOutcome) -> BaseAlgorithm:
        """Train PPO on imagined episodes."""
        rollouts: list[Episode] = []
        for number in range(self._done + 1):
            rollouts += open_dataset(str(self._folder(number) / "real"))
        hyper, generator = self.hyper, np.random.default_rng(self._seed)
        starts = sample_starts(world, rollouts, hyper.starts, generator)
        imagined = ImaginedVectorEnv(
            world,
            starts,
            hyper.num_envs,
            horizon=hyper.horizon,
            temperature=hyper.temperature,
            masks=self._masks,
        )
        env = MultimodalVecEnv(imagined, self.preprocessing)
        torch.manual_seed(self._seed)
        is_first = self._checkpoint is None
        with nullcontext() if is_first else saved_encoders(self.run.path):
            algorithm = self.learner.build(self.config, hyper, env, self._parts)
        if is_first:
            if self.config.init:
                begin_with(algorithm.policy, self.config, self.run)
            save_encoders(algorithm.policy, self.run.path)
        steps = None
        if self._checkpoint is not None:
            state = self._checkpoint.state
            with well_formed(self._checkpoint.source):
                steps = entry(state, "imagined_steps")
                set_learned_state(algorithm, self._checkpoint.weights, entry(state, "learned"))
            algorithm.num_timesteps = steps
        algorithm.set_random_seed(self._seed)
        algorithm.set_logger(make_logger(self.run, steps))
        if outcome.success_rate is not None:
            algorithm.logger.record("real/success_rate", outcome.success_rate)
        algorithm.logger.record("real/mean_return", outcome.mean_return)
        algorithm.logger.record("real/steps", self.steps)
        _learn(algorithm, hyper.imagined_steps)
        algorithm.logger.close()
        self._algorithm = algorithm
        return algorithm


def _learn(algorithm: BaseAlgorithm, steps: int) -> None:
    """Learn for so many more imagined steps, with a progress bar."""
    bar, before = (
        TrainingProgressBar(steps, "imagination", "imagined steps"),
        algorithm.num_timesteps,
    )

    def show(now: Progress) -> None:
        bar(now._replace(steps=now.steps - before))

    try:
        algorithm.learn(steps, ProgressCallback(show), reset_num_timesteps=False, log_interval=1)
    finally:
        bar.close()

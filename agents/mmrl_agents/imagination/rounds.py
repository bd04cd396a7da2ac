"""The rounds of learning in imagination: gather episodes, fit a world model, train PPO in it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Final, NamedTuple, Self, cast

import numpy as np
import torch
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
from mmrl.experiment.checkpoint import Checkpoint
from mmrl.experiment.config import TrainConfig
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
from mmrl_agents.algorithms.base import SB3Agent
from mmrl_agents.configs import ImaginationConfig
from mmrl_agents.earlier import entry
from mmrl_agents.imagination.vector_env import ImaginedVectorEnv, sample_starts
from mmrl_agents.initial_weights import begin_with
from mmrl_agents.loop.callbacks import ProgressCallback
from mmrl_agents.loop.learn import make_logger
from mmrl_agents.loop.progress import Progress, TrainingProgressBar
from mmrl_agents.loop.state import get_learned_state, set_learned_state
from mmrl_agents.vec_env import MultimodalVecEnv

_NEVER: Final = 1_000_000_000  # steps: evaluated at the end only
_WORLD: Final = "world"  # the folder of a round's world model


class _State(OpenSchema):
    """What a checkpoint holds of the rounds."""

    rounds: Count


class RealOutcome(NamedTuple):
    """The outcome of a round's real episodes.

    Attributes:
        success_rate: None where it is not known of all.
        mean_return: of the episodes.
        steps: of all of them.
    """

    success_rate: float | None
    mean_return: float
    steps: int

    @classmethod
    def of(cls, datasets: Sequence[EpisodeDataset]) -> Self:
        """Of the episodes of some datasets."""
        columns = [one.columns(images=False) for one in datasets]
        known = np.concatenate([one.known for one in columns])
        success = np.concatenate([one.success for one in columns])
        rewards = np.concatenate([one.rewards for one in columns])
        rate = float(success.mean()) if known.all() else None
        return cls(rate, float(rewards.sum()) / len(known), len(rewards))

    def __str__(self) -> str:
        if self.success_rate is None:
            return f"return {self.mean_return:.2f}"
        return f"success {self.success_rate:.1%}"


class Rounds:
    """The state of a training between two rounds, in each of which real episodes are played.

    Args:
        learner: the agent that is trained in imagination.
        config, hyper: the configuration.
        run: where everything is kept.
        preprocessing: of the instructions.
        masks: whether the learner chooses by action masks.

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
        outcome = self._gather(folder)
        world = self._make_world(folder)
        algorithm = self._imagine(world, outcome)
        self.steps = self._count(algorithm, outcome)
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

    @property
    def _data(self) -> list[str]:
        """The datasets of all episodes so far."""
        return [str(self._folder(number) / "real") for number in range(self._done + 1)]

    def _gather(self, folder: Path) -> RealOutcome:
        """Play this round's real episodes."""
        outcome = RealOutcome.of([self._play(folder / "real")])
        print(f"round {self._done + 1}: {self._real_steps(outcome):,} real steps, {outcome}")
        return outcome

    def _real_steps(self, outcome: RealOutcome) -> int:
        """Real steps so far, those of this round included."""
        return self.steps + outcome.steps

    def _make_world(self, folder: Path) -> WorldSimulator:
        """This round's world model."""
        return self._fit(folder)

    def _count(self, algorithm: BaseAlgorithm, outcome: RealOutcome) -> int:
        """The steps of the training after this round."""
        return self._real_steps(outcome)

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
        """A world model of all episodes so far."""
        common = {"data": self._data, "seed": self.config.seed, "device": self.config.device}
        tokenizer = TokenizerConfig(
            str(folder / "tokenizer"), **{"weight_decay": 0.0, "learning_rate": 3e-3, **common,
                                          "evaluate_every": _NEVER, **self.hyper.tokenizer}
        )  # fmt: skip
        world = WorldModelConfig(
            str(folder / _WORLD), tokenizer=tokenizer.out,
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
        for name in self._data:
            rollouts += open_dataset(name)
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
        algorithm.logger.record("real/steps", self._real_steps(outcome))
        _learn(algorithm, hyper.imagined_steps)
        algorithm.logger.close()
        self._algorithm = algorithm
        return algorithm


class RecordedRounds(Rounds):
    """Rounds that learn from given datasets: no episode is played, and the world model is fitted in
    the first round.

    Attributes:
        steps: imagined ones.
    """

    @property
    def _data(self) -> list[str]:
        return self.hyper.data

    def _gather(self, folder: Path) -> RealOutcome:
        outcome = RealOutcome.of([open_dataset(name) for name in self._data])
        if not self._done:
            print(f"{outcome.steps:,} recorded steps, {outcome}")
        return outcome

    def _real_steps(self, outcome: RealOutcome) -> int:
        return outcome.steps

    def _make_world(self, folder: Path) -> WorldSimulator:
        if not self._done:
            return self._fit(folder)
        world = str(self._folder(0) / _WORLD)
        return cast("WorldSimulator", load(world, "world-model", self.config.device))

    def _count(self, algorithm: BaseAlgorithm, outcome: RealOutcome) -> int:
        return algorithm.num_timesteps


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

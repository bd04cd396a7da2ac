"""The agent that learns in imagination: it plays, fits a world model, and trains PPO in it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import ClassVar

from gymnasium import spaces

from mmrl.contract import IMAGE
from mmrl.env_sets import names_several
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import Checkpoint
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo, env_info
from mmrl.experiment.run import Run
from mmrl.training.tasks.configs import TokenizerConfig, WorldModelConfig
from mmrl.wrappers.nested_spaces import describe
from mmrl_agents.actor import SB3Actor
from mmrl_agents.algorithms.base import SB3Agent
from mmrl_agents.algorithms.checks import check_actions, check_positive, uses_masks
from mmrl_agents.algorithms.ppo import PPOAgent
from mmrl_agents.choices import NONE
from mmrl_agents.configs import ImaginationConfig
from mmrl_agents.datasets.reading import open_datasets
from mmrl_agents.imagination.rounds import RecordedRounds, Rounds
from mmrl_agents.parts import Part
from mmrl_agents.preprocessing import prepare


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
    there are rounds until there are as many. With ``data``, nothing is played: the world model is
    fitted to these datasets, and ``config.steps`` counts imagined steps. A checkpoint is written
    after each round, and a round does not depend on those before in the same process: resuming is
    exact.

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
        """Train until there are ``config.steps`` real steps, or imagined ones where ``data`` are
        given, with a checkpoint after each round.

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
        if hyper.data:
            _check_data(config, hyper, info)
        kind = RecordedRounds if hyper.data else Rounds
        rounds = kind(cls.learner, config, hyper, run, preprocessing, masks=masks)
        if checkpoint is not None:
            rounds.resume(checkpoint)
        while rounds.steps < config.steps:
            rounds.advance()
        return rounds.actor


def _check_data(config: TrainConfig, hyper: ImaginationConfig, info: EnvInfo) -> None:
    """Refuse datasets that are not of the environment, as a world model learns from them as they
    are.

    Raises:
        UserError: one has other actions, or images of another shape.
    """
    image = info.observation_space.spaces.get(IMAGE)
    for dataset in open_datasets(hyper.data):
        pairs = {
            "images": (dataset.image_space, image),
            "actions": (dataset.spaces.action, info.action_space),
        }
        for what, (theirs, ours) in pairs.items():
            if theirs != ours:
                raise UserError(
                    f"dataset {dataset.place.name!r} has the {what} {describe(theirs)}, and "
                    f"{config.env} has {'none' if ours is None else describe(ours)}"
                )

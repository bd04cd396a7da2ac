"""The preprocessing of a training: what its environment says, as its model wants it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from gymnasium import spaces

from mmrl.contract import SPEECH
from mmrl.errors import UserError, unknown
from mmrl.experiment.config import TrainConfig
from mmrl.models.build import build_speech, build_tokenizer
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.preprocessing.speech import RATE
from mmrl.wrappers.adapters import instruction_words, make_env

CHANNELS: Final = ("text", "speech", "both")


def with_speakers(config: TrainConfig) -> TrainConfig:
    """The same configuration, with somebody who says the instructions where they are to be heard
    and the environment does not speak by itself.

    Raises:
        UserError: no such channel.
    """
    if config.instruction not in CHANNELS:
        raise unknown("instruction", config.instruction, CHANNELS)
    if config.instruction == "text" or "speech" in config.env_args:
        return config
    env = make_env(config.env, **config.env_args)
    space: Any = env.observation_space
    env.close()
    if SPEECH in space.spaces:
        return config
    return replace(config, env_args={**config.env_args, "speech": {}})


def build_preprocessing(config: TrainConfig, space: spaces.Space[Any]) -> Preprocessing:
    """What goes with the model of a configuration.

    Args:
        config: of the training.
        space: of the observations of one environment.

    Raises:
        UserError: the agent is to hear, and the environment does not speak; or a tokenizer that is
            not to be had.
    """
    assert isinstance(space, spaces.Dict)
    tokenizer = speech = None
    if config.instruction in ("text", "both"):
        words = instruction_words(config.env, **config.env_args)
        tokenizer = build_tokenizer(config.model, words)
    if config.instruction in ("speech", "both"):
        if SPEECH not in space.spaces:
            raise UserError(
                f"instruction={config.instruction!r}: {config.env} does not speak; "
                "give env_args.speech={}"
            )
        samples = (space[SPEECH].shape or (0,))[0]
        speech = build_speech(config.model, samples / RATE)
    return Preprocessing(tokenizer, speech)

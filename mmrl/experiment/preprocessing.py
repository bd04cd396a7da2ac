"""The preprocessing of a training: what its environment's instructions are turned into."""

from __future__ import annotations

from mmrl.contract import INSTRUCTION, SPEECH
from mmrl.env_sets import short_name
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo
from mmrl.models.build import build_speech, build_tokenizer
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.preprocessing.speech import RATE
from mmrl.wrappers.adapters import instruction_words


def build_preprocessing(config: TrainConfig, info: EnvInfo) -> Preprocessing:
    """What goes with the model of a configuration; nothing for an environment without instructions.

    Args:
        config: of the training.
        info: what is known of the environment.

    Raises:
        UserError: the agent needs speech, and the environment has none; or a tokenizer that cannot
            be loaded.
    """
    tokenizer = speech = None
    if not {INSTRUCTION, SPEECH} & info.observation_space.spaces.keys():
        return Preprocessing()
    if config.instruction in ("text", "both"):
        words = info.instruction_words
        if words is None:
            words = tuple(instruction_words(config.env, **config.env_args))
        tokenizer = build_tokenizer(config.model, list(words))
    if config.instruction in ("speech", "both"):
        if SPEECH not in info.observation_space.spaces:
            raise UserError(
                f"instruction={config.instruction!r}: {short_name(config.env)} has no speech; "
                "give env_args.speech={}"
            )
        samples = (info.observation_space[SPEECH].shape or (0,))[0]
        speech = build_speech(config.model, samples / RATE)
    return Preprocessing(tokenizer, speech)

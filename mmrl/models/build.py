"""The model builder: a configuration → a model, its tokenizer and speech preprocessing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict

import torch

from mmrl.contract import GOAL, IMAGE, INSTRUCTION, SPEECH
from mmrl.errors import UserError, unknown
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.base import Encoder, Vocabulary
from mmrl.models.encoders.goal import GoalEncoder
from mmrl.models.encoders.image import ImageEncoder, build_image_encoder
from mmrl.models.encoders.speech import build_speech_encoder, build_speech_preprocessor
from mmrl.models.encoders.text import TEXT_ENCODERS, build_text_encoder
from mmrl.models.fusion import build_fusion
from mmrl.models.model import PRECISIONS, MultimodalModel
from mmrl.preprocessing.speech import SpeechPreprocessor
from mmrl.preprocessing.text import PretrainedTokenizer, Tokenizer, WordTokenizer


def build_tokenizer(config: ModelConfig, words: list[str]) -> Tokenizer:
    """The tokenizer that goes with the text encoder.

    Args:
        config: of the model.
        words: the environment's words, for a text encoder that is trained from scratch.
    """
    if config.text in TEXT_ENCODERS:
        return WordTokenizer(words, config.instruction_length)
    return PretrainedTokenizer(config.text, config.instruction_length)


def build_speech(config: ModelConfig, seconds: float) -> SpeechPreprocessor:
    """The preprocessing that goes with the speech encoder.

    Args:
        config: of the model.
        seconds: length of the waveforms.
    """
    return build_speech_preprocessor(config.speech, seconds)


def build_model(
    config: ModelConfig,
    image_size: tuple[int, int],
    vocabulary: Vocabulary | None = None,
    speech: tuple[int, ...] | None = None,
    *,
    goal: tuple[int, int] | None = None,
    pretrained: bool = True,
) -> MultimodalModel:
    """The model that a configuration describes, for the modalities that there are.

    Args:
        config: names and arguments.
        image_size: height and width of the images.
        vocabulary: token ids are below this, or the words by their ids; None where nothing is
            read.
        speech: shape of the features of one utterance; None where nothing is heard.
        goal: height and width of images of goals; None where there are none.
        pretrained: load the pretrained weights that the configuration names; otherwise they are
            random, to be replaced by saved ones.

    Raises:
        UserError: an unknown name, or weights that are not to be had.
    """
    if config.precision not in PRECISIONS:
        raise unknown("model.precision", config.precision, PRECISIONS)
    if not 0 <= config.dropout < 1:
        raise UserError(f"model.dropout={config.dropout}: must be at least 0 and below 1")
    encoders: dict[str, Encoder] = {IMAGE: _image_encoder(config, image_size, pretrained)}
    if vocabulary is not None:
        encoders[INSTRUCTION] = build_text_encoder(
            config.text,
            vocabulary,
            config.instruction_length,
            pretrained=pretrained,
            **config.text_args,
        )
    if speech is not None:
        encoders[SPEECH] = build_speech_encoder(
            config.speech, speech, pretrained=pretrained, **config.speech_args
        )
    if goal is not None:
        encoders[GOAL] = GoalEncoder(_image_encoder(config, goal, pretrained))
    shapes = {name: encoder.shape for name, encoder in encoders.items()}
    fusion = build_fusion(config.fusion, shapes, config.features)
    model = MultimodalModel(encoders, fusion, dropout=config.dropout, precision=config.precision)
    _freeze(encoders, config)
    if config.channels_last:
        encoders[IMAGE].lay_out(torch.channels_last)
    if config.compile:
        _check_compiler()
        model.compile()
    model.recipe = {
        "kind": "config",
        "config": asdict(config),
        "image_size": list(image_size),
        "vocabulary": vocabulary if isinstance(vocabulary, int | None) else list(vocabulary),
        "speech": None if speech is None else list(speech),
        "goal": None if goal is None else list(goal),
    }
    return model


def _image_encoder(config: ModelConfig, size: tuple[int, int], pretrained: bool) -> ImageEncoder:
    return build_image_encoder(
        config.image,
        size,
        weights=config.image_weights,
        pretrained=pretrained,
        resize=config.image_size,
        **config.image_args,
    )


def _check_compiler() -> None:
    """torch.compile writes C++ for processors.

    Raises:
        UserError: there is no compiler.
    """
    compiler = os.environ.get("CXX", "g++")
    if not torch.cuda.is_available() and shutil.which(compiler) is None:
        raise UserError(
            f"model.compile needs a C++ compiler, and {compiler!r} is not installed: "
            "install g++, set CXX, or leave model.compile off"
        )


def _freeze(encoders: Mapping[str, Encoder], config: ModelConfig) -> None:
    """Freeze what the configuration says, and cache what is wholly frozen."""
    options = {
        IMAGE: ("image_trained", config.image_trained),
        INSTRUCTION: ("text_trained", config.text_trained),
        SPEECH: ("speech_trained", config.speech_trained),
        GOAL: ("image_trained", config.image_trained),
    }
    for name, encoder in encoders.items():
        option, trained = options[name]
        if trained is None:
            continue
        try:
            encoder.freeze(trained)
        except ValueError as error:
            raise UserError(f"model.{option}: {error}") from error
        if trained == 0 and config.cache_mb:
            encoder.remember(config.cache_mb << 20)

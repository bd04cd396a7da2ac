"""Kinds of encoders: what raw numbers a modality has, and who builds its encoder.

To add a kind, write a function from :class:`EncoderConfig` and :class:`EncoderInput` to an encoder,
and name it in :data:`KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final, NamedTuple

from mmrl.contract import GOAL, IMAGE, INSTRUCTION, SPEECH
from mmrl.errors import UserError, unknown
from mmrl.models.config import EncoderConfig, ModelConfig, encoder_configs, flat_configs
from mmrl.models.encoders.base import Encoder, ProjectedEncoder, Vocabulary
from mmrl.models.encoders.goal import GoalEncoder
from mmrl.models.encoders.image import IMAGE_ENCODERS, build_image_encoder, is_hub_image
from mmrl.models.encoders.image_base import FramesEncoder, ImageEncoder
from mmrl.models.encoders.others import is_of_others
from mmrl.models.encoders.speech import SPEECH_ENCODERS, build_speech_encoder
from mmrl.models.encoders.text import TEXT_ENCODERS, build_text_encoder
from mmrl.models.encoders.vector import VECTOR_ENCODERS, build_vector_encoder
from mmrl.preprocessing.image import is_channels_first, is_image, size_of


class EncoderInput(NamedTuple):
    """What an encoder is built for.

    Attributes:
        shape: of one observation's array; None for token ids.
        vocabulary: of token ids; None for arrays.
        length: the longest sequence of token ids.
        pretrained: load pretrained weights; otherwise they are random, to be replaced later.
    """

    shape: tuple[int, ...] | None
    vocabulary: Vocabulary | None
    length: int
    pretrained: bool


class EncoderKind(NamedTuple):
    """One kind of encoders.

    Attributes:
        build: the encoder of a configuration, for an input.
        names: of the encoders that are ours.
        is_hub: whether a name is a model of transformers, by hub name or folder.
    """

    build: Callable[[EncoderConfig, EncoderInput], Encoder]
    names: Collection[str]
    is_hub: Callable[[str], bool] = lambda _: False


def build_encoder(key: str, config: EncoderConfig, given: EncoderInput) -> Encoder:
    """The encoder of one modality.

    Args:
        key: of the observation.
        config: of the encoder.
        given: what it encodes.

    Raises:
        UserError: an unknown kind or name, arguments that do not fit, or weights that cannot
            be loaded.
    """
    kind = kind_of(key, config)
    encoder = KINDS[kind].build(config, given)
    return encoder if config.project is None else ProjectedEncoder(encoder, config.project)


def kind_of(key: str, config: EncoderConfig) -> str:
    """A key of :data:`KINDS`: the configured one, that of the contract's keys, that of a name of
    ours, or image.

    Raises:
        UserError: there is no such kind.
    """
    if config.kind is not None:
        if config.kind not in KINDS:
            raise unknown("encoder kind", config.kind, KINDS)
        return config.kind
    if key in _KIND_OF_KEY:
        return _KIND_OF_KEY[key]
    return next((kind for kind, one in KINDS.items() if config.name in one.names), "image")


def default_config(config: ModelConfig, key: str, shape: tuple[int, ...] | None) -> EncoderConfig:
    """The encoder of a modality that the table of a configuration does not name: that of the flat
    fields for what its input looks like. Each modality has weights of its own.

    Args:
        config: of the model.
        key: of the observation.
        shape: of one observation's array; None for token ids.

    Raises:
        UserError: no encoder takes such arrays.
    """
    kind = kind_of_input(key, shape)
    if kind == _KIND_OF_KEY.get(key):
        return encoder_configs(config)[key]
    flat = flat_configs(config)
    return replace(flat.get(kind, flat["image"]), kind=kind)


def kind_of_input(key: str, shape: tuple[int, ...] | None) -> str:
    """A key of :data:`KINDS`: speech by its key, everything else by its shape.

    Raises:
        UserError: no encoder takes such arrays.
    """
    if key == SPEECH:
        return "speech"
    if shape is None:
        return _KIND_OF_KEY.get(key, "text")
    if len(shape) == 1:
        return "vector"
    if len(shape) == 3 and is_image(shape):
        return "image"
    if len(shape) == 4 and is_image(shape[1:]):
        return "goal" if shape[0] == 1 else "frames"
    raise UserError(
        f"observations have {key!r} of shape {list(shape)}, which no encoder takes: there are "
        "encoders of images [H, W, 3], stacks of images [F, H, W, 3], vectors [K] and token ids"
    )


def is_hub_model(key: str, config: EncoderConfig) -> bool:
    """Whether an encoder is a model of transformers, whose configuration is a file of its own."""
    kind = KINDS[kind_of(key, config)]
    return kind.is_hub(config.name) and not is_of_others(config.name)


def _image(config: EncoderConfig, given: EncoderInput) -> ImageEncoder:
    shape = _array(config, given, "image")
    if len(shape) not in (3, 4) or not is_image(shape[-3:]):
        raise UserError(
            f"image encoder {config.name!r} takes images [H, W, 3], and was given arrays "
            f"{list(shape)}"
        )
    encoder = build_image_encoder(
        config.name,
        size_of(shape),
        weights=config.weights,
        pretrained=given.pretrained,
        resize=config.size,
        **config.args,
    )
    if is_channels_first(shape):
        encoder.take_channels_first()
    return encoder


def _goal(config: EncoderConfig, given: EncoderInput) -> GoalEncoder:
    return GoalEncoder(_image(config, given))


def _frames(config: EncoderConfig, given: EncoderInput) -> FramesEncoder:
    shape = _array(config, given, "image")
    try:
        return FramesEncoder(_image(config, given), shape[0])
    except ValueError as error:
        raise UserError(f"{config.name} with {config.args}: {error}") from error


def _speech(config: EncoderConfig, given: EncoderInput) -> Encoder:
    _refuse_image_options(config)
    shape = _array(config, given, "speech")
    return build_speech_encoder(config.name, shape, pretrained=given.pretrained, **config.args)


def _text(config: EncoderConfig, given: EncoderInput) -> Encoder:
    _refuse_image_options(config)
    if given.vocabulary is None:
        raise UserError(f"text encoder {config.name!r} reads token ids, and there is no vocabulary")
    return build_text_encoder(
        config.name, given.vocabulary, given.length, pretrained=given.pretrained, **config.args
    )


def _vector(config: EncoderConfig, given: EncoderInput) -> Encoder:
    _refuse_image_options(config)
    shape = _array(config, given, "vector")
    if len(shape) != 1:
        raise UserError(
            f"vector encoder {config.name!r} takes vectors [K], and was given arrays {list(shape)}"
        )
    return build_vector_encoder(config.name, shape[0], **config.args)


def _array(config: EncoderConfig, given: EncoderInput, kind: str) -> tuple[int, ...]:
    if given.shape is None:
        raise UserError(f"{kind} encoder {config.name!r} takes arrays, and was given token ids")
    return given.shape


def _refuse_image_options(config: EncoderConfig) -> None:
    for option in ("weights", "size"):
        if getattr(config, option) is not None:
            raise UserError(f"{config.name} has no option {option!r}, which image encoders have")


KINDS: Final[dict[str, EncoderKind]] = {
    "image": EncoderKind(_image, IMAGE_ENCODERS, is_hub_image),
    "text": EncoderKind(_text, TEXT_ENCODERS, lambda name: name not in TEXT_ENCODERS),
    "speech": EncoderKind(_speech, SPEECH_ENCODERS, lambda name: name not in SPEECH_ENCODERS),
    "vector": EncoderKind(_vector, VECTOR_ENCODERS),
    "goal": EncoderKind(_goal, (), is_hub_image),
    "frames": EncoderKind(_frames, (), is_hub_image),
}
_KIND_OF_KEY: Final = {IMAGE: "image", INSTRUCTION: "text", SPEECH: "speech", GOAL: "goal"}

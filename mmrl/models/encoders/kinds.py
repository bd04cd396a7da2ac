"""Kinds of encoders: what raw numbers a modality has, and who builds its encoder.

To add a kind, write a function from :class:`EncoderConfig` and :class:`EncoderInput` to an encoder,
and name it in :data:`KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from mmrl.contract import GOAL, IMAGE, INSTRUCTION, SPEECH
from mmrl.errors import UserError, unknown
from mmrl.models.config import EncoderConfig
from mmrl.models.encoders.base import Encoder, ProjectedEncoder, Vocabulary
from mmrl.models.encoders.goal import GoalEncoder
from mmrl.models.encoders.image import IMAGE_ENCODERS, ImageEncoder, build_image_encoder
from mmrl.models.encoders.speech import SPEECH_ENCODERS, build_speech_encoder
from mmrl.models.encoders.text import TEXT_ENCODERS, build_text_encoder
from mmrl.preprocessing.image import is_channels_first, size_of


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
        has_hub: whether every other name is a model of transformers, by hub name or folder.
    """

    build: Callable[[EncoderConfig, EncoderInput], Encoder]
    names: Collection[str]
    has_hub: bool = False


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


def is_hub_model(key: str, config: EncoderConfig) -> bool:
    """Whether an encoder is a model of transformers, whose configuration is a file of its own."""
    kind = KINDS[kind_of(key, config)]
    return kind.has_hub and config.name not in kind.names


def _image(config: EncoderConfig, given: EncoderInput) -> ImageEncoder:
    shape = _array(config, given, "image")
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


def _array(config: EncoderConfig, given: EncoderInput, kind: str) -> tuple[int, ...]:
    if given.shape is None:
        raise UserError(f"{kind} encoder {config.name!r} takes arrays, and was given token ids")
    return given.shape


def _refuse_image_options(config: EncoderConfig) -> None:
    for option in ("weights", "size"):
        if getattr(config, option) is not None:
            raise UserError(f"{config.name} has no option {option!r}, which image encoders have")


KINDS: Final[dict[str, EncoderKind]] = {
    "image": EncoderKind(_image, IMAGE_ENCODERS),
    "text": EncoderKind(_text, TEXT_ENCODERS, has_hub=True),
    "speech": EncoderKind(_speech, SPEECH_ENCODERS, has_hub=True),
    "goal": EncoderKind(_goal, ()),
}
_KIND_OF_KEY: Final = {IMAGE: "image", INSTRUCTION: "text", SPEECH: "speech", GOAL: "goal"}

"""The configuration of a model: one dataclass, every field an option and a YAML key.

A modality is data: :attr:`ModelConfig.encoders` is a table from observation keys to encoders. The
flat fields (``image``, ``image_args``, ``text``, …) are the short spelling of its usual rows.
:func:`encoder_configs` makes one table of the two, to which
:func:`mmrl.models.encoders.kinds.default_config` adds the further modalities that there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from mmrl.contract import GOAL, IMAGE, INSTRUCTION, SPEECH
from mmrl.errors import UserError
from mmrl.schema import convert


@dataclass
class EncoderConfig:
    """The encoder of one modality.

    Attributes:
        name: small_resnet, small_bert, a hub name, …: any name that ``model.image``,
            ``model.text``, ``model.speech`` or ``model.vector`` may have.
        kind: image, text, speech, vector, frames (several images at once) or goal (an image as one
            token); by default that of the observation key or of the name, otherwise image.
        args: arguments of the encoder, such as width.
        trained: how many of its last stages are trained; all, if empty; 0 freezes it.
        weights: of torchvision's networks, such as IMAGENET1K_V1, or a file of weights.
        size: height and width that images are resized to; as they are, if empty, or as the
            preprocessing of a model of transformers says.
        project: width of a linear layer on each token, always trained; none, if empty.
    """

    name: str
    kind: str | None = None
    args: dict[str, Any] = field(default_factory=dict)
    trained: int | None = None
    weights: str | None = None
    size: tuple[int, int] | None = None
    project: int | None = None

    def __post_init__(self) -> None:
        self.size = _pair(self.size)


_EARLIER_FUSION_ARGS: Final[dict[str, dict[str, Any]]] = {"film": {"kernel_size": 3}}


@dataclass
class ModelConfig:
    """What a model is made of.

    Attributes:
        image: image encoder: small_resnet, nature_cnn, luma_chroma, a classification network of
            torchvision such as resnet18, a vision model of transformers by hub name or folder, or
            a dotted path to your own, as of every encoder.
        image_weights: of torchvision's networks, such as IMAGENET1K_V1, or a file of weights.
        image_args: its arguments: width, and small_resnet's blocks and patch; stage of
            torchvision's ResNets (how many of the four are kept); pooled of torchvision's and
            transformers' (true: one token, the mean, instead of a grid; of transformers' also
            model: the model's own pooling).
        image_size: height and width that images are resized to; as they are, if empty, or as the
            preprocessing of a model of transformers says.
        image_trained: how many of its last stages are trained; all, if empty; 0 freezes it.
        text: text encoder: small_bert, bag_of_words, word_vectors, word_gru, word_cnn, minilm
            (pretrained, offline), or a text model of transformers by hub name or folder.
        text_args: arguments of ours: width, small_bert's layers and heads, vectors (a GloVe or
            word2vec text file) for word_vectors, word_gru and word_cnn; of transformers' pooled
            (true: one token, the mean; model: the model's own pooling).
        text_trained: how many of its last stages are trained; all, if empty; 0 freezes it.
        speech: speech encoder, for agents with spoken instructions: log_mel_cnn, or a Wav2Vec2 or
            Whisper model of transformers by hub name or folder.
        speech_args: arguments of ours: width.
        speech_trained: how many of its last stages are trained; all, if empty; 0 freezes it.
        vector: encoder of vectors, such as a robot's joint angles: mlp.
        vector_args: its arguments: width, layers, and normalize: running or none.
        encoders: encoders by observation key, instead of the fields above, which are for every
            image, text and vector: {wrist: {name: nature_cnn}}; each an EncoderConfig, or its
            fields as plain data.
        goal_image: run folder of 'mmrl fit painter': the policy is also given a generated image of
            its instruction's goal, with an image encoder of its own; none, if empty.
        fusion: bilinear, concat, cross_attention, film, gated, plain_concat, weighted_sum, or a
            dotted path to your own class; a single modality needs none.
        fusion_args: its arguments: film's blocks and kernel_size, cross_attention's heads.
        features: width of the fused features; the sum of the tokens' widths, if empty.
        dropout: share of the fused features that is dropped in training.
        instruction_length: the longest instruction, in tokens.
        precision: fp32, or bf16 for matrix products in bfloat16.
        channels_last: memory format of images and image encoders, faster on some processors.
        compile: compile the model with torch.compile, which takes a minute and a C++ compiler.
        cache_mb: memory for the features of frozen encoders, each image and instruction
            encoded once; 0 computes them anew.
    """

    image: str = "small_resnet"
    image_weights: str | None = None
    image_args: dict[str, Any] = field(default_factory=dict)
    image_size: tuple[int, int] | None = None
    image_trained: int | None = None
    text: str = "small_bert"
    text_args: dict[str, Any] = field(default_factory=dict)
    text_trained: int | None = None
    speech: str = "log_mel_cnn"
    speech_args: dict[str, Any] = field(default_factory=dict)
    speech_trained: int | None = None
    vector: str = "mlp"
    vector_args: dict[str, Any] = field(default_factory=dict)
    encoders: dict[str, Any] = field(default_factory=dict)
    goal_image: str | None = None
    fusion: str = "film"
    fusion_args: dict[str, Any] = field(default_factory=dict)
    features: int | None = 128
    dropout: float = 0.0
    instruction_length: int = 64
    precision: str = "fp32"
    channels_last: bool = False
    compile: bool = False
    cache_mb: int = 512

    def __post_init__(self) -> None:
        self.image_size = _pair(self.image_size)
        self.encoders = {key: _read_row(key, row) for key, row in self.encoders.items()}

    @classmethod
    def from_saved(cls, **saved: Any) -> Self:
        """As the class, with the fields of a configuration that was saved, see :func:`complete`."""
        return convert(complete(saved), cls, "config")

    @classmethod
    def image_text(
        cls,
        text: str = "bert-base-uncased",
        image: str = "resnet50",
        fusion: str = "concat",
        *,
        image_features: int = 512,
        image_weights: str | None = "IMAGENET1K_V1",
        image_size: tuple[int, int] | None = (224, 224),
        instruction_length: int = 64,
        precision: str = "fp32",
    ) -> Self:
        """The image–text model of a pretrained BERT and a pretrained ResNet, for sentences and
        images without an environment: ``build_model(ModelConfig.image_text())``.

        Args:
            text: a text model of transformers by hub name or folder, or "minilm".
            image: a network of torchvision, or a vision model of transformers, which brings its
                weights (``image_weights=None``).
            fusion: "concat" puts the mean of the text's tokens (768 wide for BERT-base) beside the
                mean of the image's projected tokens, without further weights; other fusions have
                features of the same width.
            image_features: width of the projected image tokens.
            image_weights: torchvision's; they also determine how pixels are normalised. None is
                random.
            image_size: height and width that images of any size are resized to; None for what the
                preprocessing of a model of transformers says.
            instruction_length: longest sentence, in tokens.
            precision: fp32 or bf16.
        """
        arguments = {} if fusion == "film" else {"pooled": True}
        resnet = EncoderConfig(
            image, args=arguments, weights=image_weights, size=image_size, project=image_features
        )
        return cls(
            encoders={INSTRUCTION: EncoderConfig(text), IMAGE: resnet},
            fusion="plain_concat" if fusion == "concat" else fusion,
            features=None,
            instruction_length=instruction_length,
            precision=precision,
        )


def complete(saved: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a saved configuration, with those that earlier versions did not have: they were
    fixed then, to values that need not be the defaults now.
    """
    fusion = saved.get("fusion")
    if not isinstance(fusion, str) or "fusion_args" in saved:
        return dict(saved)
    return {**saved, "fusion_args": dict(_EARLIER_FUSION_ARGS.get(fusion, {}))}


def _read_row(key: str, row: EncoderConfig | Mapping[str, Any]) -> EncoderConfig:
    """One row of the table.

    Raises:
        UserError: it is no configuration of an encoder.
    """
    if isinstance(row, EncoderConfig):
        return row
    if not isinstance(row, Mapping) or "name" not in row:
        raise UserError(f"model.encoders.{key}={row!r}: give {{name: …}}, such as small_resnet")
    return convert(dict(row), EncoderConfig, f"model.encoders.{key}")


def _pair(size: Sequence[int] | None) -> tuple[int, int] | None:
    """Height and width, which are a list in JSON and YAML."""
    return None if size is None else (size[0], size[1])


def encoder_configs(config: ModelConfig) -> dict[str, EncoderConfig]:
    """The table of encoders by observation key: the rows of ``config.encoders`` first, then those
    of the contract's own keys. Goal images are encoded like images, unless they have a row.
    """
    flat = flat_configs(config)
    usual = {IMAGE: flat["image"], INSTRUCTION: flat["text"], SPEECH: flat["speech"]}
    table = {**config.encoders, **{k: one for k, one in usual.items() if k not in config.encoders}}
    table.setdefault(GOAL, table[IMAGE])
    return table


def flat_configs(config: ModelConfig) -> dict[str, EncoderConfig]:
    """The encoders of the flat fields, by kind."""
    return {
        "image": EncoderConfig(
            config.image,
            args=config.image_args,
            trained=config.image_trained,
            weights=config.image_weights,
            size=config.image_size,
        ),
        "text": EncoderConfig(config.text, args=config.text_args, trained=config.text_trained),
        "speech": EncoderConfig(
            config.speech, args=config.speech_args, trained=config.speech_trained
        ),
        "vector": EncoderConfig(config.vector, args=config.vector_args),
    }

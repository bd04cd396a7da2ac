"""START HERE: observation → tokens → fusion → features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from mmrl.encoders.distinct import TextEncoder
from mmrl.encoders.image import ImageEncoder, build_image_encoder
from mmrl.encoders.text import TEXT_ENCODERS, build_text_encoder
from mmrl.errors import UserError
from mmrl.fusion import Fusion, build_fusion
from mmrl.observation import IMAGE, INSTRUCTION
from mmrl.preprocessing.text import PretrainedTokenizer, Tokenizer, WordTokenizer


class MultimodalModel(nn.Module):
    """A picture and an instruction → features.

    Args:
        image_encoder: pictures → Tokens.
        text_encoder: token ids → Tokens.
        fusion: Tokens of both → features.
        dropout: share of the features that is left out in training (Srivastava et al., 2014).
    """

    def __init__(
        self,
        image_encoder: ImageEncoder,
        text_encoder: TextEncoder,
        fusion: Fusion,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.text_encoder = text_encoder
        self.fusion = fusion
        self.dropout = nn.Dropout(dropout)
        self.features = fusion.features

    def forward(self, images: Tensor, ids: Tensor) -> Tensor:
        """Pictures uint8 [B, 3, H, W] and token ids [B, L] → features float [B, F]."""
        seen = self.image_encoder(images)
        read = self.text_encoder(ids)
        return self.dropout(self.fusion({IMAGE: seen, INSTRUCTION: read}))


@dataclass
class ModelConfig:
    """What a model is made of.

    Attributes:
        image: image encoder: small_resnet, nature_cnn, or a ResNet of torchvision such as resnet18.
        image_weights: pretrained weights of torchvision's ResNets, such as IMAGENET1K_V1.
        image_args: arguments of ours: width, and small_resnet's blocks and patch.
        image_trained: how many of its last stages are trained; all, if empty; 0 freezes it.
        text: text encoder: small_bert, bag_of_words, word_vectors, word_gru, minilm (pretrained,
            offline), or a model of transformers by hub name or folder.
        text_args: arguments of ours: width, and small_bert's layers and heads.
        text_trained: how many of its last stages are trained; all, if empty; 0 freezes it.
        fusion: bilinear, concat, cross_attention, film, gated, weighted_sum, or a dotted path to
            your own class.
        features: width of the fused features.
        dropout: share of the fused features that is left out while learning.
        instruction_length: the longest instruction, in tokens.
    """

    image: str = "small_resnet"
    image_weights: str | None = None
    image_args: dict[str, Any] = field(default_factory=dict)
    image_trained: int | None = None
    text: str = "small_bert"
    text_args: dict[str, Any] = field(default_factory=dict)
    text_trained: int | None = None
    fusion: str = "film"
    features: int = 128
    dropout: float = 0.0
    instruction_length: int = 64


def build_tokenizer(config: ModelConfig, words: list[str]) -> Tokenizer:
    """The tokenizer that goes with the text encoder.

    Args:
        config: of the model.
        words: the environment's words, for a text encoder that is trained from scratch.
    """
    if config.text in TEXT_ENCODERS:
        return WordTokenizer(words, config.instruction_length)
    return PretrainedTokenizer(config.text, config.instruction_length)


def build_model(
    config: ModelConfig, image_size: tuple[int, int], vocabulary: int
) -> MultimodalModel:
    """The model that a configuration describes.

    Args:
        config: names and arguments.
        image_size: height and width of the pictures.
        vocabulary: token ids are below this.

    Raises:
        UserError: an unknown name, or weights that are not to be had.
    """
    image = build_image_encoder(
        config.image, image_size, weights=config.image_weights, **config.image_args
    )
    text = build_text_encoder(
        config.text, vocabulary, config.instruction_length, **config.text_args
    )
    for name, encoder, trained in (
        ("image", image, config.image_trained),
        ("text", text, config.text_trained),
    ):
        if trained is not None:
            try:
                encoder.freeze(trained)
            except ValueError as error:
                raise UserError(f"model.{name}_trained: {error}") from error
    shapes = {IMAGE: image.shape, INSTRUCTION: text.shape}
    if not 0 <= config.dropout < 1:
        raise UserError(f"model.dropout={config.dropout}: must be at least 0 and below 1")
    fusion = build_fusion(config.fusion, shapes, config.features)
    return MultimodalModel(image, text, fusion, config.dropout)

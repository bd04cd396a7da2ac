"""Image encoders of torchvision: its classification networks without their heads.

Every network of ``torchvision.models.list_models(module=torchvision.models)`` is here by the same
rule: its children up to the pooling. Vision transformers, which are no sequence of children, have a
body of their own.
"""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from pickle import UnpicklingError
from typing import Any, Final

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from mmrl.compat import import_torchvision
from mmrl.errors import UserError
from mmrl.models.encoders.hub import check_pooled
from mmrl.models.encoders.image_base import ImageEncoder
from mmrl.models.encoders.layers import with_small_maps
from mmrl.models.encoders.torchvision_weights import read_weights
from mmrl.preprocessing.image import IMAGENET_MEAN, IMAGENET_STD, ImageNormalizer
from mmrl.text_output import shortened

_HEADS: Final = (
    "avgpool", "flatten", "dropout", "fc", "classifier", "head", "heads", "aux1", "aux2",
    "AuxLogits",
)  # fmt: skip
_DENSE_LAYER: Final = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
"""In names of DenseNet's published weights, which have one dot more."""
_LISTS: Final = ("features", "layers", "blocks")
"""Children whose own children are the stages."""
_OTHER_STATISTICS: Final = ("googlenet", "inception_v3")
"""Networks whose weights were trained on pixels from -1 to 1."""


def torchvision_names() -> list[str]:
    """The classification networks of torchvision."""
    models = import_torchvision().models
    return list(models.list_models(module=models))


def torchvision_encoder(
    name: str,
    image_size: tuple[int, int],
    *,
    weights: str | None = None,
    pretrained: bool = True,
    stage: int | None = None,
    pooled: bool = False,
    resize: bool = False,
) -> ImageEncoder:
    """A classification network of torchvision without its head.

    Args:
        name: such as "resnet18".
        image_size: height and width of the images. Vision transformers and MaxViT take one size
            only: images are resized to it.
        weights: such as "IMAGENET1K_V1", from torch's cache or the network; or a file of weights,
            ``.safetensors`` or torch's, with any head or none; None for random. They also
            determine how pixels are normalised.
        pretrained: load the weights; otherwise they are random, to be replaced later.
        stage: the last of a ResNet's four stages of blocks that is kept; all, if None.
        pooled: one token, the mean, instead of a grid.
        resize: resize images of any size to ``image_size``.

    Raises:
        UserError: the weights cannot be loaded, or are not those that torchvision publishes; or
            the images are too small.
        ValueError: no such stage, or no ResNet.
    """
    check_pooled(pooled, (False, True))
    try:
        whole = network(name)
        if weights and pretrained:
            load_without_head(whole, read_weights(name, weights))
    except (
        OSError, EOFError, LookupError, ValueError, RuntimeError, UnpicklingError, SafetensorError,
    ) as error:  # fmt: skip
        raise UserError(
            f"weights {weights!r} of {name} cannot be loaded ({shortened(error)}). Offline, put "
            f"the file into {torch.hub.get_dir()}/checkpoints, or leave model.image_weights empty"
        ) from error
    body = body_of(whole, stage)
    size = fixed_size(whole)
    if size is None:
        size = image_size if resize else None
    statistics = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD} if weights else {}
    if weights and sees_signed_pixels(name):
        statistics = {}
    normalizer = ImageNormalizer(**statistics, size=size)
    try:
        return ImageEncoder(normalizer, body, size or image_size, pooled=pooled)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"{name} does not work on images of {list(size or image_size)} pixels "
            f"({str(error).splitlines()[0]}): give a larger model.image_size"
        ) from error


def network(name: str) -> Any:
    """One of them, with random weights.

    Raises:
        ValueError: there is none of that name.
    """
    options = {"init_weights": False} if name in _OTHER_STATISTICS else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torchvision about its own plans
        return import_torchvision().models.get_model(name, weights=None, **options)


def sees_signed_pixels(name: str) -> bool:
    """Whether its published weights take pixels from -1 to 1, and not ImageNet's statistics."""
    return name in _OTHER_STATISTICS


def fixed_size(whole: Any) -> tuple[int, int] | None:
    """Height and width of the only images that a network takes; None for any."""
    name = type(whole).__name__
    side = getattr(whole, "image_size", None) or (224 if name == "MaxVit" else None)
    return None if side is None else (int(side), int(side))


def load_without_head(whole: nn.Module, state: dict[str, Tensor]) -> None:
    """Give a network weights that may have another head, or none.

    Raises:
        ValueError, RuntimeError: they lack weights of the body, or those have other shapes.
    """
    body = OrderedDict(
        (_DENSE_LAYER.sub(r"\1\2", key), value)
        for key, value in state.items()
        if key.split(".")[0] not in _HEADS
    )
    if hasattr(state, "_metadata"):  # versions, by which networks read their earlier files
        body._metadata = state._metadata  # type: ignore[attr-defined]
    found = whole.load_state_dict(body, strict=False)
    missing = [key for key in found.missing_keys if key.split(".")[0] not in _HEADS]
    if missing:
        raise ValueError(f"{len(missing)} weights are missing, such as {missing[0]}")


def body_of(whole: Any, stage: int | None = None) -> nn.Module:
    """A network without its head.

    Args:
        whole: of torchvision.
        stage: the last of a ResNet's four stages that is kept; all, if None.

    Raises:
        ValueError: no such stage, or no ResNet.
    """
    if stage is not None and not hasattr(whole, "layer4"):
        raise ValueError("stage is for ResNets, which have four")
    if stage is not None and not 1 <= stage <= 4:
        raise ValueError(f"stage={stage}: a ResNet has 1 to 4")
    if hasattr(whole, "conv_proj"):
        return VisionTransformerBody(whole)
    parts: list[nn.Module] = []
    for name, child in whole.named_children():
        if name in _HEADS:
            continue
        parts += child.children() if name in _LISTS else [child]
    if stage is not None:
        parts = parts[: 4 + stage]
    if type(whole).__name__ == "DenseNet":
        parts.append(nn.ReLU())  # a function in torchvision
    return with_small_maps(nn.Sequential(*parts))


class VisionTransformerBody(nn.Module):
    """torchvision's vision transformer (Dosovitskiy et al., 2021) → the maps of its patches.

    Args:
        whole: torchvision's ``VisionTransformer``.
    """

    def __init__(self, whole: Any) -> None:
        super().__init__()
        self.patches = whole.conv_proj
        self.tokens = nn.ParameterList([whole.class_token, whole.encoder.pos_embedding])
        self.dropout = whole.encoder.dropout
        self.layers = nn.Sequential(*whole.encoder.layers)
        self.norm = whole.encoder.ln

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised float [B, 3, H, W] → float [B, D, rows, columns]."""
        maps = self.patches(pixels)
        values = maps.flatten(2).transpose(1, 2)
        whole, positions = self.tokens
        values = torch.cat([whole.expand(values.shape[0], -1, -1), values], dim=1) + positions
        values = self.norm(self.layers(self.dropout(values)))[:, 1:]
        return values.transpose(1, 2).unflatten(2, maps.shape[2:])

    def stages(self) -> list[nn.Module]:
        """The embedding of patches, then each layer."""
        *layers, last = self.layers
        front = nn.ModuleList([self.patches, self.tokens])
        return [front, *layers, nn.ModuleList([last, self.norm])]

"""Image encoders by name: our convolutional networks, torchvision's, and transformers'.

Ours are a small ResNet (He et al., 2016), DQN's convolutions, and separate brightness and colour;
:mod:`~mmrl.models.encoders.torchvision_networks` and :mod:`~mmrl.models.encoders.hub_image` have
the others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from torch import nn

from mmrl.compat import import_torchvision
from mmrl.errors import UserError, unknown
from mmrl.files import is_folder
from mmrl.models.encoders.hub import UNREADABLE, first_line
from mmrl.models.encoders.hub_image import pretrained_image
from mmrl.models.encoders.image_base import ImageEncoder
from mmrl.models.encoders.layers import PatchBody, PatchEmbedding, check_patch, group_norm
from mmrl.models.encoders.luma_chroma import LumaChroma
from mmrl.models.encoders.others import build_other, is_of_others
from mmrl.models.encoders.torchvision_networks import torchvision_encoder, torchvision_names
from mmrl.preprocessing.hub import download_hint, hub_cache
from mmrl.preprocessing.image import ImageNormalizer
from mmrl.text_output import shortened


def small_resnet(
    image_size: tuple[int, int],
    *,
    width: int = 32,
    blocks: int = 1,
    patch: int = 8,
    resize: bool = False,
) -> ImageEncoder:
    """A small ResNet for CPUs: a patch embedding, then torchvision's own BasicBlocks.

    Args:
        image_size: height and width of the images.
        width: channels.
        blocks: how many residual blocks.
        patch: side and stride of the first convolution, in pixels: one token a patch.
        resize: resize images of any size to ``image_size``.

    Raises:
        ValueError: a patch that is larger than the images.
    """
    check_patch(patch, image_size)
    resnet = import_torchvision().models.resnet
    body = PatchBody(
        PatchEmbedding(width, patch),
        nn.ReLU(inplace=True),
        *(resnet.BasicBlock(width, width, norm_layer=group_norm) for _ in range(blocks)),
    )
    return ImageEncoder(ImageNormalizer(size=image_size if resize else None), body, image_size)


def nature_cnn(
    image_size: tuple[int, int], *, width: int = 32, resize: bool = False
) -> ImageEncoder:
    """The three convolutions of DQN (Mnih et al., 2015), "Nature CNN".

    Args:
        image_size: height and width of the images, 36 pixels or more.
        width: channels of the first convolution; the others have twice as many.
        resize: resize images of any size to ``image_size``.

    Raises:
        ValueError: smaller images.
    """
    if min(image_size) < 36:
        raise ValueError(f"images of {list(image_size)} pixels: needs 36 or more")
    body = nn.Sequential(
        nn.Conv2d(3, width, 8, stride=4),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 4, stride=2),
        nn.ReLU(),
        nn.Conv2d(2 * width, 2 * width, 3),
        nn.ReLU(),
    )
    return ImageEncoder(_unit_normalizer(image_size if resize else None), body, image_size)


def _unit_normalizer(size: tuple[int, int] | None) -> ImageNormalizer:
    """Pixels from 0 to 1."""
    return ImageNormalizer((0.0,) * 3, (1.0,) * 3, size)


def luma_chroma(
    image_size: tuple[int, int],
    *,
    width: int = 32,
    hues: int = 16,
    blocks: int = 1,
    patch: int = 8,
    resize: bool = False,
) -> ImageEncoder:
    """Separate channels for brightness and colour, for compositional generalisation to pairs of
    shape and colour that are not in the training data; see
    :class:`~mmrl.models.encoders.luma_chroma.LumaChroma`.

    Args:
        image_size: height and width of the images.
        width, hues: channels for shapes and for colours.
        blocks: how many residual blocks.
        patch: side of a patch, in pixels: one token a patch.
        resize: resize images of any size to ``image_size``.

    Raises:
        ValueError: a patch that is larger than the images.
    """
    check_patch(patch, image_size)
    body = LumaChroma(width, hues, blocks, patch)
    return ImageEncoder(_unit_normalizer(image_size if resize else None), body, image_size)


IMAGE_ENCODERS: Final[dict[str, Callable[..., ImageEncoder]]] = {
    "small_resnet": small_resnet,
    "nature_cnn": nature_cnn,
    "luma_chroma": luma_chroma,
}
"""Our own, by name; torchvision's and transformers' are there besides."""


def is_hub_image(name: str) -> bool:
    """Whether a name is that of a model of transformers: none of ours or torchvision's."""
    return name not in IMAGE_ENCODERS and name not in torchvision_names()


def build_image_encoder(
    name: str,
    image_size: tuple[int, int],
    *,
    weights: str | None = None,
    pretrained: bool = True,
    resize: tuple[int, int] | None = None,
    **kwargs: Any,
) -> ImageEncoder:
    """The image encoder of that name.

    Args:
        name: a key of :data:`IMAGE_ENCODERS`, of an entry point, a dotted path, a classification
            network of torchvision, or a model of transformers by hub name or folder.
        image_size: height and width of the images.
        weights: pretrained weights, for torchvision's.
        pretrained: load them; otherwise they are random, to be replaced later.
        resize: height and width that images of any size are resized to first.
        kwargs: arguments of that encoder.

    Raises:
        UserError: unknown name, arguments that do not fit, or weights that cannot be loaded.
    """
    size = resize or image_size
    if name in IMAGE_ENCODERS:
        if weights:
            raise UserError(f"{name} has no pretrained weights: leave model.image_weights empty")
        try:
            return IMAGE_ENCODERS[name](size, resize=resize is not None, **kwargs)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"model.image_args {kwargs} do not fit {name}: {shortened(error)}"
            ) from error
    if is_of_others(name):
        if weights:
            raise UserError(f"{name} loads its own weights: leave model.image_weights empty")
        return build_other(
            "image", name, ImageEncoder, IMAGE_ENCODERS, kwargs, size, resize=resize is not None
        )
    theirs = torchvision_names()
    build: Callable[..., ImageEncoder] = pretrained_image
    if name in theirs:
        build = partial(torchvision_encoder, weights=weights)
    elif "/" not in name and not is_folder(name):
        raise unknown("image encoder", name, [*IMAGE_ENCODERS, *theirs])
    elif weights:
        raise UserError(f"{name} comes with its weights: leave model.image_weights empty")
    try:
        return build(name, size, pretrained=pretrained, resize=resize is not None, **kwargs)
    except UNREADABLE as error:
        if name in theirs:
            raise UserError(
                f"model.image_args {kwargs} do not fit {name}: {shortened(error)}"
            ) from error
        raise UserError(
            f"image encoder {name!r} is neither a local folder with config.json, "
            f"preprocessor_config.json and model.safetensors, nor cached in {hub_cache()}, nor "
            f"reachable ({first_line(error)}). Offline: such a folder, or a network of torchvision "
            f"such as resnet18{download_hint(name)}"
        ) from error
    except TypeError as error:
        raise UserError(
            f"model.image_args {kwargs} do not fit {name}: {shortened(error)}"
        ) from error

"""Image encoders: an image → a grid of tokens. Convolutional networks by name.

An :class:`ImageEncoder` is a normaliser and a body: ResNets (He et al., 2016), ours or
torchvision's, DQN's convolutions, or separate brightness and colour. A :class:`FramesEncoder`
encodes several images at once.

Shapes: B batch, F frames, H and W pixels, D channels, L = rows · columns tokens. Images are
uint8 [B, H, W, 3] up to :meth:`ImageEncoder.forward`, which hands a view [B, 3, H, W] of them to
the layers. The encoder chooses the order in memory by itself: patches are cut from either.
"""

from __future__ import annotations

from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, Final

import torch
from torch import Tensor, nn

from mmrl.compat import import_torchvision
from mmrl.errors import UserError, unknown
from mmrl.models.encoders.base import Encoder, with_parameters
from mmrl.models.encoders.cache import digests
from mmrl.models.encoders.layers import (
    PatchBody,
    PatchEmbedding,
    PixelBody,
    check_patch,
    group_norm,
    with_small_maps,
)
from mmrl.models.encoders.luma_chroma import LumaChroma
from mmrl.models.encoders.others import build_other, is_of_others
from mmrl.models.encoders.torchvision_weights import published_weights
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.image import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ImageNormalizer,
    channels_first,
)


class ImageEncoder(Encoder):
    """An image encoder: one token for every cell of the body's last feature map.

    Args:
        normalizer: of the pixels; with a size, it resizes images of any size.
        body: normalised float [B, 3, H, W] → feature maps float [B, D, rows, columns]; with an
            attribute ``aside`` for separate last channels, see
            :class:`~mmrl.models.tokens.TokensShape`. A :class:`PixelBody` is given bytes and the
            normaliser.
        image_size: height and width of the images that the body is given.
        pooled: one token, the mean of the maps, instead of a grid.
    """

    def __init__(
        self,
        normalizer: ImageNormalizer,
        body: nn.Module,
        image_size: tuple[int, int],
        *,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        self.pooled = pooled
        self.normalizer = normalizer
        self.body = body
        self.image_size = image_size
        with torch.no_grad():
            was_training = body.training
            maps = body.eval()(torch.zeros(1, 3, *image_size))
            body.train(was_training)
        grid = None if pooled else (maps.shape[2], maps.shape[3])
        self.shape = TokensShape(maps.shape[1], grid, getattr(body, "aside", 0))

    def stages(self) -> list[nn.Module]:
        """The body's children that have parameters: a ResNet's stem, then its four stages."""
        return with_parameters(self.body)

    def take_channels_first(self) -> None:
        """Take images [B, 3, H, W] from now on, see :attr:`Encoder.channels_first`."""
        self.channels_first = True

    def forward(self, images: Tensor) -> Tokens:
        """uint8 [B, H, W, 3] → Tokens [B, L, D] on the grid, or [B, 1, D] if pooled.

        Raises:
            ValueError: images of another type, order or size than the encoder was built for.
        """
        axis, order = (1, "3, H, W") if self.channels_first else (-1, "H, W, 3")
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[axis] != 3:
            raise ValueError(
                f"images must be uint8 [B, {order}], got {images.dtype} {list(images.shape)}"
            )
        size = tuple(self._pixels(images).shape[-2:])
        if self.normalizer.size is None and size != self.image_size:
            raise ValueError(
                f"images of {list(size)} pixels: "
                f"this encoder was built for {list(self.image_size)}; model.image_size resizes"
            )
        return self.apply_cached(images, self._encode, self.shape.grid)

    def cache_keys(self, rows: Tensor) -> list[bytes]:
        """As :meth:`Encoder.cache_keys`, of pixels in channels-last order, as in buffers."""
        return digests(rows.movedim(1, -1) if self.channels_first else rows)

    def _pixels(self, images: Tensor) -> Tensor:
        """A view [B, 3, H, W] of images in the order that the encoder takes."""
        return images if self.channels_first else channels_first(images)

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self._maps(self._pixels(images))
        values = maps.flatten(2).transpose(1, 2)
        if self.pooled:
            values = values.mean(1, keepdim=True)
        return values, torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)

    def _maps(self, pixels: Tensor) -> Tensor:
        maps: Tensor
        if isinstance(self.body, PixelBody):
            maps = self.body(pixels, self.normalizer)
        else:
            ordered = pixels.contiguous(memory_format=self.memory_format)
            maps = self.body(self.normalizer(ordered))
        return maps


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


def torchvision_resnet(
    name: str,
    image_size: tuple[int, int],
    *,
    weights: str | None = None,
    pretrained: bool = True,
    stage: int = 4,
    pooled: bool = False,
    resize: bool = False,
) -> ImageEncoder:
    """A ResNet of torchvision without its classification head.

    Args:
        name: such as "resnet18".
        image_size: height and width of the images.
        weights: such as "IMAGENET1K_V1", from torch's cache or the network; None for random. They
            also determine how pixels are normalised.
        pretrained: load the weights; otherwise they are random, to be replaced later.
        stage: the last of the four stages of blocks that is kept.
        pooled: one token, the mean, instead of a grid.
        resize: resize images of any size to ``image_size``.

    Raises:
        UserError: the weights cannot be loaded, or are not those that torchvision publishes.
        ValueError: no such stage.
    """
    if not 1 <= stage <= 4:
        raise ValueError(f"stage={stage}: a ResNet has 1 to 4")
    models = import_torchvision().models
    try:
        network: Any = models.get_model(name, weights=None)
        if weights and pretrained:
            network.load_state_dict(published_weights(name, weights))
    except (OSError, EOFError, LookupError, ValueError, RuntimeError, UnpicklingError) as error:
        raise UserError(
            f"weights {weights!r} of {name} cannot be loaded ({error}). Offline, put the file "
            f"into {torch.hub.get_dir()}/checkpoints, or leave model.image_weights empty"
        ) from error
    body = with_small_maps(nn.Sequential(*list(network.children())[: 4 + stage]))
    size = image_size if resize else None
    statistics = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD} if weights else {}
    normalizer = ImageNormalizer(**statistics, size=size)
    return ImageEncoder(normalizer, body, image_size, pooled=pooled)


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
"""Our own, by name; every ``resnet…`` of torchvision is there besides."""


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
        name: a key of :data:`IMAGE_ENCODERS`, of an entry point, a dotted path, or a ResNet of
            torchvision.
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
            raise UserError(f"model.image_args {kwargs} do not fit {name}: {error}") from error
    if is_of_others(name):
        if weights:
            raise UserError(f"{name} loads its own weights: leave model.image_weights empty")
        return build_other(
            "image", name, ImageEncoder, IMAGE_ENCODERS, kwargs, size, resize=resize is not None
        )
    models = import_torchvision().models
    theirs = [one for one in models.list_models(module=models) if "resnet" in one]
    if name not in theirs:
        raise unknown("image encoder", name, [*IMAGE_ENCODERS, *theirs])
    try:
        return torchvision_resnet(
            name,
            size,
            weights=weights,
            pretrained=pretrained,
            resize=resize is not None,
            **kwargs,
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"model.image_args {kwargs} do not fit {name}: {error}") from error


class FramesEncoder(Encoder):
    """An encoder of F frames → Tokens on one grid of F · rows by columns, the first frame on top.

    Args:
        encoder: of each image, to a grid.
        frames: F.

    Raises:
        ValueError: the encoder pools.
    """

    def __init__(self, encoder: ImageEncoder, frames: int) -> None:
        super().__init__()
        if encoder.shape.grid is None:
            raise ValueError("the images' tokens must lie on a grid, not be pooled")
        rows, columns = encoder.shape.grid
        self.encoder, self.frames = encoder, frames
        self.shape = encoder.shape._replace(grid=(frames * rows, columns))
        self.channels_first = encoder.channels_first

    def stages(self) -> list[nn.Module]:
        """Those of the image encoder."""
        return self.encoder.stages()

    def freeze(self, trained: int) -> None:
        """As :meth:`Encoder.freeze`, of the image encoder."""
        self.encoder.freeze(trained)

    def enable_cache(self, capacity: int) -> None:
        """As :meth:`Encoder.enable_cache`, of the image encoder: each image is encoded once,
        however many stacks it is in.
        """
        self.encoder.enable_cache(capacity)

    def forward(self, images: Tensor) -> Tokens:
        """uint8 [B, F, H, W, 3] → Tokens [B, F · L, D].

        Raises:
            ValueError: another number of images, or as :class:`ImageEncoder`.
        """
        if images.ndim != 5 or images.shape[1] != self.frames:
            raise ValueError(f"{self.frames} frames are needed, got {list(images.shape)}")
        tokens: Tokens = self.encoder(images.flatten(0, 1))
        values = tokens.values.unflatten(0, (-1, self.frames)).flatten(1, 2)
        mask = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        return Tokens(values, mask, self.shape.grid)

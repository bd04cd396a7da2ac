"""Image encoders of transformers: any vision model or vision tower by name or folder.

Shapes: B batch, H and W pixels, D channels, K tokens of the model, of which rows · columns are the
patches' and come last.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from math import isqrt
from typing import Any

from torch import Tensor, nn

from mmrl.errors import UserError
from mmrl.models.encoders.hub import Pooled, first_line, load_tower, stages_of
from mmrl.models.encoders.image_base import ImageEncoder
from mmrl.preprocessing.image_processor import ProcessedImages, load_steps

_INTERPOLATE = "interpolate_pos_encoding"


class HubImageBody(nn.Module):
    """The body of an image encoder that is a vision model of transformers: the maps of its patches,
    without class and register tokens; or its own pooling, as a map of one place.

    Args:
        tower: takes ``pixel_values``, gives ``last_hidden_state``.
        own_pooling: give its ``pooler_output``.
    """

    def __init__(self, tower: Any, *, own_pooling: bool = False) -> None:
        super().__init__()
        self.tower = tower
        self.own_pooling = own_pooling
        sizes = _pair(getattr(tower.config, "image_size", None))
        takes = inspect.signature(tower.forward).parameters
        self._trained_on = sizes if _INTERPOLATE in takes else None

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised float [B, 3, H, W] → maps float [B, D, rows, columns].

        Raises:
            ValueError: a model without a pooling of its own, or whose tokens lie on no grid.
        """
        size = (pixels.shape[2], pixels.shape[3])
        options = {}
        if self._trained_on not in (None, size):
            options[_INTERPOLATE] = True
        output = self.tower(pixel_values=pixels, **options)
        if self.own_pooling:
            pooled = getattr(output, "pooler_output", None)
            if pooled is None:
                kind = self.tower.config.model_type
                raise ValueError(f"pooled: model: a {kind} has no pooling of its own")
            return pooled.flatten(1)[:, :, None, None]
        values: Tensor = output.last_hidden_state
        if values.ndim == 4:
            return values
        rows, columns = self._grid(size, values.shape[1])
        patches = values[:, values.shape[1] - rows * columns :]
        return patches.transpose(1, 2).unflatten(2, (rows, columns))

    def stages(self) -> list[nn.Module]:
        """What comes before the blocks, then each block."""
        return stages_of(self.tower)

    def _grid(self, size: tuple[int, int], tokens: int) -> tuple[int, int]:
        """Rows and columns of the patches: those of the first layer, or of a coarser grid where
        there are fewer tokens, such as Swin's.
        """
        patch = _pair(getattr(self.tower.config, "patch_size", None))
        if patch is None:
            raise ValueError(f"a {self.tower.config.model_type} has tokens without a grid")
        rows, columns = size[0] // patch[0], size[1] // patch[1]
        if tokens < rows * columns:
            coarser = isqrt(rows * columns // tokens)
            rows, columns = rows // coarser, columns // coarser
            if rows * columns != tokens:
                raise ValueError(f"{tokens} tokens lie on no grid of {size} pixels")
        return rows, columns


class HubImageEncoder(ImageEncoder):
    """An image encoder of transformers, with its own preprocessing; arguments as of
    :class:`~mmrl.models.encoders.image_base.ImageEncoder`.
    """

    body: HubImageBody
    normalizer: ProcessedImages

    @property
    def config(self) -> Any:
        """The configuration of the vision model."""
        return self.body.tower.config


def pretrained_image(
    name: str,
    image_size: tuple[int, int],
    *,
    pretrained: bool = True,
    resize: bool = False,
    pooled: Pooled = False,
) -> HubImageEncoder:
    """A vision model, or the vision tower of an image–text model.

    Args:
        name: hub name or folder.
        image_size: height and width of the images.
        pretrained: load the weights; otherwise they are random, to be replaced later.
        resize: stretch images of any size to ``image_size``, without cropping, instead of the
            size that the model was trained on.
        pooled: True or "mean" for one token, the mean of all patches; "model" for the model's own
            pooling, such as the class token's.

    Raises:
        UserError: it is no vision model, or lacks weights or its preprocessing.
        OSError, ValueError, RuntimeError, SafetensorError: as
            :func:`~mmrl.models.encoders.hub.load_tower`.
    """
    tower = load_tower(name, "vision", weights=pretrained, pooled=pooled)
    steps = load_steps(name)
    if resize:
        steps = replace(steps, size=image_size, shortest=None, crop=None)
    normalizer = ProcessedImages(steps, image_size)
    body = HubImageBody(tower, own_pooling=pooled == "model")
    assert normalizer.size is not None
    try:
        return HubImageEncoder(normalizer, body, normalizer.size, pooled=bool(pooled))
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{name} does not work on images of {list(normalizer.size)} pixels "
            f"({first_line(error)}); model.image_size changes that"
        ) from error


def _pair(value: Any) -> tuple[int, int] | None:
    """A side, or height and width; None where there is none."""
    if value is None:
        return None
    if isinstance(value, int):
        return value, value
    height, width = (value[0], value[-1])
    return int(height), int(width)

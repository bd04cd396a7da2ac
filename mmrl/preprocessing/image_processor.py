"""The image preprocessing of pretrained models: how they resize, crop and normalise, as data.

:func:`load_steps` reads it from a model's own ``preprocessor_config.json``;
:class:`ProcessedImages` does it on tensors, as the image processors of transformers do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import Meta
from torch import Tensor
from torch.nn.functional import pad

from mmrl.compat import import_torchvision
from mmrl.errors import UserError
from mmrl.files import write_json
from mmrl.preprocessing.hub import hub_cache, load_pretrained
from mmrl.preprocessing.image import ImageNormalizer
from mmrl.schema import Finite, read_json, well_formed
from mmrl.text_output import shortened

FILE: Final = "image_steps.json"
"""Beside the configuration of a model that was saved here."""
Side = Annotated[int, Meta(ge=1, le=2**13)]
"""Pixels."""
Channels = Annotated[tuple[Finite, ...], Meta(min_length=1, max_length=4)]
_INTERPOLATIONS: Final[dict[int, Any]] = {
    0: "nearest-exact",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
}
"""By Pillow's numbers, as in the files."""
_STRETCHED_FROM: Final = 384  # ConvNeXt and ResNet: no cropping of images of this size or more


@dataclass(frozen=True)
class ImageSteps:
    """What is done to images before a model sees them, in this order.

    Attributes:
        size: height and width that they are stretched to; None where there is a shortest side.
        shortest: length that the shorter side is resized to, with the other in proportion.
        crop: height and width of the part in the middle that is kept; all, if None.
        interpolation: bilinear, bicubic, …: torchvision's name.
        mean, std: by channel, of pixels from 0 to 1.
    """

    size: tuple[Side, Side] | None
    shortest: Side | None
    crop: tuple[Side, Side] | None
    interpolation: Literal["nearest-exact", "lanczos", "bilinear", "bicubic"]
    mean: Channels
    std: Channels

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of resized images, before they are cropped."""
        if self.size is not None:
            return self.size
        if self.shortest is None:
            return height, width
        short, long = sorted((height, width))
        other = int(self.shortest * long / short)
        return (self.shortest, other) if height <= width else (other, self.shortest)

    def output(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what the model is given."""
        return self.crop or self.resized(height, width)


class ProcessedImages(ImageNormalizer):
    """The preprocessing of a pretrained model, on tensors: images of any size are resized and
    cropped as in its training, and normalised by its mean and standard deviation.

    Args:
        steps: what is done.
        image_size: height and width of the images, which determine the output's where nothing is
            cropped.
    """

    def __init__(self, steps: ImageSteps, image_size: tuple[int, int]) -> None:
        super().__init__(steps.mean, steps.std, steps.output(*image_size))
        self.steps = steps

    @property
    def settings(self) -> dict[str, Any]:
        """Its steps beside size, mean and standard deviation, for fingerprints."""
        return {"steps": asdict(self.steps)}

    def sized(self, images: Tensor) -> Tensor:
        """As :meth:`ImageNormalizer.sized`, by the model's own interpolation.

        Raises:
            ValueError: another type or number of channels.
        """
        self.check(images)
        import_torchvision()
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms.v2 import functional

        height, width = images.shape[-2:]
        size = self.steps.resized(height, width)
        if size != (height, width):
            mode = InterpolationMode(self.steps.interpolation)
            images = functional.resize(images, list(size), interpolation=mode, antialias=True)
        if self.steps.crop is not None and self.steps.crop != size:
            images = _cropped(images, *self.steps.crop)
        if tuple(images.shape[-2:]) != self.size:  # of images of other proportions than built for
            images = super().sized(images)
        return images


def _cropped(images: Tensor, height: int, width: int) -> Tensor:
    """The middle of images [B, 3, H, W]; black around those that are smaller. Of an odd rest, the
    larger part is cut off at the end, and added there.
    """
    rows, columns = height - images.shape[2], width - images.shape[3]
    margins = [max(columns, 0) // 2, (max(columns, 0) + 1) // 2]
    margins += [max(rows, 0) // 2, (max(rows, 0) + 1) // 2]
    images = pad(images, margins)
    top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
    return images[:, :, top : top + height, left : left + width]


def load_steps(name: str) -> ImageSteps:
    """The image preprocessing of a pretrained model.

    Args:
        name: hub name or folder.

    Raises:
        UserError: it has none, or one that is more than to resize, crop and normalise.
    """
    file = Path(name) / FILE
    if file.exists():
        return read_json(file, ImageSteps)
    try:
        processor = load_pretrained("AutoImageProcessor", name)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{name} has no image preprocessing: it is neither a folder with "
            f"preprocessor_config.json, nor cached in {hub_cache()}, nor reachable "
            f"({shortened(error)}). Put that file of the model there"
        ) from error
    with well_formed(f"{name}, preprocessor_config.json"):
        return steps_of(processor, name)


def save_steps(steps: ImageSteps, folder: Path) -> None:
    """Write them beside a saved configuration."""
    write_json(folder / FILE, asdict(steps))


def steps_of(processor: Any, name: str) -> ImageSteps:
    """What an image processor of transformers does.

    Args:
        processor: of any of its classes that resize, crop, rescale and normalise.
        name: of the model, for errors.

    Raises:
        UserError: it resizes in another way.
    """
    size, shortest, crop = None, None, None
    if _get(processor, "do_center_crop"):
        crop = _pair(processor.crop_size)
    if _get(processor, "do_resize"):
        size, shortest = _pair(processor.size), _get(processor.size, "shortest_edge")
        if size is None and (shortest is None or _get(processor.size, "longest_edge")):
            raise UserError(
                f"{name} resizes images to {processor.size}, which encoders here cannot: "
                "give a model of one image size"
            )
        fraction = _get(processor, "crop_pct")
        if shortest and fraction:  # ConvNeXt's and ResNet's
            crop = (shortest, shortest)
            if shortest < _STRETCHED_FROM:
                shortest = int(shortest / fraction)
            else:
                size, shortest, crop = crop, None, None
    mean: tuple[float, ...] = (0.0,) * 3
    std: tuple[float, ...] = (1.0,) * 3
    if _get(processor, "do_normalize"):
        mean, std = _channels(processor.image_mean), _channels(processor.image_std)
    # pixels are divided by 255 here, and multiplied by another factor there, or by none
    unit = 255 * float(processor.rescale_factor) if _get(processor, "do_rescale") else 255.0
    return ImageSteps(
        size, None if size else shortest, crop,
        _INTERPOLATIONS[int(_get(processor, "resample") or 2)],
        tuple(value / unit for value in mean), tuple(value / unit for value in std),
    )  # fmt: skip


def _channels(value: Any) -> tuple[float, ...]:
    return (float(value),) * 3 if isinstance(value, int | float) else tuple(map(float, value))


def _pair(size: Any) -> tuple[int, int] | None:
    height, width = _get(size, "height"), _get(size, "width")
    return None if height is None or width is None else (int(height), int(width))


def _get(value: Any, name: str) -> Any:
    """An entry of a dictionary, or an attribute; None where there is none."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)

"""``mmrl fit sprites``: a sprite painter, from tile themes in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.arrays import read_npz
from mmrl.errors import UserError
from mmrl.files import is_folder
from mmrl.generative.image.sprites import SpritePainter
from mmrl.images import decoded
from mmrl.training import TASKS
from mmrl.training.task import Batch, Evaluation, Task
from mmrl.training.tasks.configs import SpritesConfig

_STYLES: Final = 8
_GROUND: Final = 235
_SHOWN: Final = 12  # names on a sheet
_ENLARGED: Final = 2


class SpritesTask(Task):
    """See :class:`SpritesConfig`."""

    name = "sprites"
    summary = TASKS["sprites"].summary
    Config = SpritesConfig
    module: SpritePainter

    def __init__(
        self, config: SpritesConfig, sets: Sequence[Mapping[str, NDArray[np.uint8]]]
    ) -> None:
        self.config = config
        pairs = [(name, one) for one_set in sets for name, one in one_set.items()]
        self.names = [name for name, _ in pairs]
        self.images = np.stack([one for _, one in pairs])
        self.module = SpritePainter(
            sorted(set(self.names)),
            self.images.shape[1],
            style=config.style,
            hidden=config.hidden,
        )
        self.recipe = self.module.recipe

    @classmethod
    def prepare(cls, config: SpritesConfig) -> Self:
        """As :meth:`Task.prepare`."""
        if config.shift < 0 or not 0 <= config.shade < 1 or config.style_weight < 0:
            raise UserError(
                f"shift={config.shift}, shade={config.shade}, style_weight={config.style_weight}: "
                "must be at least 0, from 0 to 1, and at least 0"
            )
        files = [config.data] if isinstance(config.data, str) else config.data
        if not any(files):
            raise UserError(
                "data is empty: name sets of sprites, folders of PNG files or .npz files of arrays "
                "uint8 [S, S, 3 or 4] by name"
            )
        sets = [read_images(Path(one).expanduser()) for one in files]
        sizes = {one.shape[:2] for one_set in sets for one in one_set.values()}
        if len(sizes) > 1:
            raise UserError(f"data has images of several sizes: {sorted(sizes)}")
        return cls(config, sets)

    @staticmethod
    def build(recipe: dict[str, Any]) -> SpritePainter:
        """As :meth:`Task.build`."""
        return SpritePainter(**recipe)

    def batch(self, generator: np.random.Generator) -> Batch:
        """Augmented images, uint8 [B, S, S, 4], and their names."""
        rows = generator.integers(len(self.names), size=self.config.batch_size)
        shift = self.config.shift
        shifts = generator.integers(-shift, shift + 1, size=(len(rows), 2)).tolist()
        moved = np.stack(
            [_moved(self.images[row], *by) for row, by in zip(rows.tolist(), shifts, strict=True)]
        ).astype(np.float32)
        shades = 1 + generator.uniform(-self.config.shade, self.config.shade, (len(rows), 1, 1, 1))
        moved[..., :3] = (moved[..., :3] * shades).clip(0, 255)
        return {
            "images": torch.from_numpy(moved.round().astype(np.uint8)),
            "names": self.module.read([self.names[row] for row in rows.tolist()]),
        }

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """As :meth:`SpritePainter.loss`."""
        return self.module.loss(batch["images"], batch["names"], self.config.style_weight)

    def evaluate(self) -> Evaluation:
        """In new styles, the share of sprites whose nearest training image has the same name,
        ``recognised``; and their distance from it, ``new``, 0 to 1.
        """
        names = self.module.names
        styles = self.module.styles(_STYLES, 0)
        painted = [
            self.module.paint(names, style.expand(len(names), -1)) for style in styles.unbind()
        ]
        made = composited(np.concatenate(painted), _GROUND)
        known = composited(self.images, _GROUND)
        one, other = (torch.from_numpy(x.reshape(len(x), -1)).float() for x in (made, known))
        off = torch.cdist(one, other, p=1) / (255 * one.shape[1])
        nearest = off.argmin(1).tolist()
        wanted = [*names] * _STYLES
        right = [self.names[k] == name for k, name in zip(nearest, wanted, strict=True)]
        metrics = {"recognised": float(np.mean(right)), "new": float(off.amin(1).mean())}
        spread = np.linspace(0, len(names) - 1, _SHOWN).astype(np.int64)
        rows = [np.concatenate([composited(one, _GROUND)[k] for k in spread], 1) for one in painted]
        sheet = np.concatenate(rows).repeat(_ENLARGED, 0).repeat(_ENLARGED, 1)
        return Evaluation(metrics, images={"styles": sheet})


def read_images(path: Path) -> dict[str, NDArray[np.uint8]]:
    """The images of a folder of PNG files, or of an ``.npz`` file, by name: uint8 [S, S, 4].

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    try:
        if is_folder(path):
            images = {file.stem: decoded(file, "RGBA") for file in sorted(path.glob("*.png"))}
        else:
            images = read_npz(path)
        found = {name: _with_opacity(one, name) for name, one in images.items()}
    except (OSError, ValueError, UserError) as error:
        raise UserError(f"{path} is no set of sprites: {error}") from error
    if not found:
        raise UserError(f"{path} holds no images")
    return found


def composited(images: NDArray[np.uint8], ground: int) -> NDArray[np.uint8]:
    """Images uint8 [B, S, S, 4] over a background of one grey, uint8 [B, S, S, 3]."""
    share = images[..., 3:].astype(np.float32) / 255
    return (images[..., :3] * share + ground * (1 - share)).round().astype(np.uint8)


def _with_opacity(image: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    square = image.ndim == 3 and image.shape[0] == image.shape[1] > 0
    if image.dtype != np.uint8 or not square or image.shape[2] not in (3, 4):
        raise ValueError(
            f"{name} is {image.dtype} {list(image.shape)}, and must be uint8 [S, S, 3 or 4]"
        )
    if image.shape[2] == 4:
        return image
    return np.concatenate([image, np.full_like(image[..., :1], 255)], 2)


def _moved(image: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """Shifted; the edge is repeated."""
    side = len(image)
    rows, columns = (np.arange(side) - by for by in (down, right))
    return image[rows.clip(0, side - 1)][:, columns.clip(0, side - 1)]

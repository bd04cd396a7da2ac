"""``mmrl fit tokenizer``: an image tokenizer, from collected episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.data.frames import distinct, patches_of, read_frames
from mmrl.errors import UserError
from mmrl.generative.image.color import ColorTokenizer, build_image_tokenizer, find_factors
from mmrl.generative.image.tokenizer import ImageTokenizer, PatchTokenizer, check_tiling
from mmrl.training import TASKS
from mmrl.training.task import Batch, Evaluation, Task
from mmrl.training.tasks.configs import TokenizerConfig

_SHOWN: Final = 6  # images
_KNOWN: Final = 4_096  # patches that a reconstruction may be taken for
_GAP: Final = 4
_COMPARED: Final = 1_000  # patches, each with each


class TokenizerTask(Task):
    """See :class:`TokenizerConfig`.

    Training examples are the different patches of all images, so that rare ones are not drowned by
    the background.
    """

    name = "tokenizer"
    summary = TASKS["tokenizer"].summary
    Config = TokenizerConfig
    module: PatchTokenizer

    def __init__(
        self, config: TokenizerConfig, train: NDArray[np.uint8], test: NDArray[np.uint8]
    ) -> None:
        """Images uint8 [N, H, W, 3] for training, and for the test."""
        self.config = config
        check_tiling(train.shape[1], train.shape[2], config.patch)
        self.patches, counts = distinct(patches_of(train, config.patch))
        self.module = _tokenizer(config, train.shape[1:3], self.patches)
        self.recipe = self.module.recipe
        self._until = np.cumsum(counts.astype(np.float64) ** (1 - config.rarity))
        self._test, self._times = distinct(patches_of(test, config.patch))
        self._shown = test[np.linspace(0, len(test) - 1, _SHOWN).astype(np.int64)]

    @classmethod
    def prepare(cls, config: TokenizerConfig) -> Self:
        """As :meth:`Task.prepare`."""
        if not 0 <= config.rarity <= 1 or not 0 < config.test_share < 1:
            raise UserError(
                f"rarity={config.rarity}, test_share={config.test_share}: must be from 0 to 1, and "
                "between 0 and 1"
            )
        if config.max_frames < 1 or config.tolerance < 0:
            raise UserError(
                f"max_frames={config.max_frames}, tolerance={config.tolerance}: must be at least "
                "1, and at least 0"
            )
        frames = read_frames(
            config.data, config.test_share, config.max_frames, config.held_out_pairs
        )
        return cls(config, frames.learnt, frames.test)

    @staticmethod
    def build(recipe: dict[str, Any]) -> PatchTokenizer:
        """As :meth:`Task.build`."""
        return build_image_tokenizer(recipe)

    def batch(self, generator: np.random.Generator) -> Batch:
        """Patches, uint8 [B, p, p, 3]."""
        places = generator.random(self.config.batch_size) * self._until[-1]
        chosen = np.searchsorted(self._until, places, side="right")
        return {"patches": _to_torch(self.patches[chosen.clip(max=len(self.patches) - 1)])}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """As :meth:`PatchTokenizer.loss`."""
        return self.module.loss(batch["patches"])

    def evaluate(self) -> Evaluation:
        """Reconstruction of the patches of held-out images.

        ``exact`` is the share with no pixel off by more than the tolerance; ``same`` the share
        whose reconstruction is nearest to themselves among all different patches;
        ``same_distinct`` counts each different patch once.
        """
        made = self._through(self._test)
        off = np.abs(made.astype(np.int16) - self._test).reshape(len(made), -1).max(1)
        same = self._is_nearest(made)
        share = self._times / self._times.sum()
        metrics = {
            "exact": float(share[off <= self.config.tolerance].sum()),
            "same": float(share[same].sum()),
            "same_distinct": float(same.mean()),
            "distinct_patches": float(len(self.patches)),
            "codes_used": float(len(np.unique(self._codes(self.patches)))),
        }
        return Evaluation(metrics, images={"reconstructions": self._beside()})

    def _codes(self, patches: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Int64 [D], of single patches."""
        return self.module.encode_patches(self._on_device(patches)).cpu().numpy()

    def _through(self, patches: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The reconstruction of single patches, uint8 [D, p, p, 3]."""
        ids = self.module.encode_patches(self._on_device(patches))
        return self.module.decode_patches(ids).cpu().numpy()

    def _is_nearest(self, made: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which reconstructions of the test's patches are nearest to those, bool [D]."""
        known = np.concatenate([self._test, self.patches])[: max(_KNOWN, len(self._test))]
        one, other = (torch.from_numpy(x.reshape(len(x), -1)).float() for x in (made, known))
        nearest = torch.cat([torch.cdist(part, other).argmin(1) for part in one.split(_KNOWN)])
        return (self._test == known[nearest.numpy()]).all((1, 2, 3))

    def _beside(self) -> NDArray[np.uint8]:
        """Images above their reconstructions, uint8 [2 · H + gap, W', 3]."""
        images = _to_torch(self._shown).to(next(self.module.parameters()).device)
        made = self.module.decode(self.module.encode(images)).cpu().numpy()
        rows = [np.concatenate(list(one), axis=1) for one in (self._shown, made)]
        gap = np.full((_GAP, rows[0].shape[1], 3), 255, np.uint8)
        return np.concatenate([rows[0], gap, rows[1]])

    def _on_device(self, patches: NDArray[np.uint8]) -> Tensor:
        return _to_torch(patches).to(next(self.module.parameters()).device)


def _tokenizer(
    config: TokenizerConfig, image_size: Sequence[int], patches: NDArray[np.uint8]
) -> PatchTokenizer:
    """A new one.

    Raises:
        UserError: sizes out of range, or too many patches to compare pairwise.
    """
    if not config.colors_apart:
        return ImageTokenizer(
            image_size,
            patch=config.patch,
            levels=config.levels,
            hidden=config.hidden,
            layers=config.layers,
        )
    if len(patches) > _COMPARED:
        raise UserError(
            f"colors_apart=true: there are {len(patches):,} different patches, more than "
            f"{_COMPARED:,}; these images are not made of a few patches of {config.patch} × "
            f"{config.patch} pixels. Without colors_apart they may be any"
        )
    return ColorTokenizer.from_factors(image_size, config.patch, find_factors(patches))


def _to_torch(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images))

"""The captioner: pictures of an agent's last steps → what they have carried out, or of a moment →
what is to be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.encoders.frames import FramesEncoder
from mmrl.encoders.image import build_image_encoder
from mmrl.errors import UserError
from mmrl.generative.generator import TextGenerator
from mmrl.preprocessing.text import WordTokenizer


def build_captioner(
    image_size: Sequence[int],
    words: Sequence[str],
    *,
    frames: int = 2,
    length: int = 32,
    image: str = "small_resnet",
    image_args: dict[str, Any] | None = None,
    precision: str = "fp32",
    named: Sequence[str] = (),
    **decoder: Any,
) -> TextGenerator:
    """A captioner with new weights.

    Args:
        image_size: height and width of the pictures.
        words: of which sentences are made.
        frames: pictures that are looked at together, the newest last.
        length: the longest sentence, in words.
        image, image_args: the encoder of a picture, as in
            :class:`mmrl.building.ModelConfig`; its tokens lie on a grid.
        precision: fp32 or bf16.
        named: words that only what the encoder holds aside says; see
            :class:`mmrl.generative.naming.Naming`.
        decoder: width, layers, heads and dropout of the decoder.

    Raises:
        UserError: an unknown encoder, one whose tokens lie on no grid, or words to be
            named that are not among the words, or of which the encoder holds nothing aside.
    """
    size = (int(image_size[0]), int(image_size[1]))
    try:
        encoder = FramesEncoder(
            build_image_encoder(image, size, pretrained=False, **(image_args or {})), frames
        )
    except ValueError as error:
        raise UserError(f"image={image!r}, image_args={image_args}: {error}") from error
    if named and not encoder.shape.aside:
        raise UserError(f"named={list(named)}: {image} holds no colours aside; luma_chroma does")
    tokenizer = WordTokenizer(words, length + 2)
    try:
        ids = tokenizer.ids(" ".join(named))
    except ValueError as error:
        raise UserError(f"named: {error}") from error
    return TextGenerator(encoder, tokenizer, precision=precision, named=ids, **decoder)


def as_input(pictures: Sequence[NDArray[np.uint8]], generator: TextGenerator) -> Tensor:
    """Pictures for a captioner, uint8 [B, F, 3, H, W]: each F of them are looked at together.

    Args:
        pictures: B · F of them, uint8 [H, W, 3].
        generator: that is to look at them.

    Raises:
        UserError: another number or size than it was fitted for.
    """
    seen = generator.encoder
    assert isinstance(seen, FramesEncoder)
    if not pictures or len(pictures) % seen.frames:
        raise UserError(
            f"{len(pictures)} pictures: this captioner looks at {seen.frames} together, the "
            "newest last"
        )
    wrong = [one.shape for one in pictures if one.shape != (*seen.encoder.image_size, 3)]
    if wrong:
        raise UserError(
            f"a picture of shape {list(wrong[0])}: this captioner was fitted for "
            f"{[*seen.encoder.image_size, 3]}"
        )
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return stacked.unflatten(0, (-1, seen.frames))

"""A generator so small that it learns a few sentences by heart in a second."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mmrl.generative.text.models import TextGenerator
from mmrl.models.encoders.image import small_resnet
from mmrl.models.encoders.image_base import FramesEncoder
from mmrl.preprocessing.text import WordTokenizer

SENTENCES = ["go to the red bell", "pick up a blue kite", "open the drum", "go to the red kite"]


def small_generator(frames: int = 2, seed: int = 0) -> TextGenerator:
    torch.manual_seed(seed)
    tokenizer = WordTokenizer.from_corpus(SENTENCES, length=10)
    encoder = FramesEncoder(small_resnet((16, 16), width=16, patch=4), frames)
    return TextGenerator(encoder, tokenizer, width=32, layers=1, heads=2)


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    return SENTENCES


@pytest.fixture(scope="session")
def make_generator() -> Callable[..., TextGenerator]:
    return small_generator


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """uint8 [4, 2, 16, 16, 3], one for each sentence."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (4, 2, 16, 16, 3), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="session")
def learned(images: torch.Tensor) -> TextGenerator:
    """A captioner of the four images."""
    generator = small_generator()
    optimizer = torch.optim.AdamW(generator.parameters(), lr=3e-3, fused=True)
    for _ in range(150):
        optimizer.zero_grad()
        generator.loss(images, generator.ids(SENTENCES)).backward()
        optimizer.step()
    return generator

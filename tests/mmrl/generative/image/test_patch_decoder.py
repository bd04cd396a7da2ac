"""Patches one after the other: sampling with the cache matches the whole image's probabilities."""

from __future__ import annotations

import pytest
import torch

from mmrl.generative.image.painter import PatchDecoder
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.text import START

PATCHES = 9


@pytest.fixture
def decoder() -> PatchDecoder:
    torch.manual_seed(0)
    made = PatchDecoder(TokensShape(6), 8, PATCHES, width=16, layers=2, heads=2).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)  # far from uniform
    return made


def tokens(count: int = 4) -> Tokens:
    generator = torch.Generator().manual_seed(1)
    mask = torch.ones(count, 5, dtype=torch.bool)
    mask[0, 3:] = False
    return Tokens(torch.randn(count, 5, 6, generator=generator), mask)


def with_neutral(some: Tokens) -> Tokens:
    return Tokens(
        torch.cat([some.values, torch.zeros_like(some.values)]), torch.cat([some.mask, some.mask])
    )


@torch.no_grad()
def test_the_likeliest_patches_are_those_of_the_whole_image(decoder: PatchDecoder) -> None:
    drawn = decoder.draw(with_neutral(tokens()), torch.Generator().manual_seed(0), temperature=1e-4)
    assert drawn.shape == (4, PATCHES)
    assert drawn.min() > START
    given = torch.nn.functional.pad(drawn, (1, 0), value=START)
    logits = decoder._logits(*decoder._memory(tokens()), given)[:, :-1]
    logits[..., : START + 1] = -torch.inf
    assert torch.equal(logits.argmax(2), drawn)


@torch.no_grad()
def test_what_is_drawn_often_is_probable(decoder: PatchDecoder) -> None:
    one = tokens(1)
    many = Tokens(one.values.expand(600, -1, -1), one.mask.expand(600, -1))
    drawn = decoder.draw(with_neutral(many), torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn[:, 0], minlength=8) / 600
    logits = decoder._logits(*decoder._memory(one), torch.tensor([[START]]))[0, 0]
    logits[: START + 1] = -torch.inf
    assert torch.allclose(shares, logits.softmax(0), atol=0.07)


@torch.no_grad()
def test_without_guidance_the_sentence_does_not_matter(decoder: PatchDecoder) -> None:
    both = [
        decoder.draw(with_neutral(some), torch.Generator().manual_seed(0), guidance=0.0)
        for some in (tokens(), Tokens(tokens().values * 3, tokens().mask))
    ]
    assert torch.equal(*both)


def test_every_patch_knows_the_mean_of_the_tokens(decoder: PatchDecoder) -> None:
    for name, weight in decoder.named_parameters():
        if "crossattention" in name:
            weight.data.zero_()  # no other way is left
    ids = torch.tensor([[START, *[4] * PATCHES]])
    one = decoder.log_prob(Tokens(torch.ones(1, 2, 6), torch.ones(1, 2, dtype=torch.bool)), ids)
    other = decoder.log_prob(Tokens(-torch.ones(1, 2, 6), torch.ones(1, 2, dtype=torch.bool)), ids)
    assert not torch.allclose(one, other)


def test_every_patch_knows_what_is_there_already(decoder: PatchDecoder) -> None:
    for name, weight in decoder.named_parameters():
        if "attn" in name or "attention" in name:
            weight.data.zero_()  # no other way is left
    given = torch.tensor([[START, first, 5, 5] for first in (3, 4)])
    logits = decoder._logits(*decoder._memory(tokens(2)), given)
    assert not torch.allclose(logits[0, 3], logits[1, 3])
    again = decoder._logits(*decoder._memory(tokens(2)), torch.tensor([[START, 3, 5, 7]] * 2))
    assert torch.allclose(logits[0, :3], again[0, :3])  # but not what comes


def test_a_temperature_that_cannot_be(decoder: PatchDecoder) -> None:
    with pytest.raises(ValueError, match="temperature=0"):
        decoder.draw(with_neutral(tokens()), torch.Generator(), temperature=0)

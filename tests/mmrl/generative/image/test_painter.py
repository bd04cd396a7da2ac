"""The painter: images match their prompts, depend on the seed alone; unknown words are named."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmrl.data.frames import patches_of
from mmrl.errors import UserError
from mmrl.generative.image.color import ColorTokenizer
from mmrl.generative.image.painter import Painter, build_painter
from mmrl.preprocessing.text import START

SENTENCES = ["red", "blue", "red , blue"]


def small(**changes: object) -> Painter:
    torch.manual_seed(0)
    tokenizer = {"image_size": [8, 12], "patch": 4, "levels": [3, 3], "hidden": 16}
    options = {"length": 8, "text_args": {"width": 16}, "width": 16, "layers": 1, "heads": 2}
    return build_painter(tokenizer, [1, 4, 7], ["red", "blue", ","], **{**options, **changes})


def codes() -> torch.Tensor:
    """An image of each sentence: int64 [3, 6]."""
    return torch.tensor([[1, 4, 4, 4, 4, 7], [4, 4, 4, 4, 7, 1], [7, 7, 1, 4, 1, 7]])


@pytest.fixture(scope="module")
def learned() -> Painter:
    painter = small(width=32)
    weights = [weight for weight in painter.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-2, fused=True)
    ids = torch.cat([painter.read(SENTENCES), painter.read([""] * 3)])
    for _ in range(120):
        optimizer.zero_grad()
        painter.loss(ids, codes().repeat(2, 1)).backward()
        optimizer.step()
    return painter.eval()


def test_it_paints_what_is_asked(learned: Painter) -> None:
    expected = learned.tokenizer.decode(codes()).numpy()
    made = learned.paint(SENTENCES, temperature=0.3)
    assert made.dtype == np.uint8
    assert np.array_equal(made, expected)
    conditional = learned.log_prob(learned.read(SENTENCES), codes())
    unconditional = learned.log_prob(learned.read([""] * 3), codes())
    assert (conditional > unconditional + 0.5).all()


def test_guidance_keeps_to_the_sentence(learned: Painter) -> None:
    wanted = learned.paint(["blue"], temperature=0.3)[0]
    shares = [
        (learned.paint(["blue"] * 64, guidance=guidance) == wanted).all((1, 2, 3)).mean()
        for guidance in (0.0, 3.0)
    ]
    assert shares[0] < 0.7
    assert shares[1] > 0.9


def test_the_seed_decides() -> None:
    painter = small()
    one, two, three = (painter.paint(["red"] * 70, seed=seed) for seed in (1, 1, 2))
    assert one.shape == (70, 8, 12, 3)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, three)


def test_only_its_codes_are_painted() -> None:
    painter = small()
    patches = painter.tokenizer.decode_patches(torch.tensor([1, 4, 7]))
    cut = patches_of(painter.paint([""] * 40), 4)
    assert (torch.from_numpy(cut)[:, None] == patches).all((2, 3, 4)).any(1).all()


def test_the_image_tokenizer_stays_as_it_is() -> None:
    painter = small()
    painter.loss(painter.read(SENTENCES), codes()).backward()
    assert all(weight.grad is None for weight in painter.tokenizer.parameters())
    assert painter.read([""])[0].tolist() == [START] + [0] * 7


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("a green hat", "does not know 'a', 'green', 'hat'; its words are: , blue red"),
        ("red , red , red , red", "has 7 words and marks: this painter reads at most 6"),
    ],
)
def test_strange_sentences_are_refused(sentence: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        small(length=7).paint([sentence])


WORDS = ["red", "green", "blue", "bell", "kite", ","]
COLORS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
BELL, KITE, FLOOR = 0, 3, 6  # and the number of a colour


def coloured() -> Painter:
    """Of 1 × 4 patches with bells and kites in three colours, on a floor."""
    torch.manual_seed(0)
    tokenizer = {"image_size": [4, 16], "patch": 4, "colored": 2, "plain": 1, "colors": 3}
    options = {"length": 8, "text_args": {"width": 32}, "width": 32, "layers": 1, "heads": 2}
    meanings = {"red": 0, "green": 1, "blue": 2}
    painter = build_painter(tokenizer, range(7), WORDS, meanings=meanings, **options)
    images = painter.tokenizer
    assert isinstance(images, ColorTokenizer)
    with torch.no_grad():
        images.covers[0, :8], images.covers[1, 8:] = 1, 0.7
        images.palette.copy_(COLORS)
    return painter


def asked_and_painted(random: np.random.Generator) -> tuple[str, list[int]]:
    """Two things, which are asked for, but never a red kite; they stand anywhere, in any order."""
    things = []
    while len(things) < 2:
        noun, color = random.choice([BELL, KITE]), random.integers(3)
        if (noun, color) != (KITE, 0) and (noun, color) not in things:
            things.append((noun, color))
    row = [FLOOR] * 4
    for place, (noun, color) in zip(random.permutation(4), things, strict=False):
        row[place] = int(noun + color)
    prompts = [f"{WORDS[color]} {'bell' if noun == BELL else 'kite'}" for noun, color in things]
    return ", ".join(prompts), row


def test_pairs_that_were_never_shown_are_painted() -> None:
    painter = coloured()
    weights = [weight for weight in painter.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=6e-3, fused=True)
    random, chance = np.random.default_rng(0), torch.Generator().manual_seed(0)
    for _ in range(120):
        asked, rows = zip(*(asked_and_painted(random) for _ in range(32)), strict=True)
        assert not any("red kite" in one for one in asked)
        optimizer.zero_grad()
        painter.loss(*painter.named(painter.read(asked), torch.tensor(rows), chance)).backward()
        optimizer.step()
    painter.eval()
    for asked_for, there in (("red kite, blue bell", {KITE, BELL + 2}), ("blue kite", {KITE + 2})):
        images = painter.paint([asked_for] * 40, guidance=1.0, temperature=0.5)
        made = torch.from_numpy(images)
        rows = [set(row) for row in painter.tokenizer.encode(made).tolist()]
        assert sum(there <= row for row in rows) > 35


def test_all_colours_are_the_same_to_it() -> None:
    painter = coloured()
    codes = torch.tensor([[KITE, BELL + 2, FLOOR, FLOOR], [KITE + 1, BELL, FLOOR, FLOOR]])
    ids = painter.read(["red kite, blue bell", "green kite, red bell"])
    named = painter.named(ids, codes, torch.Generator().manual_seed(0))
    assert torch.equal(named[0][0], named[0][1])
    assert torch.equal(named[1][0], named[1][1])
    assert not torch.isin(named[0], painter.read(["red green blue"])[0, 1:4]).any()

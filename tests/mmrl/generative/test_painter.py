"""The painter learns which picture a sentence means, draws by its seed, names strange words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmrl.errors import UserError
from mmrl.generative.painter import Painter, build_painter
from mmrl.preprocessing.text import START

SENTENCES = ["red", "blue", "red , blue"]


def small(**changes: object) -> Painter:
    torch.manual_seed(0)
    tokenizer = {"image_size": [8, 12], "patch": 4, "levels": [3, 3], "hidden": 16}
    options = {"length": 8, "text_args": {"width": 16}, "width": 16, "layers": 1, "heads": 2}
    return build_painter(tokenizer, [1, 4, 7], ["red", "blue", ","], **{**options, **changes})


def codes() -> torch.Tensor:
    """A picture of each sentence: int64 [3, 6]."""
    return torch.tensor([[1, 4, 4, 4, 4, 7], [4, 4, 4, 4, 7, 1], [7, 7, 1, 4, 1, 7]])


@pytest.fixture(scope="module")
def learned() -> Painter:
    painter = small(width=32)
    weights = [weight for weight in painter.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-2)
    ids = torch.cat([painter.read(SENTENCES), painter.read([""] * 3)])
    for _ in range(120):
        optimizer.zero_grad()
        painter.loss(ids, codes().repeat(2, 1)).backward()
        optimizer.step()
    return painter.eval()


def test_it_paints_what_is_asked(learned: Painter) -> None:
    expected = learned.tokenizer.decode(codes()).permute(0, 2, 3, 1).numpy()
    made = learned.paint(SENTENCES, temperature=0.3)
    assert made.dtype == np.uint8
    assert np.array_equal(made, expected)
    told = learned.log_prob(learned.read(SENTENCES), codes())
    not_told = learned.log_prob(learned.read([""] * 3), codes())
    assert (told > not_told + 0.5).all()


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
    made = torch.from_numpy(painter.paint([""] * 40)).permute(0, 3, 1, 2)
    patches = painter.tokenizer.decode_patches(torch.tensor([1, 4, 7]))
    cut = made.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, 4, 4)
    assert (cut[:, None] == patches).all((2, 3, 4)).any(1).all()


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

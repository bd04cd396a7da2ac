"""Colours are anonymised: named by the order in which a sentence mentions them."""

from __future__ import annotations

import torch

from mmrl.generative.image.color import ColorNames

RED, BLUE, GREEN, BELL, AND = 3, 4, 5, 6, 7
MEANINGS = {RED: 2, BLUE: 0, GREEN: 3}  # nobody names colour 1


def names() -> ColorNames:
    return ColorNames(list(MEANINGS), list(MEANINGS.values()), 4, 8)


def drawn(sentence: list[int], count: int = 1) -> torch.Tensor:
    sentences = torch.tensor([sentence] * count, dtype=torch.int32)
    return names().draw(sentences, torch.Generator().manual_seed(0))


def test_the_first_colour_is_called_first() -> None:
    called = drawn([2, GREEN, BELL, AND, RED, BELL, AND, GREEN], 40)
    assert (called.sort(1).values == torch.arange(4)).all()
    assert (called[:, MEANINGS[GREEN]] == 0).all()
    assert (called[:, MEANINGS[RED]] == 1).all()
    assert set(called[:, 1].tolist()) == {2, 3}


def test_colours_that_are_not_mentioned_get_random_names() -> None:
    called = drawn([2, BELL, 0, 0], 400)
    shares = torch.stack([(called == name).float().mean(0) for name in range(4)])
    assert (shares - 0.25).abs().max() < 0.08


def test_sentences_that_differ_by_colours_alone_become_the_same() -> None:
    sentences = torch.tensor(
        [
            [2, one, BELL, AND, other, BELL, AND, one, 0]
            for one, other in ((RED, BLUE), (BLUE, GREEN))
        ],
        dtype=torch.int32,
    )
    called = names().draw(sentences, torch.Generator().manual_seed(0))
    renamed = names().renamed(sentences, called)
    assert renamed.tolist() == [[2, 8, BELL, AND, 9, BELL, AND, 8, 0]] * 2
    assert renamed.dtype == torch.int32

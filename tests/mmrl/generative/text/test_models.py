"""Images → sentences, and back from a file."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mmrl.experiment.checkpoint import put_weights, weights_of
from mmrl.generative.text.models import TextGenerator


def test_it_learns_captions(learned: TextGenerator, images: torch.Tensor, sentences: list[str]):
    for how in ("greedy", "beam"):
        generated = learned.generate(images, how=how)
        assert [one.sentence for one in generated] == sentences
        assert all(0.5 < one.probability <= 1 for one in generated)
    assert learned.training  # as it was


def test_the_order_of_the_frames_matters(
    learned: TextGenerator, images: torch.Tensor, sentences: list[str]
):
    forwards = learned.probabilities(images, sentences)
    backwards = learned.probabilities(images.flip(1), sentences)
    assert (forwards > backwards).all()


def test_probabilities_of_others_are_small(
    learned: TextGenerator, images: torch.Tensor, sentences: list[str]
):
    wrong = [*sentences[1:], sentences[0]]
    assert (learned.probabilities(images, wrong) < 0.1).all()


def test_decoding_is_constrained_to_other_sentences(learned: TextGenerator, images: torch.Tensor):
    generated = learned.generate(
        images, allowed=learned.one_of(["open the red bell", "go to a kite"])
    )
    assert {one.sentence for one in generated} <= {"open the red bell", "go to a kite"}
    with pytest.raises(ValueError, match="unknown words in 'paint the wall': paint, wall"):
        learned.one_of(["paint the wall"])


def test_the_same_again_from_its_weights(
    learned: TextGenerator, images: torch.Tensor, make_generator: Callable[..., TextGenerator]
):
    other = make_generator(seed=5)
    put_weights(other, weights_of(learned))
    assert other.generate(images) == learned.generate(images)


def test_bf16_generates_the_same(
    learned: TextGenerator,
    images: torch.Tensor,
    sentences: list[str],
    make_generator: Callable[..., TextGenerator],
):
    other = make_generator()
    put_weights(other, weights_of(learned))
    other.precision = "bf16"
    assert [one.sentence for one in other.generate(images)] == sentences


def test_the_wrong_number_of_frames_is_refused(learned: TextGenerator, images: torch.Tensor):
    with pytest.raises(ValueError, match=r"2 frames are needed, got \[4, 1, 16"):
        learned.generate(images[:, :1])


def test_any_number_of_inputs(learned: TextGenerator, images: torch.Tensor, sentences: list[str]):
    generated = learned.generate(images.repeat(50, 1, 1, 1, 1))
    assert [one.sentence for one in generated] == sentences * 50

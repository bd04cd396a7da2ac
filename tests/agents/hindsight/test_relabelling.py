"""Who says what was done: only what is true, or likely, and in words that were heard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mmrl.generative.text.models import TextGenerator
from mmrl.models.encoders.image import FramesEncoder, small_resnet
from mmrl.preprocessing.text import WordTokenizer
from mmrl_agents.hindsight.captioner import LearnedCaptioner
from mmrl_agents.hindsight.relabelling import Ending, Oracle
from mmrl_envs.grid.language.grid_language import GridLanguage

COLORS = ["red", "green", "blue"]
TOKENIZER = WordTokenizer(["pick", "up", "the", "a", *COLORS], 8)


def ending(color: str, *, told: str | None = None, success: bool = False, **more: Any) -> Ending:
    """The end of an episode in which something of a colour was picked up: all is of that colour."""
    images = np.zeros((2, 3, 8, 8), np.uint8)
    images[1, COLORS.index(color)] = 200
    return Ending(
        images,
        TOKENIZER.encode(f"pick up the {told or color}"),
        success=success,
        cut=more.get("cut", False),
        reward=float(success),
        achieved=more.get("achieved", (f"pick up the {color}", f"pick up a {color}")),
    )


def test_the_oracle_says_what_was_achieved_in_words_that_were_heard():
    oracle = Oracle(TOKENIZER)
    assert oracle.label([ending("red")]) == [""]  # nothing was heard
    oracle.learn([ending("green", told="red"), ending("green", told="green")])
    assert oracle.label([ending("red"), ending("green"), ending("blue")]) == [
        "pick up the red", "pick up the green", "",
    ]  # fmt: skip
    assert oracle.label([ending("red", achieved=())]) == [""]


def test_the_oracle_chooses_by_chance_and_goes_on_choosing_so():
    one = Oracle(TOKENIZER, seed=3)
    sentences = ("pick up the red", "pick up a red")
    one.learn([ending("red")])
    one._heard.sentences.update(sentences)
    said = one.label([ending("red")] * 50)
    assert set(said) == set(sentences)
    other = Oracle(TOKENIZER)
    other.set_state(one.get_state())
    assert one.label([ending("red")] * 20) == other.label([ending("red")] * 20)


def test_the_verifier_does_not_look_at_articles():
    language = GridLanguage()
    one = ending("red", achieved=("pick up the red",))
    assert one.has_achieved("pick up a red", language)
    assert not one.has_achieved("pick up a blue", language)
    assert not one.has_achieved("pick up a red")  # without a language: not the same sentence
    assert not ending("red", achieved=None).has_achieved("pick up a red", language)


class Quick(LearnedCaptioner):
    first, first_steps, steps = 48, 60, 60


@pytest.fixture(scope="module")
def learned() -> LearnedCaptioner:
    """One that has seen some successes."""
    captioner = make(seed=0)
    generator = np.random.default_rng(0)
    for _ in range(25):
        colors = generator.choice(COLORS, size=4)
        captioner.learn([ending(color, success=True) for color in colors])
    return captioner


def make(seed: int) -> LearnedCaptioner:
    torch.manual_seed(seed)
    encoder = FramesEncoder(small_resnet((8, 8), width=16, patch=4), 2)
    generator = TextGenerator(encoder, TOKENIZER, width=32, layers=1, heads=2)
    return Quick(generator, TOKENIZER, seed)


def test_it_learns_from_successes_and_names_failures(learned: LearnedCaptioner):
    torch.manual_seed(0)
    failed = [ending(color, told="red") for color in COLORS * 5]
    said = learned.label(failed)
    right = [one.has_achieved(sentence) for one, sentence in zip(failed, said, strict=True)]
    assert np.mean(right) > 0.9
    assert learned.figures()["captioner_examples"] == 100


def test_it_says_nothing_before_it_has_learnt_nor_of_what_was_cut(learned: LearnedCaptioner):
    new = make(seed=1)
    new.learn([ending("red", success=True)] * 10 + [ending("red")] * 100)
    assert new.label([ending("red")]) == [""]
    assert new.rounds == 0
    assert learned.rounds
    assert new.figures()["captioner_examples"] == 10
    assert learned.label([ending("red", cut=True)]) == [""]


def test_it_goes_on_as_it_would_have(learned: LearnedCaptioner):
    other = make(seed=9)
    other.set_state(learned.get_state())
    more = [ending(color, success=True) for color in ["red", "blue"] * 30]
    for captioner in (learned, other):
        captioner.learn(more)
    failed = [ending(color) for color in COLORS]
    labels = []
    for captioner in (learned, other):
        torch.manual_seed(4)
        labels.append(captioner.label(failed))
    assert labels[0] == labels[1]
    pairs = zip(learned.generator.parameters(), other.generator.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)

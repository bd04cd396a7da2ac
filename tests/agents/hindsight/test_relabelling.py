"""Relabellers: labels are true, or likely, and among the instructions that were given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mmrl.generative.text.models import TextGenerator
from mmrl.models.encoders.image import small_resnet
from mmrl.models.encoders.image_base import FramesEncoder
from mmrl.preprocessing.text import WordTokenizer
from mmrl_agents.hindsight.captioner import LearnedCaptioner
from mmrl_agents.hindsight.relabelling import FinalStep, Oracle
from mmrl_envs.grid.language.grid_language import GridLanguage

COLORS = ["red", "green", "blue"]
TOKENIZER = WordTokenizer(["pick", "up", "the", "a", *COLORS], 8)


def final_step(
    color: str, *, asked: str | None = None, success: bool = False, **more: Any
) -> FinalStep:
    """The end of an episode in which something of a colour was picked up: all is of that colour."""
    images = np.zeros((2, 8, 8, 3), np.uint8)
    images[1, ..., COLORS.index(color)] = 200
    return FinalStep(
        images,
        TOKENIZER.encode(f"pick up the {asked or color}"),
        success=success,
        truncated=more.get("truncated", False),
        reward=float(success),
        achieved=more.get("achieved", (f"pick up the {color}", f"pick up a {color}")),
    )


def test_the_oracle_gives_achieved_instructions_among_those_given_before():
    oracle = Oracle(TOKENIZER)
    assert oracle.label([final_step("red")]) == [""]  # nothing was given
    oracle.learn([final_step("green", asked="red"), final_step("green", asked="green")])
    assert oracle.label([final_step("red"), final_step("green"), final_step("blue")]) == [
        "pick up the red", "pick up the green", "",
    ]  # fmt: skip
    assert oracle.label([final_step("red", achieved=())]) == [""]


def test_the_oracle_chooses_at_random_and_resumes_exactly():
    one = Oracle(TOKENIZER, seed=3)
    sentences = ("pick up the red", "pick up a red")
    one.learn([final_step("red")])
    one._given.sentences.update(sentences)
    labels = one.label([final_step("red")] * 50)
    assert set(labels) == set(sentences)
    other = Oracle(TOKENIZER)
    other.set_state(one.get_state())
    assert one.label([final_step("red")] * 20) == other.label([final_step("red")] * 20)


def test_the_verifier_does_not_look_at_articles():
    language = GridLanguage()
    one = final_step("red", achieved=("pick up the red",))
    assert one.has_achieved("pick up a red", language)
    assert not one.has_achieved("pick up a blue", language)
    assert not one.has_achieved("pick up a red")  # without a language: not the same sentence
    assert not final_step("red", achieved=None).has_achieved("pick up a red", language)


class Quick(LearnedCaptioner):
    first, first_steps, steps = 48, 60, 60


@pytest.fixture(scope="module")
def learned() -> LearnedCaptioner:
    """One that has seen some successes."""
    captioner = make(seed=0)
    generator = np.random.default_rng(0)
    for _ in range(25):
        colors = generator.choice(COLORS, size=4)
        captioner.learn([final_step(color, success=True) for color in colors])
    return captioner


def make(seed: int) -> LearnedCaptioner:
    torch.manual_seed(seed)
    encoder = FramesEncoder(small_resnet((8, 8), width=16, patch=4), 2)
    generator = TextGenerator(encoder, TOKENIZER, width=32, layers=1, heads=2)
    return Quick(generator, TOKENIZER, seed)


def test_it_learns_from_successes_and_names_failures(learned: LearnedCaptioner):
    torch.manual_seed(0)
    failed = [final_step(color, asked="red") for color in COLORS * 5]
    labels = learned.label(failed)
    right = [one.has_achieved(sentence) for one, sentence in zip(failed, labels, strict=True)]
    assert np.mean(right) > 0.9
    assert learned.metrics()["captioner_examples"] == 100


def test_no_label_before_it_is_trained_nor_of_truncated_episodes(learned: LearnedCaptioner):
    new = make(seed=1)
    new.learn([final_step("red", success=True)] * 10 + [final_step("red")] * 100)
    assert new.label([final_step("red")]) == [""]
    assert new.rounds == 0
    assert learned.rounds
    assert new.metrics()["captioner_examples"] == 10
    assert learned.label([final_step("red", truncated=True)]) == [""]


def test_it_resumes_exactly(learned: LearnedCaptioner):
    other = make(seed=9)
    other.set_state(learned.get_state())
    more = [final_step(color, success=True) for color in ["red", "blue"] * 30]
    for captioner in (learned, other):
        captioner.learn(more)
    failed = [final_step(color) for color in COLORS]
    labels = []
    for captioner in (learned, other):
        torch.manual_seed(4)
        labels.append(captioner.label(failed))
    assert labels[0] == labels[1]
    pairs = zip(learned.generator.parameters(), other.generator.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)

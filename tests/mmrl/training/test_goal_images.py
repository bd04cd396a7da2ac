"""Images of goals: what is asked for, that it is painted once and always alike, and by whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from worlds.shapes import Touch

from mmrl.contract import GOAL, INSTRUCTION
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import Checkpoint, weights_of
from mmrl.experiment.run import Run
from mmrl.generative.image.painter import Painter, build_painter
from mmrl.models.config import ModelConfig
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.preprocessing.text import WordTokenizer, split_words
from mmrl.training.goal_images import load_goals, with_goals

SPACE = spaces.Dict({**Touch.observation_space, "image": spaces.Box(0, 255, (56, 56, 3), np.uint8)})
KNOWN = ["the cursor on a small teal star", "the cursor on a large violet arch"]
ASKED = ["touch the small teal star", "touch the large violet arch", "tap the small teal star"]
WORDS = [*{word for one in KNOWN for word in split_words(one)}, "hexagon"]
LANGUAGE = "worlds.shapes:ShapeLanguage"
"""That of the painter's prompts."""


def make_run(path: Path, seed: int = 0, side: int = 56, language: str | None = LANGUAGE) -> Path:
    """A run folder of 'mmrl fit painter', of one that has begun to tell two prompts apart."""
    named = {} if language is None else {"language": language}
    recipe: dict[str, Any] = {
        "tokenizer": {"image_size": [side, side], "patch": 14, "levels": [3, 3], "hidden": 16},
        "codes": [0, 2, 4, 7], "words": WORDS, "length": 32,
        "text_args": {"width": 16}, "width": 16, "layers": 1, "heads": 2,
    }  # fmt: skip
    torch.manual_seed(seed)
    painter = build_painter(**recipe)
    weights = [weight for weight in painter.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-2, fused=True)
    codes = torch.tensor([[0] * 16, [7] * 16])
    for _ in range(20):
        optimizer.zero_grad()
        painter.loss(painter.read(KNOWN), codes).backward()
        optimizer.step()
    run = Run.create(path, {"task": "painter"})
    state = {"task": "painter", "recipe": {**named, **recipe}}
    run.save_checkpoint(Checkpoint(1, weights_of(painter), state))
    return path


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "painter")


def test_a_goal_is_painted_once_and_always_alike(
    painter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    paint = Painter.paint

    def counting(self: Painter, sentences: list[str], **more: Any) -> Any:
        asked.append(sentences)
        return paint(self, sentences, **more)

    monkeypatch.setattr(Painter, "paint", counting)
    goals = load_goals(painter, (56, 56))
    random = torch.get_rng_state()
    images = [goals.encode(one) for one in ASKED]
    assert torch.equal(torch.get_rng_state(), random)
    assert asked == [[one] for one in KNOWN]
    assert all(goals.space.contains(one) for one in images)
    assert images[0] is images[2]
    assert not np.array_equal(images[0], images[1])
    with pytest.raises(ValueError, match="read-only"):
        images[0][:] = 0
    again = load_goals(painter, (56, 56))
    for one, image in zip(ASKED[::-1], images[::-1], strict=True):
        assert np.array_equal(again.encode(one), image)


def test_the_longest_known_images_are_forgotten(
    painter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmrl.training.goal_images._REMEMBERED", 2)
    goals = load_goals(painter, (56, 56))
    first = goals.encode("touch the small star")
    for form in ("arch", "hexagon"):
        goals.encode(f"touch the small {form}")
    second = goals.encode("touch the small star")
    assert second is not first
    assert np.array_equal(second, first)


def test_preprocessing_shows_the_goal_of_what_it_is_told(painter: Path) -> None:
    tokenizer, space = WordTokenizer(["touch", "the", "small", "star"]), SPACE
    plain = Preprocessing(tokenizer)
    assert with_goals(plain, ModelConfig(), space) is plain
    shown = with_goals(plain, ModelConfig(goal_image=str(painter)), space)
    assert shown.goals is not None
    encoded = shown.encode({INSTRUCTION: ("touch the small star", "touch the small arch")}, 1)
    assert set(encoded) == set(shown.spaces) == {INSTRUCTION, GOAL}
    assert np.array_equal(encoded[GOAL], shown.goals.encode("touch the small arch"))
    shown.check(shown.fingerprints)


def test_another_painter_is_told_from_it(painter: Path, tmp_path: Path) -> None:
    same, other = make_run(tmp_path / "same"), make_run(tmp_path / "other", seed=1)
    tokenizer = WordTokenizer(["go"])
    marks = [
        Preprocessing(tokenizer, goals=load_goals(path, (56, 56)))
        for path in (painter, same, other)
    ]
    marks[1].check(marks[0].fingerprints)
    with pytest.raises(UserError, match=r"another preprocessing of 'goal'.*Restore its painter"):
        marks[2].check(marks[0].fingerprints)


def test_what_cannot_be_is_said(painter: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no painter in .*none; 'mmrl fit painter --out .*none"):
        load_goals(tmp_path / "none", (56, 56))
    Run.create(tmp_path / "sprites", {"task": "sprites"})
    with pytest.raises(UserError, match="fitted for sprites, not for painter: 'mmrl fit painter'"):
        load_goals(tmp_path / "sprites", (56, 56))
    with pytest.raises(UserError, match="paints 56 × 56 pixels, and .* frames have 64 × 48"):
        load_goals(painter, (64, 48))
    with pytest.raises(UserError, match="goal of 'tap the cat' cannot .* does not know 'cat'"):
        load_goals(painter, (56, 56)).encode("tap the cat")


@pytest.mark.parametrize(
    ("named", "env_id", "prompt"),
    [
        (LANGUAGE, "", "the cursor on a star"),
        ("", "shapes/Touch-v0", "touch the star"),
        (None, "shapes/Touch-v0", "the cursor on a star"),  # a painter of an earlier version
        (None, "", "touch the star"),
    ],
)
def test_the_painters_language_is_prompted_in(
    tmp_path: Path, named: str | None, env_id: str, prompt: str
) -> None:
    goals = load_goals(make_run(tmp_path / "run", language=named), (56, 56), env_id)
    assert goals._language.goal_prompt("touch the star") == prompt


def test_a_goal_of_another_world_remains_as_it_is(tmp_path: Path) -> None:
    goals = load_goals(make_run(tmp_path / "run", language=""), (56, 56))
    sentence = "open the top drawer"
    assert goals._language.goal_prompt(sentence) == sentence
    with pytest.raises(UserError, match="goal of 'open the top drawer' cannot be painted"):
        goals.encode(sentence)

"""Images of goals: what is asked for, that it is painted once and always alike, and by whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmrl.contract import GOAL, INSTRUCTION
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import Checkpoint, weights_of
from mmrl.experiment.run import Run
from mmrl.generative.image.painter import Painter, build_painter
from mmrl.models.config import ModelConfig
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.preprocessing.text import WordTokenizer, split_words
from mmrl.training.goal_images import load_goals, request_of, with_goals
from mmrl_envs.grid.spaces import observation_space

KNOWN = ["a red ball in front of the agent", "an open door in front of the agent"]
WORDS = [*{word for one in KNOWN for word in split_words(one)}, "key"]


def make_run(path: Path, seed: int = 0, side: int = 56) -> Path:
    """A run folder of 'mmrl fit painter', of one that has begun to tell two requests apart."""
    recipe: dict[str, Any] = {
        "tokenizer": {"image_size": [side, side], "patch": 14, "levels": [3, 3], "hidden": 16},
        "codes": [0, 2, 4, 7], "words": WORDS, "length": 32,
        "text_args": {"width": 16}, "width": 16, "layers": 1, "heads": 2,
    }  # fmt: skip
    torch.manual_seed(seed)
    painter = build_painter(**recipe)
    weights = [weight for weight in painter.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-2)
    codes = torch.tensor([[0] * 16, [7] * 16])
    for _ in range(20):
        optimizer.zero_grad()
        painter.loss(painter.read(KNOWN), codes).backward()
        optimizer.step()
    run = Run.create(path, {"task": "painter"})
    state = {"task": "painter", "recipe": recipe}
    run.save_checkpoint(Checkpoint(1, weights_of(painter), state))
    return path


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "painter")


@pytest.mark.parametrize(
    ("instruction", "request_"),
    [
        ("go to the red ball", "a red ball in front of the agent"),
        ("go to a ball on your left", "a ball in front of the agent"),
        ("go to an object behind you", "an object in front of the agent"),
        ("pick up the grey key in front of you", "a grey key in the agent's hands"),
        ("open the door", "an open door in front of the agent"),
        ("open a purple door on your right", "an open purple door in front of the agent"),
        ("put the red ball next to a box", "a red ball, a box"),
        (
            "pick up the key, then open the blue door",
            "an open blue door in front of the agent, a key in the agent's hands",
        ),
        (
            "open the red door after you pick up the key",
            "an open red door in front of the agent, a key in the agent's hands",
        ),
        ("go to the ball and go to the key", "a key in front of the agent, a ball"),
        ("go to the ball and go to the ball", "a ball in front of the agent, a ball"),
        (
            "go to a box and put a ball next to the key, then put the box next to a door",
            "a box, a door, a ball",
        ),
        ("close the fridge", "close the fridge"),
        ("走到那个红色的球", "走到那个红色的球"),
    ],
)
def test_what_a_painter_is_asked_for(instruction: str, request_: str) -> None:
    assert request_of(instruction) == request_


def test_every_instruction_of_the_grid_worlds_is_understood() -> None:
    from mmrl_envs.grid.vector_env import GridVectorEnv

    envs = GridVectorEnv(300, "BossLevel")
    sentences = envs.reset(seed=0)[0]["instruction"]
    assert len(set(sentences)) > 250
    for sentence in sentences:
        asked = request_of(sentence)
        assert asked != sentence
        assert 1 <= len(asked.split(", ")) <= 3
        assert all(one.startswith(("a ", "an ")) for one in asked.split(", "))
        assert asked.count("in front of the agent") <= 1
        assert asked.count("in the agent's hands") <= 1
        assert "you" not in asked


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
    told = ["go to the red ball", "open the door", "go to the red ball on your left"]
    random = torch.get_rng_state()
    images = [goals.encode(one) for one in told]
    assert torch.equal(torch.get_rng_state(), random)
    assert asked == [[one] for one in KNOWN]
    assert all(goals.space.contains(one) for one in images)
    assert images[0] is images[2]
    assert not np.array_equal(images[0], images[1])
    with pytest.raises(ValueError, match="read-only"):
        images[0][:] = 0
    again = load_goals(painter, (56, 56))
    for one, image in zip(told[::-1], images[::-1], strict=True):
        assert np.array_equal(again.encode(one), image)


def test_the_longest_known_images_are_forgotten(
    painter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmrl.training.goal_images._REMEMBERED", 2)
    goals = load_goals(painter, (56, 56))
    first = goals.encode("go to the ball")
    for thing in ("key", "door"):
        goals.encode(f"go to the {thing}")
    second = goals.encode("go to the ball")
    assert second is not first
    assert np.array_equal(second, first)


def test_preprocessing_shows_the_goal_of_what_it_is_told(painter: Path) -> None:
    tokenizer, space = WordTokenizer(["go", "to", "the", "ball"]), observation_space((56, 56, 3))
    plain = Preprocessing(tokenizer)
    assert with_goals(plain, ModelConfig(), space) is plain
    shown = with_goals(plain, ModelConfig(goal_image=str(painter)), space)
    assert shown.goals is not None
    encoded = shown.encode({INSTRUCTION: ("go to the ball", "go to the key")}, 1)
    assert set(encoded) == set(shown.spaces) == {INSTRUCTION, GOAL}
    assert np.array_equal(encoded[GOAL], shown.goals.encode("go to the key"))
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
    with pytest.raises(UserError, match="goal of 'go to the box' cannot .* does not know 'box'"):
        load_goals(painter, (56, 56)).encode("go to the box")

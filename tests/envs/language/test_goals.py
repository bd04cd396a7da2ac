"""Prompts for the goals of instructions."""

from __future__ import annotations

import pytest

from mmrl_envs.grid.language.goals import goal_prompt
from mmrl_envs.grid.vector_env import GridVectorEnv


@pytest.mark.parametrize(
    ("instruction", "prompt"),
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
        ("open the top drawer", "open the top drawer"),
        ("走到那个红色的球", "走到那个红色的球"),
    ],
)
def test_what_a_painter_is_asked_for(instruction: str, prompt: str) -> None:
    assert goal_prompt(instruction) == prompt


def test_every_instruction_of_the_grid_worlds_is_understood() -> None:
    envs = GridVectorEnv(300, "BossLevel")
    sentences = envs.reset(seed=0)[0]["instruction"]
    assert len(set(sentences)) > 250
    for sentence in sentences:
        asked = goal_prompt(sentence)
        assert asked != sentence
        assert 1 <= len(asked.split(", ")) <= 3
        assert all(one.startswith(("a ", "an ")) for one in asked.split(", "))
        assert asked.count("in front of the agent") <= 1
        assert asked.count("in the agent's hands") <= 1
        assert "you" not in asked

"""The language that the grid worlds name."""

from __future__ import annotations

import gymnasium as gym
import pytest

import mmrl_envs
from mmrl.language import InstructionLanguage, find_language, language_path
from mmrl_envs.grid.language.grid_language import GridLanguage


@pytest.mark.parametrize("language", ["en", "zh"])
def test_environments_and_batches_name_it(language: str) -> None:
    env_id = f"{mmrl_envs.NAMESPACE}/GoToLocal-v0"
    env = gym.make(env_id, language=language)
    batch = gym.make_vec(env_id, 2, language=language)
    found = [find_language(one) for one in (env, batch, env_id)]
    assert all(isinstance(one, GridLanguage) for one in found)
    assert len(set(map(id, found))) == 1
    env.close()
    batch.close()


def test_it_has_all_that_a_language_has() -> None:
    language: InstructionLanguage = GridLanguage()
    assert language_path(language).endswith("grid_language:GridLanguage")
    sentence = "the agent faces a red ball, sees a blue key 2 ahead"
    assert language.phrases(sentence) == ("faces a red ball", "sees a blue key 2 ahead")
    assert language.query(sentence, language.phrases(sentence)) == sentence
    assert language.generalized("sees a blue key 2 ahead") == "sees a blue key"
    assert language.layout(sentence) == ("faces", "sees 2 ahead")
    assert language.goal_prompt("go to the red ball") == "a red ball in front of the agent"
    assert language.satisfied("a blue key, a box", sentence) == (True, False)
    assert language.kind("go to the ball, then open a door") == "go to, then open"
    assert language.is_held_out("go to a blue ball") != language.is_held_out("go to a red ball")

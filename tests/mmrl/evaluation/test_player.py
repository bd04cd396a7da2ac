"""An episode is played as evaluation plays it, and recorded with all there is to see."""

import gymnasium as gym
import numpy as np
import pytest

from mmrl.agent import ActorWrapper, PolicyOutputs
from mmrl.evaluation.player import EpisodePlayer, action_list
from mmrl.language import kind_of
from mmrl.wrappers.adapters import make_env

SEED = 3  # of an episode that asks for the right side


class Explained:
    """An actor that presses left, and says what it computed."""

    def act(self, observation, *, deterministic):
        return np.zeros(len(observation["image"]), np.int64)

    def policy_outputs(self, observation):
        rows = len(observation["image"])
        shares = np.tile([0.75, 0.25], (rows, 1))
        weights = np.tile([0.1, 0.2, 0.7], (rows, 1))
        words = [sentence.split() for sentence in observation["instruction"]]
        numbers = {"probabilities": shares, "attention_words": weights}
        return PolicyOutputs(numbers, words, ["image", "instruction"])


def test_all_there_is_to_see(signals):
    record = EpisodePlayer(signals, {"limit": 3}).play(Explained(), seed=SEED, checkpoint=640)
    env = make_env(signals, limit=3)
    observation, _ = env.reset(seed=SEED)
    assert record.instructions == [observation["instruction"]] * 4 == ["press the right"] * 4
    assert record.success is False
    assert record.rewards == [0, 0, 0]
    assert record.actions.tolist() == [0, 0, 0]
    assert record.frames["image"][:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert record.frames["scene"].shape == (4, 24, 24, 3)
    assert [info["steps"] for info in record.infos] == [1, 2, 3]
    assert record.numbers["probabilities"].tolist() == [[0.75, 0.25]] * 3
    assert record.about == {
        "actions": ["0", "1"], "words": ["press", "the", "right"],
        "modalities": ["image", "instruction"],
    }  # fmt: skip
    assert (record.env, record.env_args) == (signals, {"limit": 3})
    assert (record.seed, record.checkpoint, record.source) == (SEED, 640, "evaluation")
    assert record.instruction_kind == ""  # its language is not known


def test_wrapped_actors_are_explained_by_what_they_see(signals):
    class Swapped(ActorWrapper):
        def change(self, observation):
            return {**observation, "instruction": ["say a word"] * len(observation["image"])}

    record = EpisodePlayer(signals).play(Swapped(Explained()), seed=SEED)
    assert record.about["words"] == ["say", "a", "word"]
    assert record.instructions[0] == "press the right"


def test_kinds_of_instructions(shapes):
    env = make_env(shapes)
    observation, _ = env.reset(seed=0)
    assert kind_of(env.metadata, observation["instruction"])
    assert kind_of(env.metadata, "") == kind_of(None, "press the left") == ""


def test_episodes_are_cut(screen, scripted):
    player = EpisodePlayer(screen, {"limit": 10**9}, max_episode_steps=5)
    with pytest.warns(UserWarning, match="did not end within 5 steps"):
        record = player.play(scripted(lambda *_: 0), seed=0)
    assert len(record.rewards) == 5
    assert record.success is False


def test_names_of_all_actions():
    env = gym.make("CartPole-v1")
    assert action_list(env) == ["0", "1"]
    env.metadata = {**env.metadata, "actions": ["push left", "push right"]}
    assert action_list(env) == ["push left", "push right"]
    assert action_list(gym.make("Pendulum-v1")) == []


def test_one_environment_plays_all_episodes(screen, scripted):
    with EpisodePlayer(screen) as player:
        first, again = (player.play(scripted(lambda *_: 0), seed=seed) for seed in (0, 0))
        (env,) = player._envs.values()
        player.play(scripted(lambda *_: 0), seed=1)
        assert list(player._envs.values()) == [env]
        with pytest.raises(ZeroDivisionError):
            player.play(scripted(lambda *_: 1 // 0), seed=0)
        assert not player._envs  # one that failed is made anew
    assert np.array_equal(first.frames["image"], again.frames["image"])

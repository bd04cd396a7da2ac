"""Behaviour cloning of datasets that Minari's own collector has recorded."""

import importlib
import warnings
from dataclasses import asdict, replace

import gymnasium as gym
import numpy as np
import pytest

from mmrl.data import open_dataset
from mmrl.data.replayed_env import AdaptedEpisodes
from mmrl.evaluation.episodes import play_episodes
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl.wrappers.adapters import make_env
from mmrl_agents.configs import BCConfig
from mmrl_agents.imitation.bc import BCAgent

minari = pytest.importorskip("minari")
EpisodeBuffer = importlib.import_module("minari.data_collector").EpisodeBuffer
importlib.import_module("worlds.levers")
importlib.import_module("worlds.dials")
LEVER, DIAL = "levers/Lever-v0", "dials/Dial-v0"


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Records 40 episodes of an environment's expert as Minari writes them; their id."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))

    def record(env_id, name):
        env = gym.make(env_id)
        buffers = [episode(env, seed) for seed in range(40)]
        with warnings.catch_warnings():  # that nobody is named as author, and so on
            warnings.simplefilter("ignore", UserWarning)
            minari.create_dataset_from_buffers(name, buffers, env=env)
        return name

    def episode(env, seed):
        seen, actions, rewards, ends = [env.reset(seed=seed)[0]], [], [], []
        while not any(ends):
            actions.append(env.unwrapped.expert_action())
            observation, reward, terminated, _, _ = env.step(actions[-1])
            seen.append(observation)
            rewards.append(reward)
            ends.append(terminated)
        nothing = [False] * len(ends)
        return EpisodeBuffer(seed, seed, None, stacked(seen), np.array(actions), rewards, ends,
                             nothing, {})  # fmt: skip

    def stacked(seen):
        if isinstance(seen[0], dict):
            return {key: stacked([one[key] for one in seen]) for key in seen[0]}
        return seen if isinstance(seen[0], str) else np.stack(seen)

    return record


@pytest.mark.parametrize("env_id", [LEVER, DIAL])
def test_they_are_adapted_as_the_environment(env_id, recorded, tiny, tmp_path):
    name = recorded(env_id, "test/expert-v0")
    hyper = BCConfig(
        data=[name], demonstrations=0, batch_size=64, learning_rate=0.01, successful_only=False
    )
    model = replace(tiny, fusion="film" if env_id == LEVER else "concat", image_args={"width": 8})
    config = TrainConfig(
        env=env_id, out=str(tmp_path / "run"), agent="bc", device="cpu", steps=150, model=model
    )
    run = Run.create(tmp_path / "run", {**asdict(config), "bc": asdict(hyper)})
    actor = BCAgent.train(config, hyper, run)
    played = play_episodes(actor, env_id, 40, deterministic=True)
    if env_id == LEVER:
        assert played.success.mean() > 0.9
    else:
        assert played.returns.mean() > -3.0  # of three steps; random actions get -17


def test_recorded_actions_are_those_of_the_agent(recorded):
    dataset = open_dataset(recorded(DIAL, "test/dial-v0"))
    env = make_env(DIAL)
    episodes = AdaptedEpisodes(dataset, None)
    assert not dataset.is_ours
    assert episodes.action_space == env.action_space  # rescaled from -1 to 1
    keys = [key for key in env.observation_space if key != "instruction"]
    one = episodes.demonstration(3, keys)
    observation, _ = env.reset(seed=3)
    for step in range(len(one)):
        for key in keys:
            assert np.allclose(one.observations[key][step], observation[key])
        assert one.instructions[step] == observation["instruction"] == "dial"
        expert = env.get_wrapper_attr("expert_action")()
        assert np.allclose(one.actions[step], expert)
        observation, *_ = env.step(expert)

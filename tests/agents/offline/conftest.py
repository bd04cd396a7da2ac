"""Datasets that Minari's own collector would have written, of random policies."""

import importlib
import warnings
from dataclasses import asdict, replace

import gymnasium as gym
import numpy as np
import pytest

from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run

minari = pytest.importorskip("minari")
EpisodeBuffer = importlib.import_module("minari.data_collector").EpisodeBuffer
importlib.import_module("worlds.walks")
importlib.import_module("worlds.dials")


def play(env, seed):
    """An episode of random actions."""
    seen, actions, rewards, ends = [env.reset(seed=seed)[0]], [], [], []
    env.action_space.seed(seed)
    while not ends or not any(ends[-1]):
        actions.append(env.action_space.sample())
        observation, reward, *end, _ = env.step(actions[-1])
        seen.append(observation)
        rewards.append(reward)
        ends.append(end)
    terminated, truncated = zip(*ends, strict=True)
    return EpisodeBuffer(seed, seed, None, stacked(seen), np.array(actions), rewards,
                         list(terminated), list(truncated), {})  # fmt: skip


def stacked(seen):
    if isinstance(seen[0], dict):
        return {key: stacked([one[key] for one in seen]) for key in seen[0]}
    return seen if isinstance(seen[0], str) else np.stack(seen)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """Records random episodes of an environment; the folder of the dataset."""
    folder, made = tmp_path_factory.mktemp("minari"), {}

    def record(env_id, episodes=150):
        if env_id not in made:
            env = gym.make(env_id)
            name = f"test/{len(made)}-v0"
            with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
                patch.setenv("MINARI_DATASETS_PATH", str(folder))
                warnings.simplefilter("ignore", UserWarning)  # that nobody is named as author
                buffers = [play(env, seed) for seed in range(episodes)]
                minari.create_dataset_from_buffers(name, buffers, env=env)
            made[env_id] = str(folder / name)
        return made[env_id]

    return record


@pytest.fixture
def make(tiny, tmp_path):
    """The configuration of a training, its hyperparameters and its run folder."""

    def make(agent, env, hyper, name="run", **changes):
        config = TrainConfig(
            **{"steps": 60, "device": "cpu", "seed": 3, "checkpoint_every": 0, **changes},
            env=env, agent=agent, out=str(tmp_path / name), model=replace(tiny, fusion="concat"),
        )  # fmt: skip
        return config, hyper, Run.create(tmp_path / name, {**asdict(config), agent: asdict(hyper)})

    return make

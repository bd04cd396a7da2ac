"""Images are [H, W, 3] from the environment up to the model; stable-baselines3's own are turned."""

import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecTransposeImage

from mmrl.preprocessing.image import in_order_of
from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.buffers.replay import FrameReplay
from mmrl_agents.earlier import in_order
from mmrl_agents.networks.policy import MultimodalPolicy

SETTINGS = {"n_steps": 4, "batch_size": 16, "n_epochs": 1, "seed": 0, "device": "cpu"}


@pytest.fixture
def make(make_batch, tiny):
    def build(kind=PPO, env=None):
        kwargs = {"model": tiny}
        return kind(MultimodalPolicy, env or make_batch(), policy_kwargs=kwargs, **SETTINGS)

    return build


def test_a_policy_gets_the_environments_own_axes_and_memory(make):
    algorithm = make()
    env = algorithm.get_env()
    space = env.env.single_observation_space["image"]
    assert env.observation_space["image"].shape == space.shape
    assert algorithm.policy.observation_space["image"].shape == space.shape
    assert algorithm.rollout_buffer.observations["image"].shape[2:] == space.shape
    made, seen = [], []
    env.env.step = record(env.env.step, made)
    algorithm.policy.features_extractor.register_forward_pre_hook(
        lambda _, given: seen.append(given[0]["image"])
    )
    algorithm.learn(16)
    frames = made[-1]["image"]
    assert frames.shape[1:] == space.shape
    assert np.shares_memory(algorithm._last_obs["image"], frames)  # no copy was made
    assert {one.shape[1:] for one in seen} == {space.shape}
    assert all(one.is_contiguous() for one in seen)


def record(step, made):
    def recording(actions):
        result = step(actions)
        made.append(result[0])
        return result

    return recording


def test_stable_baselines3_turns_them_and_the_policy_is_the_same(make, observations):
    ours, theirs = make(), make(stable_baselines3.PPO)
    assert isinstance(theirs.get_env(), VecTransposeImage)
    assert theirs.observation_space["image"].shape == (3, 56, 56)
    theirs.policy.load_state_dict(ours.policy.state_dict())
    observation = ours.get_env().reset()
    turned = {**observation, "image": observation["image"].transpose(0, 3, 1, 2)}
    for given in (observation, turned):  # as its predict takes either
        values = theirs.policy.predict_values(theirs.policy.obs_to_tensor(given)[0])
        expected = ours.policy.predict_values(ours.policy.obs_to_tensor(observation)[0])
        assert torch.allclose(values, expected)
    theirs.learn(16)
    assert theirs.num_timesteps == 16


def test_an_algorithm_of_turned_images_is_saved_and_learns_on(make, make_batch, tmp_path):
    """As earlier versions saved them all."""
    before = make(env=VecTransposeImage(make_batch()))
    before.learn(16)
    before.save(tmp_path / "agent")
    env = make_batch()
    again = PPO.load(tmp_path / "agent", env=env, device="cpu")
    assert isinstance(again.get_env(), VecTransposeImage)
    again.learn(16)
    again.set_env(make_batch())
    observation = env.reset()
    turned = {**observation, "image": observation["image"].transpose(0, 3, 1, 2)}
    actions = [again.predict(one, deterministic=True)[0] for one in (observation, turned)]
    assert np.array_equal(*actions)


def test_saved_states_of_turned_images_are_read():
    space = spaces.Dict(image=spaces.Box(0, 255, (4, 5, 3), np.uint8))
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), np.uint8)
    saved = {"image": images.transpose(0, 3, 1, 2)}
    for given in (saved, {"image": images}):
        read = in_order(given, space)["image"]
        assert np.array_equal(read, images)
        assert read.flags.c_contiguous
        assert not np.shares_memory(read, images)
    assert np.array_equal(in_order_of((3, 4, 5), images), saved["image"])
    replay = FrameReplay(8, space, spaces.Discrete(2), "cpu", n_envs=2)
    for k in range(0, 6, 2):
        before, after = ({"image": images[(k + j) % 6 :][:2]} for j in (0, 2))
        replay.add(before, after, np.zeros(2), np.zeros(2), np.zeros(2, bool), [{}, {}])
    state = replay.get_state()
    kept = state["rings"]["image"]
    kept["kept"] = np.ascontiguousarray(kept["kept"].transpose(0, 3, 1, 2))
    again = FrameReplay(8, space, spaces.Discrete(2), "cpu", n_envs=2)
    again.set_state(state)
    rows = np.arange(6)
    one, other = (each._get_samples(rows).observations["image"] for each in (replay, again))
    assert torch.equal(one, other)

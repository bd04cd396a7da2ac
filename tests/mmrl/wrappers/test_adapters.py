"""Any environment with an image and a string fulfils the contract; others are refused."""

import json

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from mmrl.contract import IS_SUCCESS, contract_violation
from mmrl.data import open_dataset
from mmrl.errors import UserError
from mmrl.wrappers.adapt.plan import make_plan
from mmrl.wrappers.adapters import instruction_words, learn_words, make_env, make_vec_env
from mmrl.wrappers.making import adapt, adaptation, usual_success

IMAGE = spaces.Box(0, 255, (8, 8, 3), np.uint8)
TEXT = spaces.Text(10)
BABYAI = "BabyAI-GoToRedBallGrey-v0"


class Shell(gym.Env):
    """An environment of which only the observation space counts."""

    action_space = spaces.Discrete(2)

    def __init__(self, **entries):
        self.observation_space = spaces.Dict(entries) if entries else IMAGE

    def __str__(self):
        return "<Shell>"


def test_a_strangers_names(signals):
    env = make_env(signals)
    assert contract_violation(env.observation_space) is None
    observation, _ = env.reset(seed=3)
    assert set(observation) == {"image", "battery", "instruction"}
    assert observation["image"].shape == (12, 16, 3)
    assert observation["instruction"] in ("press the left", "press the right")
    assert env.observation_space.contains(observation)


def test_an_environment_that_fulfils_the_contract_is_left_alone():
    env = Shell(image=IMAGE, instruction=TEXT, speech=spaces.Box(-1, 1, (4,), np.float32))
    assert adapt(env) is env
    assert adaptation(env) == []


def test_a_plan_is_made_once_for_a_batch(signals, monkeypatch):
    plans = []

    def counted(*arguments):
        plans.append(make_plan(*arguments))
        return plans[-1]

    monkeypatch.setattr("mmrl.wrappers.adapt.adapter.make_plan", counted)
    make_vec_env(signals, 5).close()
    assert len(plans) == 1


def test_the_adapter_is_configured_by_the_arguments(signals):
    env = make_env(signals, env_adapter={"leave_out": "battery", "instruction": "none"})
    assert set(env.reset(seed=0)[0]) == {"image"}
    becomes = {row[0]: row[2] for row in adaptation(env)}
    assert becomes == {
        "battery": "left out", "camera": "image", "task": "left out", "success": "is_success",
    }  # fmt: skip
    batch = make_vec_env(signals, 2, env_adapter={"image": "render", "time_limit": 1})
    observation, _ = batch.reset(seed=0)
    assert observation["image"].shape == (2, 24, 24, 3)
    assert (batch.step(np.array([0, 0]))[2] | batch.step(np.array([0, 0]))[3]).all()
    batch.close()


def test_minigrid_becomes_pixels():
    pytest.importorskip("minigrid")
    env = make_env(BABYAI)
    assert contract_violation(env.observation_space) is None
    observation, _ = env.reset(seed=1)
    assert observation["image"].shape == (56, 56, 3)
    assert observation["image"].dtype == np.uint8
    assert observation["image"].std() > 0
    assert observation["instruction"] == env.unwrapped.mission
    assert env.observation_space.contains(observation)
    over = False
    while not over:
        observation, reward, terminated, truncated, info = env.step(2)
        over = terminated or truncated
        assert (IS_SUCCESS in info) == over
    assert info[IS_SUCCESS] == (terminated and reward > 0)


def test_minigrid_of_a_stranger_becomes_pixels():
    pytest.importorskip("minigrid")
    from minigrid.envs import EmptyEnv

    class Mine(EmptyEnv):
        pass

    observation, _ = adapt(Mine(size=5)).reset(seed=0)
    assert observation["image"].shape == (56, 56, 3)
    assert observation["instruction"] == "get to the green goal square"


def test_native_engine_is_used_for_own_environments():
    env = make_vec_env("mmrl/GoToLocal-v0", 3, room_size=6, num_dists=2)
    assert type(env.unwrapped).__name__ == "GridVectorEnv"
    assert env.num_envs == 3
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    env.close()


@pytest.mark.parametrize("env_id", [BABYAI, "test/Signals-v0"])
def test_other_environments_are_stepped_in_turn(env_id, signals):
    if env_id == BABYAI:
        pytest.importorskip("minigrid")
    env = make_vec_env(env_id, 2)
    assert isinstance(env, SyncVectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert contract_violation(env.single_observation_space) is None
    observation, _ = env.reset(seed=[0, 1])
    assert len(observation["instruction"]) == len(observation["image"]) == 2
    env.close()


def test_batch_restarts_within_the_step(signals):
    env = make_vec_env(signals, 2, limit=1)
    env.reset(seed=0)
    observation, _, terminated, truncated, infos = env.step(np.zeros(2, np.int64))
    assert (terminated | truncated).all()
    assert (observation["image"] == 0).all()
    for e in range(2):
        assert (infos["final_obs"][e]["image"] == 1).all()
        assert infos["final_info"][IS_SUCCESS][e] == terminated[e]
    env.close()


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        ("mmrl/GoToLocal-v0", {"room_sise": 6}),
        ("mmrl/GoToLocal-v0", {"room_size": 2}),
        ("test/Signals-v0", {"limit": 0}),
        ("test/Signals-v0", {"colour": "red"}),
        ("CartPole-v1", {"colour": "red"}),
    ],
)
@pytest.mark.parametrize("make", [make_env, lambda *a, **k: make_vec_env(a[0], 2, **k)])
def test_refused_arguments_are_the_users_error(signals, make, env_id, arguments):
    with pytest.raises(UserError, match=env_id):
        make(env_id, **arguments)


def test_words_are_declared_or_collected(signals):
    assert instruction_words(signals, samples=20) == ["left", "press", "right", "the"]
    declared = instruction_words("mmrl/GoToLocal-v0")
    assert {"go", "to", "purple", ","} <= set(declared)
    assert declared == sorted(declared)


@pytest.mark.parametrize(
    ("news", "read"),
    [([1], 65), ([1, 60], 124), ([1, 64], 128), ([1, 60, 100], 200)],  # 64 more, or as many again
)
def test_words_are_learned_until_new_ones_are_unlikely(news, read):
    count = 0

    def sentences():
        nonlocal count
        for count in range(1, 1000):
            yield f"the word{count}" if count in news else "the"

    assert learn_words(sentences()) == {"the", *(f"word{count}" for count in news)}
    assert count == read


def test_datasets_have_the_success_of_the_package(tmp_path):
    """One that does not record success is read by the rule that the environment's adapter has."""
    h5py = pytest.importorskip("h5py")
    assert usual_success("minigrid.envs:EmptyEnv") == "terminated_with_reward"
    assert usual_success("kitchen:Kitchen") is None
    assert usual_success(None) is None
    (tmp_path / "data").mkdir()
    spec = '{"id": "Room-v0", "entry_point": "minigrid.envs:EmptyEnv"}'
    metadata = {"total_episodes": 1, "total_steps": 2, "data_format": "hdf5", "env_spec": spec}
    (tmp_path / "data/metadata.json").write_text(json.dumps(metadata))
    with h5py.File(tmp_path / "data/main_data.hdf5", "w") as file:
        episode = file.create_group("episode_0")
        episode["observations/image"] = np.zeros((3, 16, 16, 3), np.uint8)
        episode["actions"] = np.zeros(2, np.int64)
        episode["rewards"] = np.array([0.0, 0.5])
        episode["terminations"], episode["truncations"] = [False, True], [False, False]
    assert open_dataset(str(tmp_path))[0].success is True
    assert open_dataset(str(tmp_path), "none")[0].success is None

"""Episodes of any SB3 training are recorded as they were, and the training is the same."""

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack

import mmrl
from mmrl.errors import UserError
from mmrl.records import read_record
from mmrl_agents import RolloutRecorder
from mmrl_agents.loop import recorder as recorder_module

GRID = "mmrl/GoToObjS4-v0"
SMALL = {
    "device": "cpu", "clip_every": 0, "eval_episodes": 0, "verbose": False,
    "model": {"image_args": {"width": 8}, "text_args": {"width": 8, "layers": 1, "heads": 2},
              "features": 8},
}  # fmt: skip


class Picture(gym.Env):
    """Counts its steps in a picture; ends after seven; has a mission, and no word of a success."""

    observation_space = gym.spaces.Box(0, 255, (40, 40, 3), np.uint8)
    mission = "count to seven"
    metadata = {"render_modes": ["rgb_array"]}

    def __init__(self, actions=None, render_mode=None):
        self.render_mode = render_mode
        self.action_space = actions or gym.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._look(), {}

    def step(self, action):
        self.steps += 1
        return self._look(), float(self.steps), self.steps == 7, False, {"steps": self.steps}

    def render(self):
        return np.full((50, 60, 3), self.steps, np.uint8)

    def _look(self):
        return np.full((40, 40, 3), self.steps, np.uint8)


@pytest.fixture(autouse=True)
def _all_the_time(monkeypatch):
    """Record whatever time it takes: these trainings are short."""
    monkeypatch.setattr(recorder_module, "_ALLOWANCE", 1e9)


def records(folder):
    return [read_record(one) for one in sorted(folder.rglob("*.episode"))]


def counted(record):
    assert record.rewards == [1, 2, 3, 4, 5, 6, 7]
    assert record.frames["image"][:, 0, 0, 0].tolist() == list(range(8))
    assert [info["steps"] for info in record.infos] == list(range(1, 8))
    assert record.success is None
    assert record.instructions == ["count to seven"] * 8


def test_plain_ppo_on_images_without_a_word(tmp_path):
    env = DummyVecEnv([lambda: Picture(render_mode="rgb_array")] * 3)
    model = PPO("CnnPolicy", env, n_steps=16, batch_size=48, n_epochs=1, device="cpu")
    buffers = []

    class Watch(BaseCallback):
        def _on_step(self):
            return True

        def _on_rollout_end(self):
            buffers.append((model.rollout_buffer.values.copy(), model.rollout_buffer.advantages))

    model.learn(96, callback=[RolloutRecorder(tmp_path, render=True), Watch()])
    found = records(tmp_path)
    assert len(found) >= 2
    values = {round(float(one), 4) for some, _ in buffers for one in some.ravel()}
    advantages = {round(float(one), 4) for _, some in buffers for one in some.ravel()}
    for record in found:
        counted(record)
        assert record.env == "Picture"
        assert record.frames["scene"][:, 0, 0, 0].tolist() == list(range(7))
        assert record.numbers["probabilities"].sum(1) == pytest.approx(np.ones(7), abs=1e-5)
        assert {round(float(one), 4) for one in record.numbers["value"]} <= values
        assert {round(float(one), 4) for one in record.numbers["advantage"]} <= advantages
        assert record.about == {"actions": ["0", "1", "2"]}
        assert record.action_names == [str(action) for action in record.actions]


def test_off_policy_and_stacked_frames(tmp_path):
    env = VecFrameStack(DummyVecEnv([Picture]), 2)
    model = DQN(
        "CnnPolicy", env, buffer_size=60, learning_starts=20, tensorboard_log=str(tmp_path),
        device="cpu",
    )  # fmt: skip
    model.learn(50, callback=RolloutRecorder())
    found = records(tmp_path / "DQN_1" / "episodes")
    assert len(found) >= 3
    for record in found:
        counted(record)
        assert record.numbers["q_values"].shape == (7, 3)
    assert [one.checkpoint for one in found] == sorted(one.checkpoint for one in found)


def test_continuous_actions(tmp_path):
    box = gym.spaces.Box(-1, 1, (2,), np.float32)
    env = DummyVecEnv([lambda: Picture(box)])
    ppo = PPO("CnnPolicy", env, n_steps=32, batch_size=32, n_epochs=1, device="cpu")
    ppo.learn(32, callback=RolloutRecorder(tmp_path / "ppo"))
    for record in records(tmp_path / "ppo"):
        counted(record)
        assert record.actions.shape == (7, 2)
        assert record.numbers["action_mean"].shape == (7, 2)
        assert (record.numbers["action_std"] > 0).all()
    sac = SAC("CnnPolicy", env, buffer_size=50, learning_starts=60, device="cpu")
    sac.learn(40, callback=RolloutRecorder(tmp_path / "sac"))
    assert len(records(tmp_path / "sac")) >= 2


def weights(run):
    return run.agent.actor.policy.state_dict()


@pytest.mark.parametrize("memory", [None, "gru"])
def test_the_training_is_the_same_and_advantages_are_its_own(tmp_path, memory):
    small = {**SMALL, "ppo": {
        "num_envs": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 1, "memory": memory,
    }}  # fmt: skip
    runs = [
        mmrl.train(GRID, steps=256, out=tmp_path / name, record_mb=megabytes, **small)
        for name, megabytes in (("with", 200), ("without", 0))
    ]
    for one, other in zip(*(weights(run).values() for run in runs), strict=True):
        assert torch.equal(one, other)
    assert not (tmp_path / "without" / "episodes").exists()
    found = records(tmp_path / "with")
    assert found
    for record in found:
        count = len(record.rewards)
        assert record.instruction_kind
        assert record.action_names[0] in record.about["actions"]
        value, advantage = record.numbers["value"], record.numbers["advantage"]
        assert len(value) == len(advantage) == count
        # the end of an episode that was not cut: A = r - V
        if not record.infos[-1].get("TimeLimit.truncated"):
            last = record.rewards[-1] - value[-1]
            assert advantage[-1] == pytest.approx(last, abs=1e-4)


def test_a_resumed_training_records_each_step_once(tmp_path):
    small = {**SMALL, "ppo": {"num_envs": 4, "n_steps": 16, "batch_size": 64, "n_epochs": 1}}
    run = mmrl.train(GRID, steps=256, out=tmp_path / "run", checkpoint_every=128, **small)
    for step in (192, 256):  # as if it had been killed after the checkpoint of 128 steps
        for path in (run.path / "checkpoints").glob(f"step_{step}"):
            path.rename(tmp_path / path.name)
    kept = [one for one in records(tmp_path / "run") if one.checkpoint <= 128]
    mmrl.resume(run.path, verbose=False)
    again = records(tmp_path / "run")
    assert [one.checkpoint for one in again[: len(kept)]] == [one.checkpoint for one in kept]
    assert len({one.checkpoint for one in again}) == len(again)
    assert any(one.checkpoint > 128 for one in again)


def test_the_time_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "_ALLOWANCE", 0.0)
    monkeypatch.setattr(recorder_module, "_SHARE", 0.0)
    model = PPO("CnnPolicy", DummyVecEnv([Picture]), n_steps=32, batch_size=32, device="cpu")
    model.learn(64, callback=RolloutRecorder(tmp_path))
    assert len(records(tmp_path)) <= 1
    monkeypatch.setattr(recorder_module, "_GRACE", -1.0)
    model.learn(64, callback=RolloutRecorder(tmp_path / "slow"))
    assert not records(tmp_path / "slow")


def test_failures_are_warned_of_once(tmp_path, monkeypatch):
    monkeypatch.setattr(RolloutRecorder, "_add", lambda *_: 1 / 0)
    model = PPO("CnnPolicy", DummyVecEnv([Picture]), n_steps=32, batch_size=32, device="cpu")
    with pytest.warns(UserWarning, match="not recorded any more: ZeroDivisionError") as caught:
        model.learn(64, callback=RolloutRecorder(tmp_path))
    assert len(caught) == 1
    assert model.num_timesteps == 64


def test_what_cannot_be(tmp_path):
    with pytest.raises(UserError, match="0 MB for episode records"):
        RolloutRecorder(tmp_path, megabytes=0)
    model = PPO("CnnPolicy", DummyVecEnv([Picture]), n_steps=32, batch_size=32, device="cpu")
    with pytest.raises(UserError, match="no tensorboard_log"):
        model.learn(32, callback=RolloutRecorder())
    with pytest.raises(UserError, match=r"record_mb=0.5: must be 0 for no records, or at least 1"):
        mmrl.train(GRID, steps=64, out=tmp_path / "run", record_mb=0.5)


def test_it_works_with_this_version_of_sb3():
    """The recorder reads the local variables of SB3's loops by these names."""
    import inspect

    from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

    assert stable_baselines3.__version__
    for loop in (OnPolicyAlgorithm.collect_rollouts, OffPolicyAlgorithm.collect_rollouts):
        names = set(loop.__code__.co_varnames)
        assert {"actions", "new_obs", "rewards", "dones", "infos"} <= names, inspect.getfile(loop)


def test_relabelled_instructions_are_recorded(tmp_path):
    small = {**SMALL, "dqn": {
        "num_envs": 4, "buffer_size": 2000, "learning_starts": 64, "batch_size": 16,
        "hindsight": {"kind": "oracle"},
    }}  # fmt: skip
    args = {"room_size": 5, "num_dists": 3, "max_steps": 8}
    mmrl.train(
        "mmrl/PickupDist-v0", env_args=args, steps=800, out=tmp_path / "run", agent="dqn", **small
    )
    found = records(tmp_path / "run")
    labels = [one.about.get("relabelled_instruction") for one in found]
    assert any(labels)
    for record, label in zip(found, labels, strict=True):
        achieved = record.infos[-1].get("achieved") or []
        assert label is None or (record.success is False and label in achieved)

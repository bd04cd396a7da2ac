"""Spaces come from the metadata or the arrays; the environment of a dataset is never made."""

import json

import gymnasium as gym
import h5py
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from mmrl.data import open_dataset
from mmrl.errors import UserError

SPACES = ("observation_space", "action_space")


def rewritten(place, *, without=SPACES, **more):
    """The metadata of a dataset with some keys removed and others set."""
    metadata = json.loads(place.metadata.read_text()) | more
    kept = {key: value for key, value in metadata.items() if key not in without}
    place.metadata.write_text(json.dumps(kept))


def command(text):
    """An environment's spec that runs a command when the environment is made."""
    return EnvSpec("Evil-v0", "os:system", kwargs={"command": text}, disable_env_checker=True)


def test_a_dataset_runs_no_command(collected, tmp_path):
    proof, mark = tmp_path / "proof", tmp_path / "mark"
    with pytest.raises(Exception, match=r"."):
        gym.make(EnvSpec.from_json(command(f"touch {proof}").to_json()))
    assert proof.exists()
    place = collected("evil-v0", 4)
    spec = command(f"touch {mark}").to_json()
    for without in (SPACES, ("observation_space",), ("action_space",), ()):
        rewritten(place, without=(*without, "mmrl"), env_spec=spec)
        rollouts = open_dataset("evil-v0")
        assert rollouts[0].images.shape[1:] == rollouts.spaces.observation["image"].shape
        assert rollouts.env_id == "Evil-v0"
    assert not mark.exists()


def test_a_dataset_imports_no_module(collected, tmp_path, monkeypatch):
    mark = tmp_path / "mark"
    (tmp_path / "evil_module.py").write_text(f"open({str(mark)!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(gym.error.Error):
        gym.make("evil_module:Evil-v0")
    assert mark.exists()
    mark.unlink()
    monkeypatch.delitem(__import__("sys").modules, "evil_module")
    place = collected("evil-v0", 4)
    spec = json.dumps({"id": "evil_module:Evil-v0", "entry_point": "evil_module:Evil"})
    for more in (
        {"env_spec": spec, "mmrl": None},
        {"env_spec": spec, "mmrl": {"env": "evil_module:Evil-v0", "env_args": {}}},
    ):
        rewritten(place, **more)
        rollouts = open_dataset("evil-v0")
        assert len(list(rollouts)) == 4
        assert rollouts.env_id == "evil_module:Evil-v0"
    assert not mark.exists()


@pytest.mark.parametrize("spec", ["{", "[]", "3", '{"id": 3, "kwargs": 7}', 5, None, "[" * 99_999])
def test_a_malformed_environment_is_ignored(collected, spec):
    place = collected("odd-v0", 4)
    rewritten(place, env_spec=spec, mmrl="none")
    rollouts = open_dataset("odd-v0")
    assert (rollouts.env_id, rollouts.env_args) == ("", {})
    assert len(rollouts) == 4


def test_inferred_from_the_arrays(collected):
    place = collected("bare-v0", 6)
    told = open_dataset("bare-v0").spaces
    rewritten(place, without=(*SPACES, "env_spec"))
    rollouts = open_dataset("bare-v0")
    largest = max(one.actions.max() for one in rollouts)
    assert rollouts.spaces.action == spaces.Discrete(largest + 1)
    assert rollouts.spaces.observation["image"] == told.observation["image"]
    assert isinstance(rollouts.spaces.observation["instruction"], spaces.Text)
    assert rollouts.spaces.observation["instruction"].contains(rollouts[0].instruction)


@pytest.mark.parametrize(
    ("actions", "space"),
    [
        (np.array([0, 3], np.int32), spaces.Discrete(4)),
        (np.array([[0, 3], [2, 1]]), spaces.MultiDiscrete([3, 4])),
        (np.zeros((2, 5), np.float32), spaces.Box(-np.inf, np.inf, (5,), np.float32)),
        (np.zeros(2), spaces.Box(-np.inf, np.inf, (), np.float64)),
    ],
)
def test_actions_of_any_kind(minari_home, actions, space):
    written(minari_home, actions)
    assert open_dataset("plain-v0").spaces.action == space
    assert open_dataset("plain-v0")[0].actions.tolist() == actions.tolist()


@pytest.mark.parametrize("actions", [np.array([-1, 2]), np.array([b"up", b"down"])])
def test_actions_that_say_nothing(minari_home, actions):
    written(minari_home, actions)
    with pytest.raises(UserError, match=r"metadata.json lacks action_space, and it cannot be inf"):
        open_dataset("plain-v0")


def written(home, actions):
    """A dataset of one episode of two steps, whose metadata has neither spaces nor environment."""
    data = home / "plain-v0" / "data"
    data.mkdir(parents=True)
    about = {"total_episodes": 1, "total_steps": 2, "data_format": "hdf5"}
    (data / "metadata.json").write_text(json.dumps(about))
    with h5py.File(data / "main_data.hdf5", "w") as file:
        group = file.create_group("episode_0")
        group["observations/camera"] = np.zeros((3, 8, 8, 3), np.uint8)
        group["observations/mission"] = [b"go", b"go", b"go"]
        group["observations/depth"] = np.zeros((3, 8, 8), np.float32)
        group["actions"], group["rewards"] = actions, np.zeros(2)
        group["terminations"], group["truncations"] = [False, True], [False, False]

"""What is known of an environment is learned by building it once, and read without it."""

import json

import numpy as np
import pytest
from gymnasium import spaces

from mmrl.contract import ACHIEVED, DESCRIPTION
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import FILE, EnvInfo, probe, space_from_plain, space_to_plain
from mmrl.wrappers.adapters import make_env, understands, with_info

GRID = "mmrl/GoToObjS4-v0"
SPACES = [
    spaces.Box(0, 255, (4, 5, 3), np.uint8),
    spaces.Box(-np.inf, np.inf, (3,), np.float32),
    spaces.Box(np.array([-1.0, 0.1], np.float32), np.array([1.0, np.inf], np.float32)),
    spaces.Discrete(7),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiBinary(4),
    spaces.MultiBinary([2, 3]),
    spaces.Text(20, min_length=2, charset="abc 走"),
    spaces.Dict(b=spaces.Discrete(2), a=spaces.Text(3)),
    spaces.Tuple([spaces.Discrete(2), spaces.MultiBinary(1)]),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_spaces_are_plain_data(space):
    again = space_from_plain(json.loads(json.dumps(space_to_plain(space))))
    assert again == space
    assert again.dtype == space.dtype


def test_a_space_of_another_kind():
    with pytest.raises(TypeError, match="no known kind"):
        space_to_plain(spaces.Sequence(spaces.Discrete(2)))


@pytest.mark.parametrize("charset", [[], {}, ["x"], None])
def test_characters_that_are_no_text(charset):
    plain = {**space_to_plain(spaces.Text(3)), "charset": charset}
    with pytest.raises(TypeError, match="the characters of a text are .*, and no text"):
        space_from_plain(plain)


@pytest.mark.parametrize("env", [GRID, "signals"])
def test_it_is_what_the_environment_shows(env, signals, tmp_path):
    env_id = signals if env == "signals" else env
    info = probe(TrainConfig(env_id, ""))
    info.save(tmp_path)
    assert EnvInfo.load(tmp_path) == info
    with make_env(env_id) as built:
        assert info.observation_space == built.observation_space
        assert info.action_space == built.action_space
    words = info.instruction_words
    assert words is not None
    assert list(words) == sorted(words)
    assert info.info_keys == (
        None if env == "signals" else {"achieved": "achieved", "description": "describe"}
    )


def test_spoken_instructions_are_part_of_it():
    pytest.importorskip("espeakng_loader")
    info = probe(TrainConfig(GRID, "", instruction="both"))
    assert info.env_args == {"speech": {}}
    with make_env(GRID, speech={}) as built:
        assert info.observation_space == built.observation_space
    silent = probe(TrainConfig(GRID, "", instruction="speech"))
    assert silent.instruction_words is None  # not needed
    with pytest.raises(UserError, match="noise"):
        probe(TrainConfig(GRID, "", env_args={"speech": {"noise": -1}}))
    with pytest.raises(UserError, match=r"env_args.speech .*volume"):
        probe(TrainConfig(GRID, "", env_args={"speech": {"volume": 3}}))


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", "[" * 5_000, '{"observation_space": {"kind": "Sphere"}}',
        '{"observation_space": {"kind": "Discrete", "n": -1}}',
        '{"observation_space": {"kind": "Discrete", "n": 1' + "0" * 40 + "}}",
        '{"observation_space": {"kind": "Discrete", "n": 3}, '
        '"action_space": {"kind": "Discrete", "n": 3}}',
        '{"observation_space": {"kind": "Box", "low": "0", "high": "1", "shape": [99999, 99999], '
        '"dtype": "uint8"}}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(UserError, match=rf"{FILE}: .*remove the file"):
        EnvInfo.load(tmp_path)


def test_capabilities_are_declared(monkeypatch):
    monkeypatch.setattr(
        "mmrl.wrappers.adapters.make_env", lambda *a, **k: 1 / 0
    )  # nothing is built
    assert understands(GRID, {}, achieved=True)
    assert understands(GRID, {}, describe=True)
    assert not understands(GRID, {}, smell=True)
    assert with_info(GRID, {"max_steps": 3}, ACHIEVED) == {"max_steps": 3, "achieved": True}
    assert with_info(GRID, {"describe": False}, DESCRIPTION) == {"describe": False}
    assert with_info(GRID, {}, "smell") is None


def test_an_environment_names_its_own_arguments(monkeypatch):
    keys = {DESCRIPTION: "caption", ACHIEVED: None}
    monkeypatch.setattr("mmrl.wrappers.adapters.declared_info_keys", lambda env_id: keys)
    assert with_info("some/Env-v0", {}, DESCRIPTION) == {"caption": True}
    assert with_info("some/Env-v0", {}, ACHIEVED) == {}


def test_what_is_not_declared_is_tried(signals):
    assert with_info(signals, {}, ACHIEVED) is None
    assert not understands(signals, {}, achieved=True)
    assert understands(signals, {}, limit=3)

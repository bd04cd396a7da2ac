"""Actions of every space have a readable label."""

import enum
from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium import spaces

from mmrl.action_labels import action_label, action_names, first_action

BOX = spaces.Box(-1, 1, (2,), np.float32)
BUTTONS = spaces.MultiDiscrete([2, 3])
KEYS = spaces.MultiBinary(3)


@pytest.mark.parametrize(
    ("action", "space", "names", "label"),
    [
        (np.int64(1), spaces.Discrete(3), ["left", "right"], "right"),
        (np.int64(2), spaces.Discrete(3), ["left", "right"], "2"),
        (1, spaces.Discrete(3, start=1), ["left", "right"], "left"),
        (np.array([1, 2]), BUTTONS, [], "1, 2"),
        (np.array([1, 2]), BUTTONS, ["arm", "leg"], "arm 1, leg 2"),
        (np.array([1, 2]), BUTTONS, [["open", "shut"], ["a", "b", "c"]], "shut, c"),
        (np.array([2, 1]), spaces.MultiDiscrete([2, 3], start=[1, 0]), [["x", "y"]], "y, 1"),
        (np.int8([1, 0, 1]), KEYS, [], "1, 0, 1"),
        (np.int8([1, 0, 1]), KEYS, ["jump", "run", "fire"], "jump + fire"),
        (np.int8([0, 0, 0]), KEYS, ["jump", "run", "fire"], "none"),
        (np.float32([0.1234567, -1]), BOX, [], "0.12, -1.00"),
        (np.float32([0.1234567, -0.0]), BOX, ["steer", "gas"], "steer 0.12, gas 0"),
        (np.zeros((2, 4)), spaces.Box(-1, 1, (2, 4)), [], "0, 0, 0, 0, 0, 0, 0, 0"),
        (np.full(20, -0.5), spaces.Box(-1, 1, (20,)), [],
         "-0.50, -0.50, -0.50, -0.50, -0.50, … (20 in all)"),
        (np.ones(2), spaces.MultiDiscrete([2, 2]), ["an action with a name that never ends", "b"],
         "an action with a name that never en…, … (2 in all)"),
        ({"arm": np.float32([1, 0.5]), "go": 1}, spaces.Dict(arm=BOX, go=spaces.Discrete(2)), [],
         "arm: 1.00, 0.50; go: 1"),
        (dict.fromkeys("abcdefghijkl", 1),
         spaces.Dict(dict.fromkeys("abcdefghijkl", spaces.Discrete(2))), [],
         "a: 1; b: 1; c: 1; d: 1; e: 1; f: 1; … (12 in all)"),
        ((np.int64(1), np.array([0, 2])), spaces.Tuple([spaces.Discrete(2), BUTTONS]), [],
         "1; 0, 2"),
    ],
)  # fmt: skip
def test_labels(action, space, names, label):
    assert action_label(action, space, dict(enumerate(names))) == label


def test_names_by_the_action_itself():
    space = spaces.Discrete(2, start=1)
    env = SimpleNamespace(metadata={"actions": {1: "left", 2: "right"}}, action_space=space)
    assert action_label(2, space, action_names(env)) == "right"


def test_names_that_are_none():
    env = SimpleNamespace(metadata={"actions": 5}, action_space=BOX)
    assert action_names(env) == {}
    plain = SimpleNamespace(actions=enum.Enum("Moves", "up down"))
    env = SimpleNamespace(metadata={}, unwrapped=plain, action_space=BOX)
    assert action_names(env) == {0: "up", 1: "down"}


def test_the_first_of_a_batch():
    assert first_action(np.array([[1, 2]]), BUTTONS).tolist() == [1, 2]
    space = spaces.Dict(arm=BOX, both=spaces.Tuple([BUTTONS, KEYS]))
    batch = {"arm": np.zeros((1, 2)), "both": (np.ones((1, 2)), np.ones((1, 3)))}
    action = first_action(batch, space)
    assert action["arm"].shape == (2,)
    assert [one.shape for one in action["both"]] == [(2,), (3,)]
    assert first_action([action], space) is action

"""The contract: what fulfils it, and what is said of what does not."""

import numpy as np
import pytest
from gymnasium import spaces

from mmrl.contract import (
    contract_violation,
    is_image,
    read_success,
    sensors,
    was_successful,
    were_successful,
)

IMAGE = spaces.Box(0, 255, (8, 6, 3), np.uint8)
TEXT = spaces.Text(10)
VECTOR = spaces.Box(-1, 1, (9,), np.float32)


@pytest.mark.parametrize(
    "entries",
    [
        {"image": IMAGE, "instruction": TEXT, "speech": VECTOR},
        {"image": IMAGE},
        {"state": VECTOR},
        {"image": IMAGE, "wrist": IMAGE, "state": VECTOR, "goal.at": VECTOR, "instruction": TEXT},
    ],
)
def test_fulfilled(entries):
    space = spaces.Dict(entries)
    assert contract_violation(space) is None
    assert set(sensors(space)) == set(entries) - {"instruction", "speech"}


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (IMAGE, ["must be a Dict", "Box"]),
        (spaces.Dict({"instruction": TEXT}), ["no image and no vector", "instruction"]),
        (spaces.Dict({}), ["no image and no vector", "nothing"]),
        (spaces.Dict({"image": IMAGE, "arm": spaces.Discrete(2)}), ["'arm' must be", "Discrete"]),
        (spaces.Dict({"wrist": IMAGE}), ["the main image must be 'image'", "wrist"]),
        (spaces.Dict({"image": TEXT, "instruction": TEXT}), ["'image' must be a Box", "Text"]),
        (spaces.Dict({"image": IMAGE, "instruction": IMAGE}), ["'instruction' must be a Text"]),
    ],
)
def test_violations_name_what_is_wrong(space, words):
    message = contract_violation(space)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (IMAGE, True),
        (spaces.Box(0, 255, (1, 1, 3), np.uint8), True),
        (spaces.Box(0, 1, (8, 8, 3), np.float32), False),
        (spaces.Box(0, 255, (3, 8, 8), np.uint8), False),
        (spaces.Box(0, 255, (8, 8, 1), np.uint8), False),
        (spaces.Box(0, 255, (8, 3), np.uint8), False),
        (spaces.Discrete(3), False),
    ],
)
def test_images(space, expected):
    assert is_image(space) is expected


@pytest.mark.parametrize(
    ("given", "success"),
    [(None, None), (True, True), (np.False_, False), (0, False), (1.0, True), ([True], True)],
)
def test_what_a_success_means(given, success):
    assert read_success(given) is success
    assert was_successful({"is_success": given}) is success


@pytest.mark.parametrize("given", ["False", b"", [True, False], float("nan"), object()])
def test_what_is_no_success(given):
    with pytest.raises(ValueError, match=r"info\['is_success'\] is .*: it must be true or false"):
        was_successful({"is_success": given})


def test_what_is_not_said_is_not_known():
    assert was_successful({}) is None
    assert were_successful({}, 2).known.tolist() == [False, False]


def test_successes_of_a_batch():
    final = {"is_success": np.array([[True]] * 4), "_is_success": np.array([0, 1, 0, 0], bool)}
    success, known = were_successful({"final_info": final}, 4)
    assert success.tolist() == known.tolist() == [False, True, False, False]
    final = {"is_success": np.array([True, True, False]), "_is_success": np.array([1, 0, 1], bool)}
    success, known = were_successful({"final_info": final}, 3)
    assert (success.tolist(), known.tolist()) == ([True, False, False], [True, False, True])

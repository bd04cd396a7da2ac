"""The contract: what fulfils it, and what is said of what does not."""

import numpy as np
import pytest
from gymnasium import spaces

from mmrl.contract import (
    contract_violation,
    is_image,
    read_success,
    was_successful,
    were_successful,
)

IMAGE = spaces.Box(0, 255, (8, 6, 3), np.uint8)
TEXT = spaces.Text(10)


def test_fulfilled_with_further_entries():
    space = spaces.Dict(
        {"image": IMAGE, "instruction": TEXT, "speech": spaces.Box(-1, 1, (9,), np.float32)}
    )
    assert contract_violation(space) is None


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (IMAGE, ["must be a Dict", "Box"]),
        (spaces.Dict({"image": IMAGE}), ["lack 'instruction'", "have image"]),
        (spaces.Dict({"instruction": TEXT}), ["lack 'image'", "have instruction"]),
        (spaces.Dict({}), ["lack 'image'", "nothing"]),
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
    assert was_successful({"is_success": given}, True, 1.0) is (success is not False)


@pytest.mark.parametrize("given", ["False", b"", [True, False], float("nan"), object()])
def test_what_is_no_success(given):
    with pytest.raises(ValueError, match=r"info\['is_success'\] is .*: it must be true or false"):
        was_successful({"is_success": given}, True, 1.0)


@pytest.mark.parametrize("reward", [None, np.array([1.0, 2.0]), "1"])
def test_a_reward_that_is_no_number_is_no_success(reward):
    assert was_successful({}, True, reward) is False


def test_successes_of_a_batch():
    over, rewards = np.array([True, True, False, True]), np.array([1.0, 0.0, 1.0, 1.0])
    assert were_successful({}, over, rewards).tolist() == [True, False, False, True]
    final = {"is_success": np.array([[True]] * 4), "_is_success": np.array([0, 1, 0, 0], bool)}
    given = were_successful({"final_info": final}, over, rewards)
    assert given.tolist() == [True, True, False, True]

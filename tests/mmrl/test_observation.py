"""The contract: what fulfils it, and what is said of what does not."""

import numpy as np
import pytest
from gymnasium import spaces

from mmrl.observation import contract_violation, is_picture

PICTURE = spaces.Box(0, 255, (8, 6, 3), np.uint8)
TEXT = spaces.Text(10)


def test_fulfilled_with_further_entries():
    space = spaces.Dict(
        {"image": PICTURE, "instruction": TEXT, "speech": spaces.Box(-1, 1, (9,), np.float32)}
    )
    assert contract_violation(space) is None


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (PICTURE, ["must be a Dict", "Box"]),
        (spaces.Dict({"image": PICTURE}), ["lack 'instruction'", "have image"]),
        (spaces.Dict({"instruction": TEXT}), ["lack 'image'", "have instruction"]),
        (spaces.Dict({}), ["lack 'image'", "nothing"]),
        (spaces.Dict({"image": TEXT, "instruction": TEXT}), ["'image' must be a Box", "Text"]),
        (spaces.Dict({"image": PICTURE, "instruction": PICTURE}), ["'instruction' must be a Text"]),
    ],
)
def test_violations_name_what_is_wrong(space, words):
    message = contract_violation(space)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (PICTURE, True),
        (spaces.Box(0, 255, (1, 1, 3), np.uint8), True),
        (spaces.Box(0, 1, (8, 8, 3), np.float32), False),
        (spaces.Box(0, 255, (3, 8, 8), np.uint8), False),
        (spaces.Box(0, 255, (8, 8, 1), np.uint8), False),
        (spaces.Box(0, 255, (8, 3), np.uint8), False),
        (spaces.Discrete(3), False),
    ],
)
def test_pictures(space, expected):
    assert is_picture(space) is expected

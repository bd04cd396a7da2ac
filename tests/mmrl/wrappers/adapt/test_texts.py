"""Strings, bytes and arrays of them become one string."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from mmrl.wrappers.adapt.texts import as_text, is_text_space


class Mission(gym.Space):
    """A space of a package's own, as minigrid has it."""

    def sample(self, mask=None, probability=None):
        return "go"


class Silent(gym.Space):
    """A space that does not sample."""


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (spaces.Text(5), True),
        (Mission(), True),
        (Silent(), False),
        (spaces.Box(0, 1, (2,), np.float32), False),
        (spaces.Discrete(2), False),
    ],
)
def test_spaces(space, expected):
    assert is_text_space(space) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("öffne 门 🚪", "öffne 门 🚪"),
        ("öffne".encode(), "öffne"),
        (b"\xff!", "\ufffd!"),
        (np.array("go"), "go"),
        (np.array(["go", "on"], object), "go on"),
        (["go", b"on"], "go on"),
        (None, ""),
        (7, "7"),
    ],
)
def test_values(value, expected):
    assert as_text(value) == expected

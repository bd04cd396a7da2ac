"""Observations of another layout than their space's are named; what can be stored is right."""

import numpy as np
import pytest
from gymnasium import spaces

from mmrl.wrappers.layout import Layout

SPACE = spaces.Dict(
    image=spaces.Box(0, 255, (4, 4, 3), np.uint8),
    state=spaces.Box(-1, 1, (2,), np.float32),
    instruction=spaces.Text(9),
    number=spaces.Discrete(3),
)
RIGHT = {
    "image": np.zeros((4, 4, 3), np.uint8),
    "state": np.zeros(2, np.float32),
    "instruction": "open",
    "number": 1,
}


@pytest.mark.parametrize(
    "change",
    [{}, {"state": np.zeros(2)}, {"state": [0.0, 1.0]}, {"instruction": np.str_("open")}],
)
def test_what_can_be_stored(change):
    assert Layout(SPACE).fault({**RIGHT, **change}) is None


@pytest.mark.parametrize(
    ("change", "found", "needed"),
    [
        ({"image": np.zeros((4, 4, 3), np.float32)}, "'image' has dtype float32", "uint8"),
        ({"image": np.zeros((4, 4, 3), np.int64)}, "'image' has dtype int64", "uint8"),
        ({"image": np.zeros((3, 4, 4), np.uint8)}, "'image' has shape [3, 4, 4]", "[4, 4, 3]"),
        ({"state": 0.5}, "'state' has shape []", "[2]"),
        ({"instruction": None}, "'instruction' is None", "must be a text"),
        ({"instruction": ["open", "it"]}, "'instruction' is ['open', 'it']", "must be a text"),
    ],
)
def test_what_cannot(change, found, needed):
    fault = Layout(SPACE).fault({**RIGHT, **change})
    assert found in fault.found
    assert needed in fault.needed


def test_an_observation_that_is_no_mapping_or_lacks_an_entry():
    assert Layout(SPACE).fault("image").found == "observation is 'image'"
    lacking = {key: value for key, value in RIGHT.items() if key != "state"}
    assert Layout(SPACE).fault(lacking).found == "observation has no entry 'state'"


def test_an_observation_that_is_an_array():
    layout = Layout(spaces.Box(0, 1, (2,), np.float32))
    assert layout.fault(np.zeros(2, np.float32)) is None
    assert layout.fault(np.zeros(3, np.float32)).found == "observation has shape [3]"

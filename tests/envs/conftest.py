"""What the tests of the environments share: the parity harness and a look at a batch's bytes."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def parity():
    """The module ``benchmarks/parity.py``: environments of minigrid and ours, kept side by side."""
    path = Path(__file__).parents[2] / "benchmarks" / "parity.py"
    spec = importlib.util.spec_from_file_location("mmrl_benchmarks_parity", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def bytes_of():
    """A function that gives all that a batch of worlds holds, as bytes and sentences."""

    def look(worlds):
        return [array.tobytes() for array in worlds.state], list(worlds.sentences)

    return look


@pytest.fixture(scope="session")
def assert_same():
    """A function that asserts that nested tuples, dictionaries and arrays are equal throughout."""

    def check(one, two, where="value"):
        if isinstance(one, dict):
            assert isinstance(two, dict), where
            assert one.keys() == two.keys(), where
            for key in one:
                check(one[key], two[key], f"{where}[{key!r}]")
        elif isinstance(one, tuple | list) or (
            isinstance(one, np.ndarray) and one.dtype == np.object_
        ):
            assert type(one) is type(two), where
            assert len(one) == len(two), where
            for k, (a, b) in enumerate(zip(one, two, strict=True)):
                check(a, b, f"{where}[{k}]")
        elif isinstance(one, np.ndarray):
            assert isinstance(two, np.ndarray), where
            assert (one.dtype, one.shape) == (two.dtype, two.shape), where
            assert np.array_equal(one, two), where
        else:
            assert type(one) is type(two), where
            assert one == two, where

    return check

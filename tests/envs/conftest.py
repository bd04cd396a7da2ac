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
    sys.path.append(str(path.parent))  # where it looks for parity_pair and scrambled worlds
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


@pytest.fixture
def furnished(parity):
    """A function that makes a parity pair in an empty room, the agent at (3, 3) looking right, with
    things by their positions and an instruction of minigrid.
    """

    def furnish(things, instr):
        pair = parity.ParityPair("BabyAI-GoToLocal-v0")
        pair.reset(0)
        base = pair.source
        for x in range(1, 7):
            for y in range(1, 7):
                base.grid.set(x, y, None)
        for position, thing in things.items():
            base.put_obj(thing, *position)
        base.agent_pos, base.agent_dir = (3, 3), 0
        base.instrs = instr
        base.mission = instr.surface(base)
        instr.reset_verifier(base)
        assert pair.bring_over() == []
        return pair

    return furnish


@pytest.fixture(scope="session")
def play():
    """A function that takes actions in both environments of a pair; how the last one ended."""

    def take(pair, actions):
        for action in actions:
            differences, terminated, _, success = pair.step(action)
            assert differences == []
        return terminated, success

    return take

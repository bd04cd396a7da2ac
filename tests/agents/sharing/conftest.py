"""A short training, which the tests of sharing export, push and load."""

import pytest

import mmrl
from tests.worlds.lamps import SMALL, Lamps


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    return mmrl.train(Lamps, steps=64, out=tmp_path_factory.mktemp("runs") / "lamps", **SMALL)

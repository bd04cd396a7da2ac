"""What the tests of rollouts share: a folder for Minari, and a way to collect."""

import pytest

from mmrl.data import ExpertSource, RandomSource, Request, collect, find_place

GRID = "mmrl/GoToObjS4-v0"
SOURCES = {"expert": ExpertSource, "random": RandomSource}


@pytest.fixture
def minari_home(tmp_path, monkeypatch):
    """Minari's own folder, empty."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


@pytest.fixture
def collected(minari_home, signals):
    """A function that collects a dataset, and gives its place."""

    def make(name, episodes=10, by="expert", *, env=GRID, source=None, **more):
        request = Request(env, episodes, by, **{"num_envs": 4, **more})
        return collect(request, source or SOURCES[by], find_place(name)).place

    return make

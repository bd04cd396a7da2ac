"""Multimodal reinforcement learning: agents that see an image, read an instruction, and act.

The names below are loaded when they are first used, so that ``import mmrl`` is quick::

    run = mmrl.train("mmrl/GoToRedBallGrey-v0", steps=100_000, out="runs/first")
    mmrl.evaluate(run, episodes=100)["success_rate"]
    mmrl.load_agent("runs/first").predict(observation)
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmrl.api import evaluate, load_agent, train
    from mmrl.models.build import build_model
    from mmrl.models.config import ModelConfig
    from mmrl.models.io import load_model
    from mmrl.wrappers.adapters import make_env, make_vec_env

__all__ = [
    "ModelConfig", "build_model", "evaluate", "load_agent", "load_model", "make_env",
    "make_vec_env", "train",
]  # fmt: skip

_MODULES = {
    "ModelConfig": "mmrl.models.config",
    "build_model": "mmrl.models.build",
    "evaluate": "mmrl.api",
    "load_agent": "mmrl.api",
    "load_model": "mmrl.models.io",
    "make_env": "mmrl.wrappers.adapters",
    "make_vec_env": "mmrl.wrappers.adapters",
    "train": "mmrl.api",
}

try:
    __version__ = version("multimodal-rl")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """A public name, loaded from its module (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module 'mmrl' has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """The module's names, with those that are not loaded yet."""
        return sorted({*globals(), *__all__})

"""Multimodal reinforcement learning: agents that see an image, read an instruction, and act.

The names below are loaded when they are first used, so that ``import mmrl`` is quick::

    run = mmrl.train("mmrl/GoToRedBallGrey-v0", steps=100_000, out="runs/first")
    mmrl.evaluate(run, episodes=100)["success_rate"]
    mmrl.load_agent("runs/first").predict(observation)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmrl.api import evaluate, load_agent, record, resume, train
    from mmrl.models.build import build_model
    from mmrl.models.config import ModelConfig
    from mmrl.models.io import load_model
    from mmrl.sharing.share import export, pull, push
    from mmrl.wrappers.adapters import make_env, make_vec_env

    __version__: str

__all__ = [
    "ModelConfig", "build_model", "evaluate", "export", "load_agent", "load_model", "make_env",
    "make_vec_env", "pull", "push", "record", "resume", "train",
]  # fmt: skip

_MODULES = {
    "ModelConfig": "mmrl.models.config",
    "build_model": "mmrl.models.build",
    "evaluate": "mmrl.api",
    "export": "mmrl.sharing.share",
    "load_agent": "mmrl.api",
    "load_model": "mmrl.models.io",
    "make_env": "mmrl.wrappers.adapters",
    "make_vec_env": "mmrl.wrappers.adapters",
    "pull": "mmrl.sharing.share",
    "push": "mmrl.sharing.share",
    "record": "mmrl.api",
    "resume": "mmrl.api",
    "train": "mmrl.api",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """A public name, loaded from its module (PEP 562); and the version."""
        if name == "__version__":
            value = _version()
        elif name in _MODULES:
            value = getattr(import_module(_MODULES[name]), name)
        else:
            raise AttributeError(f"module 'mmrl' has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """The module's names, with those that are not loaded yet."""
        return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("multimodal-rl")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"

"""Multimodal reinforcement learning: agents that see an image, read an instruction, and act."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("multimodal-rl")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"

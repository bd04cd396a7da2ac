"""Modules by observation key, which may have dots, such as ``observation.images.top``."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView
from typing import Final

from torch import nn

_TAKEN: Final = frozenset(dir(nn.ModuleDict()))
"""What torch would not have as the name of a module, such as ``items``."""


class ModuleTable(nn.ModuleDict):
    """A ``torch.nn.ModuleDict`` whose keys may be any observation key.

    Torch separates the names of nested modules by dots, and keeps the names of its own attributes
    for itself. In the names of weights a dot becomes ``/``, and a ``/`` follows a name that is
    taken; keys that torch would have are as they are.
    """

    def __getitem__(self, key: str) -> nn.Module:
        return super().__getitem__(_name(key))

    def __setitem__(self, key: str, module: nn.Module) -> None:
        super().__setitem__(_name(key), module)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(_name(key))

    def __contains__(self, key: str) -> bool:
        return super().__contains__(_name(key))

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_key())

    def keys(self) -> KeysView[str]:
        """The keys, as they were given."""
        return self._by_key().keys()

    def items(self) -> ItemsView[str, nn.Module]:
        """The keys, as they were given, and their modules."""
        return self._by_key().items()

    def _by_key(self) -> dict[str, nn.Module]:
        return {_key(name): module for name, module in self._modules.items()}


def _name(key: str) -> str:
    name = key.replace(".", "/")
    return f"{name}/" if name in _TAKEN else name


def _key(name: str) -> str:
    return name.removesuffix("/").replace("/", ".")

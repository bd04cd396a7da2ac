"""Level: a declaration and its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from mmrl_envs.grid.generation.level_builder import LevelBuilder

MIDDLE: Final = (1, 1)
"""The middle one of three by three rooms."""


@dataclass(frozen=True)
class Level:
    """A named level: a declaration and the sizes that make it this one.

    Attributes:
        build: declares the level, given its parameters.
        sizes: arguments of ``build`` that differ from its defaults.
    """

    build: Callable[..., LevelBuilder]
    sizes: dict[str, Any] = field(default_factory=dict)

    def builder(self, **sizes: Any) -> LevelBuilder:
        """The builder of this level, with some parameters changed.

        Raises:
            ValueError: a size that this level does not have, or that is impossible.
        """
        known = inspect.signature(self.build).parameters
        for name, value in sizes.items():
            if name not in known:
                raise ValueError(f"unknown parameter {name!r}: this level has {', '.join(known)}")
            kind = type(known[name].default)
            if kind in (bool, int, str) and type(value) is not kind:
                raise ValueError(f"{name}={value!r}: must be {kind.__name__}")
        return self.build(**{**self.sizes, **sizes})

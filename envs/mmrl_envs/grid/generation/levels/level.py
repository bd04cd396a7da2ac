"""What a level is: a declaration and the sizes that make it this one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from mmrl_envs.grid.generation.level_builder import Recipe

MIDDLE: Final = (1, 1)
"""The middle one of three by three rooms."""


@dataclass(frozen=True)
class Level:
    """A named level: a declaration and the sizes that make it this one.

    Attributes:
        build: writes the recipe from the sizes.
        sizes: arguments of ``build`` that differ from its defaults.
    """

    build: Callable[..., Recipe]
    sizes: dict[str, Any] = field(default_factory=dict)

    def recipe(self, **sizes: Any) -> Recipe:
        """The recipe, with some sizes changed.

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

"""Names of actions where the environment declares them, else short numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np
from gymnasium import spaces

_LONGEST: Final = 36  # characters of a label, before how many parts there are

Names = dict[int, Any]


def action_names(env: Any) -> Names:
    """The names of the actions, where the environment declares them: by ``metadata["actions"]``, or
    by an enumeration ``actions`` such as Minigrid's; by their number, from 0.

    For vectors, ``metadata["actions"]`` names the components, or is a list of names for each
    component of a ``MultiDiscrete``.
    """
    declared = env.metadata.get("actions")
    if declared is None:
        enumeration = getattr(env.unwrapped, "actions", None)
        declared = getattr(enumeration, "__members__", ())
        return dict(enumerate(declared))
    if isinstance(declared, Mapping):  # by the action itself
        space = getattr(env, "unwrapped", env).action_space
        first = int(space.start) if isinstance(space, spaces.Discrete) else 0
        numbered = isinstance(next(iter(declared), None), int | np.integer)
        return {int(key) - first: name for key, name in declared.items()} if numbered else {}
    return dict(enumerate(declared)) if isinstance(declared, Sequence) else {}


def first_action(actions: Any, space: spaces.Space[Any]) -> Any:
    """The only action of a batch of one, as :meth:`mmrl.agent.Actor.act` gives it.

    Args:
        actions: an array or a sequence [1, …]; for ``Dict`` and ``Tuple`` spaces also a mapping or
            a tuple of them, one for each entry.
        space: of one action.
    """
    if isinstance(space, spaces.Dict) and isinstance(actions, Mapping):
        return {key: first_action(actions[key], one) for key, one in space.items()}
    if isinstance(space, spaces.Tuple) and isinstance(actions, tuple):
        return tuple(first_action(one, kind) for one, kind in zip(actions, space, strict=True))
    return actions[0]


def action_label(action: Any, space: spaces.Space[Any], names: Names | None = None) -> str:
    """A readable name of an action of any space, in few characters: what does not fit is left out.

    Args:
        action: of the space.
        space: ``Discrete``, ``MultiDiscrete``, ``MultiBinary``, ``Box``, or a ``Dict`` or
            ``Tuple`` of them.
        names: as :func:`action_names` gives them.
    """
    names = names or {}
    if isinstance(space, spaces.Dict):
        named = (f"{key}: {action_label(action[key], one)}" for key, one in space.items())
        return _joined(named, "; ")
    if isinstance(space, spaces.Tuple):
        pairs = zip(action, space, strict=True)
        return _joined((action_label(one, kind) for one, kind in pairs), "; ")
    if isinstance(space, spaces.Discrete):
        number = int(np.asarray(action).reshape(()))
        return str(names.get(number - int(space.start), number))
    if isinstance(space, spaces.MultiBinary):
        return _pressed(np.ravel(action), names)
    if isinstance(space, spaces.MultiDiscrete):
        return _joined(
            _chosen(value, names.get(k), first)
            for k, (value, first) in enumerate(
                zip(np.ravel(action).tolist(), np.ravel(space.start).tolist(), strict=True)
            )
        )
    if isinstance(space, spaces.Box):
        values = np.ravel(action).tolist()
        return _joined(_named(short_number(value), names.get(k)) for k, value in enumerate(values))
    return str(action)


def all_labels(space: spaces.Space[Any], names: Names | None = None) -> list[str]:
    """The labels of all actions of a ``Discrete``, or of a ``MultiDiscrete`` [A], component by
    component; nothing of others.
    """
    names = names or {}
    if isinstance(space, spaces.Discrete):
        first = int(space.start)
        return [action_label(first + k, space, names) for k in range(int(space.n))]
    if isinstance(space, spaces.MultiDiscrete) and len(space.shape or ()) == 1:
        return [
            f"{names.get(k, k)}: {value}"
            for k, count in enumerate(space.nvec.tolist())
            for value in range(count)
        ]
    return []


def short_number(value: float) -> str:
    """A number in few characters."""
    return f"{value + 0:.2f}" if 0.01 <= abs(value) < 1000 else f"{value + 0:.3g}"


def _pressed(values: Any, names: Names) -> str:
    """The names of what is on; the bits where there are none."""
    if len(names) < len(values):
        return _joined(str(int(value)) for value in values)
    return " + ".join(str(names[k]) for k in np.flatnonzero(values).tolist()) or "none"


def _chosen(value: int, names: Any, first: int) -> str:
    """A component: the name of its value, or its own name and the value."""
    if isinstance(names, Sequence) and not isinstance(names, str):
        return str(names[value - first]) if 0 <= value - first < len(names) else str(value)
    return _named(str(value), names)


def _named(value: str, name: Any) -> str:
    return value if name is None else f"{name} {value}"


def _joined(parts: Iterable[str], separator: str = ", ") -> str:
    """As many parts as fit, the first one cut where it is longer; and how many there are."""
    every = list(parts)
    ends = accumulate(len(part) + len(separator) for part in every)
    count = max(1, sum(end - len(separator) <= _LONGEST for end in ends))
    shown = separator.join(every[:count])
    if len(shown) > _LONGEST:
        shown = f"{shown[: _LONGEST - 1]}…"
    return shown if count >= len(every) else f"{shown}{separator}… ({len(every)} in all)"

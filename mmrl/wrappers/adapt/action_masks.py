"""Where an environment's action masks come from: an observation, an info, or a method."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.action_masks import Mask, mask_sizes, mask_space
from mmrl.contract import ACTION_MASK
from mmrl.errors import UserError
from mmrl.wrappers.action_mappings import Chain, Combined
from mmrl.wrappers.action_plan import Merged, mappings
from mmrl.wrappers.adapt.config import ADAPTER, AUTO, NONE
from mmrl.wrappers.adapt.instruction import Moment
from mmrl.wrappers.nested_spaces import Leaf, describe, leaves

NAMES: Final = (
    ACTION_MASK, "action_masks", "valid_action_mask", "avail_actions", "available_actions",
    "legal_actions", "legal_moves", "valid_actions",
)  # fmt: skip
"""Names under which environments have their masks, the likeliest first."""
_CERTAIN: Final = NAMES[:3]  # what has such a name is a mask, or is meant to be one
_INFO: Final = "info."
_ATTRIBUTE: Final = "attribute."
_OPTION: Final = f"{ADAPTER}.action_masks"

Reader = Callable[[Moment], Any]


class MaskError(ValueError):
    """A mask that cannot be: of another length, with other numbers than 0 and 1, or without any
    valid action.
    """


class MaskSource(NamedTuple):
    """Where the action masks come from.

    Attributes:
        name: as the configuration names it.
        space: of a mask as agents get it, int8 [n]; None where the masks are not used.
        read: the mask of a moment, int8 [n]; of an episode's end, if the second argument says so,
            where it may be absent, or allow nothing. None where ``space`` is.
        entries: of the observation that it uses.
        note: for people.
    """

    name: str
    space: spaces.Box | None
    read: Callable[[Moment, bool], Mask] | None
    entries: tuple[str, ...]
    note: str


class MaskLayout:
    """The layout of an environment's masks: converts them to the agent's, int8 [n].

    Of a ``Discrete`` they have [n] numbers, of a ``MultiDiscrete`` of any shape one for each value
    of each component, [sum(nvec)], or a tuple of arrays, as Gymnasium's ``sample(mask)`` takes it.
    Of a ``Dict`` or ``Tuple`` they are nested in the same way, and what is absent or None is valid;
    or they are one vector of all parts. Where the agent's actions are combinations, one is valid
    if all its components are.

    Args:
        space: the environment's actions.
        bins: as of :func:`mmrl.wrappers.action_plan.mappings`.

    Attributes:
        space: the agent's actions.
        sizes: actions of each component; None where the agent's actions have no masks.
    """

    def __init__(self, space: spaces.Space[Any], bins: int | None = None) -> None:
        links = mappings(space, bins)
        self.space = links[-1].space if links else space
        self._is_combined = bool(links) and isinstance(links[-1], Combined)
        has_masks = bins is None or mask_sizes(Chain(space, mappings(space)).space) is not None
        components = links[-1].source if self._is_combined else self.space
        self.sizes = mask_sizes(components) if has_masks else None
        merged = links[0] if links and isinstance(links[0], Merged) else None
        parts = [] if merged is None or self.sizes is None else merged.part_sizes()
        self._parts: list[tuple[Leaf, int]] = list(
            zip(leaves(space) if parts else [], parts, strict=True)
        )
        self._starts = np.cumsum([0, *(self.sizes or [])])[:-1]

    def convert(self, mask: Any, *, is_over: bool = False) -> Mask:
        """An environment's mask → the agent's, int8 [n].

        Args:
            mask: it.
            is_over: whether the episode has ended, and nothing may be valid any more.

        Raises:
            MaskError: as described there.
        """
        valid = self._flat(mask)
        some = np.logical_or.reduceat(valid, self._starts)
        if not some.all():
            if not is_over:
                of = "" if len(some) == 1 else f" of component {int(np.argmin(some))}"
                raise MaskError(
                    f"the action mask allows no action{of}: at least one has to be valid until "
                    "the episode ends"
                )
            valid = valid | np.repeat(~some, self.sizes or [])
        if self._is_combined:
            valid = reduce(np.logical_and.outer, np.split(valid, self._starts[1:])).ravel()
        return valid.astype(np.int8)

    def _flat(self, mask: Any) -> NDArray[np.bool_]:
        """Which actions are valid, bool [n]."""
        if not self._parts or not (isinstance(mask, Mapping) or _is_nested(mask)):
            return _truths(mask, sum(self.sizes or []))
        parts = [_part(mask, leaf) for leaf, _ in self._parts]
        if all(one is None for one in parts):
            names = ", ".join(leaf.path for leaf, _ in self._parts)
            raise MaskError(f"the action mask has no part of the actions, which are {names}")
        return np.concatenate([
            np.ones(count, np.bool_) if one is None else _truths(one, count)
            for one, (_, count) in zip(parts, self._parts, strict=True)
        ])  # fmt: skip


def find_action_masks(
    given: Any,
    found: Mapping[str, Leaf],
    env: gym.Env[Any, Any],
    info: Mapping[str, Any] | None,
    sample: Any = None,
    bins: int | None = None,
) -> MaskSource | None:
    """The source of an environment's action masks; None where it has none.

    Args:
        given: what the configuration says; None or "auto" finds it under one of :data:`NAMES`: in
            the observation, in the info of a reset, or as an attribute or a method without
            arguments of the environment or of one of its wrappers.
        found: the entries of the observation.
        env: the environment; it has been reset where ``info`` is given.
        info, sample: info and observation of a reset; None where there was none.
        bins: as of :func:`mmrl.wrappers.action_plan.mappings`.

    Raises:
        UserError: the configuration names what there is not, or what is no mask.
    """
    if given == NONE:
        return None
    layout = _layout(env.action_space, bins)
    if given not in (None, AUTO):
        return _configured(given, layout, found, env)
    if layout is None:
        return None
    refused: MaskSource | None = None
    for name, entries, read in _candidates(found, env, info):
        first = Moment({path: found[path].value(sample) for path in entries}, info or {}, env)
        why = _why_not(layout, read, first)
        if why is None:
            return _source(name, layout, entries, read)
        if refused is None and name.rpartition(".")[2] in _CERTAIN:
            refused = MaskSource(name, None, None, (), f"action masks are not used: {why}")
    return refused


def may_have_masks(env: gym.Env[Any, Any]) -> bool:
    """Whether an environment that fulfils the contract offers masks that are not, as they are,
    what the contract has. It is reset only where its metadata does not declare ``info_keys``.
    """
    space: Any = env.observation_space
    wanted = mask_space(env.action_space)
    if ACTION_MASK in space.spaces and space[ACTION_MASK] == wanted:
        return False
    if _layout(env.action_space) is None:
        return False
    if any(name in space.spaces or _is_readable(env, name) for name in NAMES):
        return True
    declared = (env.metadata or {}).get("info_keys")
    if isinstance(declared, Mapping):
        return any(name in declared for name in NAMES)
    try:
        _, info = env.reset()
        return any(name in info for name in NAMES)
    except Exception:  # of any kind; the first real reset says so
        return False


def has_masked_actions(space: spaces.Space[Any]) -> bool:
    """Whether an environment's actions are of a kind that may have masks."""
    return _layout(space) is not None


def engine_has_masks(batch: Any) -> bool:
    """Whether a batched engine offers masks elsewhere than in its observations."""
    if ACTION_MASK in batch.single_observation_space.spaces:
        return False
    declared = (batch.metadata or {}).get("info_keys")
    return any(hasattr(batch.unwrapped, name) for name in NAMES) or (
        isinstance(declared, Mapping) and any(name in declared for name in NAMES)
    )


def _layout(space: spaces.Space[Any], bins: int | None = None) -> MaskLayout | None:
    """The layout of masks; None for actions that have none."""
    try:
        layout = MaskLayout(space, bins)
    except UserError:  # actions of no known kind, which are refused elsewhere
        return None
    return None if layout.sizes is None else layout


def _candidates(
    found: Mapping[str, Leaf], env: gym.Env[Any, Any], info: Mapping[str, Any] | None
) -> list[tuple[str, tuple[str, ...], Reader]]:
    """What has the name of a mask: its name, the entries that it uses, and how it is read."""
    ranked = [(path, path.rpartition(".")[2]) for path in found]
    entries = [path for name in NAMES for path, last in ranked if last == name]
    infos = [name for name in NAMES if info is not None and name in info]
    attributes = [name for name in NAMES if _is_readable(env, name)]
    return [
        *((path, (path,), _of_entry(path)) for path in entries),
        *((_INFO + key, (), _of_info(key)) for key in infos),
        *((_ATTRIBUTE + name, (), _of_attribute(name)) for name in attributes),
    ]


def _configured(
    given: Any, layout: MaskLayout | None, found: Mapping[str, Leaf], env: gym.Env[Any, Any]
) -> MaskSource:
    named = f"{_OPTION}={given!r}"
    if layout is None:
        raise UserError(
            f"{named}: only Discrete and MultiDiscrete actions have masks, and the environment has "
            f"{describe(env.action_space)}; leave it out"
        )
    if isinstance(given, str) and given in found:
        return _source(given, layout, (given,), _of_entry(given))
    if isinstance(given, str) and given.startswith(_INFO):
        return _source(given, layout, (), _of_info(given.removeprefix(_INFO)))
    if isinstance(given, str) and given.startswith(_ATTRIBUTE):
        name = given.removeprefix(_ATTRIBUTE)
        if not _is_readable(env, name):
            raise UserError(f"{named}: the environment has no {name!r} that takes no arguments")
        return _source(given, layout, (), _of_attribute(name))
    raise UserError(
        f"{named}: give {AUTO}, {NONE}, an entry of the observation, {_INFO}KEY or "
        f"{_ATTRIBUTE}NAME; the observation has {', '.join(found) or 'no entries'}"
    )


def _source(
    name: str, layout: MaskLayout, entries: tuple[str, ...], read: Reader
) -> MaskSource:  # fmt: skip
    space = mask_space(layout.space)
    assert space is not None

    def convert(now: Moment, is_over: bool) -> Mask:
        given = read(now)
        if given is None:
            if is_over:
                return np.ones(space.shape, np.int8)
            raise MaskError(f"there is no {name}: give it with every reset and step")
        return layout.convert(given, is_over=is_over)

    note = "action masks: only valid actions are chosen"
    return MaskSource(name, space, convert, entries, note)


def _of_entry(path: str) -> Reader:
    return lambda now: now.entries[path]


def _of_info(key: str) -> Reader:
    return lambda now: now.info.get(key)


def _of_attribute(name: str) -> Reader:
    def read(now: Moment) -> Any:
        value = now.env.get_wrapper_attr(name)
        return value() if callable(value) else value

    return read


def _is_readable(env: gym.Env[Any, Any], name: str) -> bool:
    """Whether an environment has an attribute, or a method that needs no arguments."""
    try:
        value = env.get_wrapper_attr(name)
        if callable(value):
            inspect.signature(value).bind()
    except (AttributeError, TypeError, ValueError):
        return False
    return value is not None


def _why_not(layout: MaskLayout, read: Reader, first: Moment) -> str | None:
    """Why what an environment gives first is no mask; None where it is one."""
    try:
        layout.convert(read(first), is_over=True)
    except MaskError as error:
        return str(error)
    except Exception as error:  # of any kind, from the environment
        return f"{type(error).__name__}: {error}"
    return None


def _truths(mask: Any, count: int) -> NDArray[np.bool_]:
    """A mask of numbers 0 and 1, or of truth values, in arrays of any shape → bool [count].

    Raises:
        MaskError: it is something else.
    """
    values = _numbers(mask)
    if values.dtype.kind not in "biuf":
        raise MaskError(f"the action mask is {type(mask).__name__}: give {count} numbers, 0 or 1")
    if values.size != count:
        raise MaskError(
            f"the action mask has {values.size} numbers, and there are {count} actions: give 0 or "
            "1 for each of them"
        )
    valid: NDArray[np.bool_] = values.astype(np.bool_)
    if values.dtype.kind != "b" and not (values == valid).all():
        wrong = values[values != valid][0]
        raise MaskError(f"the action mask holds {wrong}: give 0 or 1 for each action")
    return valid


def _is_nested(mask: Any) -> bool:
    """Whether a mask is a tuple or list of more than numbers."""
    return isinstance(mask, tuple | list) and any(
        one is None or isinstance(one, Mapping | tuple | list | np.ndarray) for one in mask
    )


def _part(mask: Any, leaf: Leaf) -> Any:
    """The part of a nested mask; None where there is none."""
    try:
        return leaf.value(mask)
    except (LookupError, TypeError):
        return None


def _numbers(mask: Any) -> NDArray[Any]:
    """The numbers of a mask, one after the other."""
    if _is_nested(mask):
        return np.concatenate([_numbers(one) for one in mask])
    try:
        return np.ravel(np.asarray(mask))
    except ValueError:  # of no regular shape
        return np.array([mask], object)

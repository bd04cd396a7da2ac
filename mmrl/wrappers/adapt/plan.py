"""The plan of an adapter: each entry of an environment's observation, what it becomes, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from mmrl.contract import IMAGE, INSTRUCTION, IS_SUCCESS, SPEECH, is_vector
from mmrl.errors import UserError
from mmrl.wrappers.adapt.config import ADAPTER, RENDER, AdapterConfig
from mmrl.wrappers.adapt.images import read_images
from mmrl.wrappers.adapt.instruction import InstructionSource, find_instruction
from mmrl.wrappers.adapt.success import SuccessSource, find_success
from mmrl.wrappers.adapt.texts import is_text_space
from mmrl.wrappers.adapt.vectors import read_vector

STATE: Final = "state"
"""The key of an observation that is a vector, without a name of its own."""
_WHOLE: Final = "observation"  # the path of an observation that is no Dict
_MAIN: Final = ("image", "rgb", "pixels", "screen", "camera", "observation", "obs", "front")
_RESERVED: Final = (INSTRUCTION, SPEECH, "goal")
MAX_CHARACTERS: Final = 4_096
"""Longest instruction of an environment that does not declare one."""
_PRINTABLE: Final = "".join(map(chr, range(32, 127)))


class Entry(NamedTuple):
    """One entry of the adapted observation, or one that is left out.

    Attributes:
        path: of the environment's own entry.
        space: of that entry.
        key: in the adapted observation; None where it is left out.
        becomes: its space there.
        convert: value → value; None where it stays as it is.
        note: what happens to it, and why.
    """

    path: str
    space: gym.Space[Any]
    key: str | None
    becomes: gym.Space[Any] | None
    convert: Callable[[Any], Any] | None
    note: str


@dataclass(frozen=True)
class AdapterPlan:
    """What an adapter makes of an environment.

    Attributes:
        entries: of the observation, in the order of the environment's own.
        instruction: where the instruction comes from; None without one.
        success: where the success of an episode comes from.
        renders: the shape of the rendered image that is the main image; None where it is not.
        config: that the plan was made for.
        text: space of the instruction.
    """

    entries: tuple[Entry, ...]
    instruction: InstructionSource | None
    success: SuccessSource
    renders: tuple[int, int, int] | None
    config: AdapterConfig
    text: spaces.Text

    @property
    def observation_space(self) -> spaces.Dict:
        """Of the adapted environment."""
        found: dict[str, gym.Space[Any]] = {}
        if self.renders is not None:
            found[IMAGE] = spaces.Box(0, 255, self.renders, np.uint8)
        for one in self.entries:
            if one.key is not None and one.becomes is not None:
                found[one.key] = one.becomes
        if self.instruction is not None:
            found[INSTRUCTION] = self.text
        return spaces.Dict(found)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """What the plan does, for people: entry, its space, its key, and a note."""
        rows = [
            (one.path, described(one.space), one.key or "left out", one.note)
            for one in self.entries
        ]
        if self.renders is not None:
            rows.append(("render()", f"uint8 {list(self.renders)}", IMAGE, "the rendered image"))
        if self.instruction is not None:
            rows.append((self.instruction.name, "text", INSTRUCTION, self.instruction.note))
        rows.append(("success", "", IS_SUCCESS, self.success.note))
        return rows


def leaves(space: gym.Space[Any], path: str = "") -> Iterator[tuple[str, gym.Space[Any]]]:
    """The entries of a nested space, by their path."""
    if isinstance(space, spaces.Dict):
        children = [(str(key), one) for key, one in space.spaces.items()]
    elif isinstance(space, spaces.Tuple):
        children = [(str(number), one) for number, one in enumerate(space.spaces)]
    else:
        yield path or _WHOLE, space
        return
    for name, one in children:
        yield from leaves(one, f"{path}.{name}" if path else name)


def flatten(value: Any, space: gym.Space[Any], path: str = "") -> dict[str, Any]:
    """The entries of a nested observation, by their path, as :func:`leaves` has them."""
    flat: dict[str, Any] = {}
    _flatten(value, space, path, flat)
    return flat


def _flatten(value: Any, space: gym.Space[Any], path: str, flat: dict[str, Any]) -> None:
    if isinstance(space, spaces.Dict):
        for key, one in space.spaces.items():
            _flatten(value[key], one, f"{path}.{key}" if path else str(key), flat)
    elif isinstance(space, spaces.Tuple):
        for number, one in enumerate(space.spaces):
            _flatten(value[number], one, f"{path}.{number}" if path else str(number), flat)
    else:
        flat[path or _WHOLE] = value


def make_plan(env: gym.Env[Any, Any], config: AdapterConfig) -> AdapterPlan:
    """Understand an environment: which entries of its observation are images, vectors and text.

    The environment is reset where a sample decides: whether four channels are RGBA or a stack, and
    where the instruction is, if no entry is text.

    Raises:
        UserError: nothing of it can be used, or the configuration names what there is not.
    """
    space = env.observation_space
    found = dict(leaves(space))
    for name in config.leave_out:
        if name not in found:
            raise _no_entry("leave_out", name, found)
    texts = [
        path for path, one in found.items() if path not in config.leave_out and is_text_space(one)
    ]
    sample, info = _sample(env) if _needs_sample(found, texts, config) else (None, None)
    source = find_instruction(config.instruction, texts, found, env, info)
    used = source.entries if source is not None else ()
    values = {} if sample is None else flatten(sample, space)
    entries = [
        entry
        for path, one in found.items()
        for entry in _read(path, one, values.get(path), config, used)
    ]
    renders = _rendered_shape(env) if config.image == RENDER else None
    entries = _with_main_image(entries, config, found, has_main=renders is not None)
    if renders is None and all(one.key in (None, SPEECH) for one in entries):
        raise UserError(
            f"environment {_name(env)!r} has nothing to see: its observations are {space}. "
            f"Give {ADAPTER}.image=render to use what it renders"
        )
    text = found[used[0]] if len(used) == 1 else None
    if not isinstance(text, spaces.Text):
        text = spaces.Text(MAX_CHARACTERS, min_length=0, charset=_PRINTABLE)
    return AdapterPlan(tuple(entries), source, find_success(config.success), renders, config, text)


def _read(
    path: str,
    space: gym.Space[Any],
    sample: Any,
    config: AdapterConfig,
    used: tuple[str, ...],
) -> list[Entry]:
    """What becomes of one entry: one of several images, a vector, or nothing."""
    if path in config.leave_out:
        return [_left_out(path, space, "by the configuration")]
    if path in used:
        return []  # it is in the table as the instruction's source
    if is_text_space(space):
        return [_left_out(path, space, "text beside the instruction")]
    key = _key(path)
    if path == SPEECH and is_vector(space):
        return [Entry(path, space, SPEECH, space, None, "the spoken instruction")]
    if isinstance(space, spaces.Box):
        images = read_images(space, sample)
        if images:
            return [
                Entry(path, space, key + one.suffix, spaces.Box(0, 255, one.shape, np.uint8),
                      one.convert, one.note)
                for one in images
            ]  # fmt: skip
    vector = read_vector(space)
    if vector is None:
        return [_left_out(path, space, "neither an image, numbers nor text")]
    name = STATE if path == _WHOLE else f"{key}_" if key == IMAGE else key
    return [Entry(path, space, name, vector.space, vector.convert, vector.note)]


def _left_out(path: str, space: gym.Space[Any], why: str) -> Entry:
    return Entry(path, space, None, None, None, why)


def _key(path: str) -> str:
    """The key of an entry in the adapted observation."""
    key = re.sub(r"[^\w.-]", "_", path)
    return f"{key}_" if key in _RESERVED else key


def _with_main_image(
    entries: list[Entry], config: AdapterConfig, found: dict[str, Any], *, has_main: bool
) -> list[Entry]:
    """The entries with the main image under ``image``."""
    images = [one for one in entries if _is_image(one)]
    if config.image not in (None, RENDER):
        main = next((one for one in images if one.path == config.image), None)
        if main is None:
            raise _no_entry("image", str(config.image), {one.path: one for one in images} or found)
    elif has_main or not images:
        main = None
    else:
        main = min(images, key=lambda one: (one.key or "").endswith(tuple("123456789")))
        named = [one for one in images if one.key and one.key.rpartition(".")[2] in _MAIN]
        main = min(named, key=lambda one: _MAIN.index((one.key or "").rpartition(".")[2]),
                   default=main)  # fmt: skip
    taken = [one for one in entries if one.key == IMAGE and one is not main and (main or has_main)]
    renamed = []
    for one in entries:
        if one is main:
            one = one._replace(key=IMAGE)
        elif one in taken:
            one = one._replace(key=f"{IMAGE}_2")
        renamed.append(one)
    return renamed


def _is_image(entry: Entry) -> bool:
    return entry.becomes is not None and len(entry.becomes.shape or ()) == 3


def _needs_sample(
    found: Mapping[str, gym.Space[Any]], texts: list[str], config: AdapterConfig
) -> bool:
    four = any(
        isinstance(one, spaces.Box) and len(one.shape) == 3 and 4 in (one.shape[0], one.shape[2])
        for one in found.values()
    )
    return four or (config.instruction is None and not texts)


def _sample(env: gym.Env[Any, Any]) -> tuple[Any, Mapping[str, Any]]:
    observation, info = env.reset(seed=0)
    return observation, info


def _rendered_shape(env: gym.Env[Any, Any]) -> tuple[int, int, int]:
    """The shape of what the environment renders.

    Raises:
        UserError: it renders no image.
    """
    env.reset(seed=0)
    frame = np.asarray(env.render())
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise UserError(
            f"{ADAPTER}.image=render: environment {_name(env)!r} renders {frame.dtype} "
            f"{list(frame.shape)} instead of uint8 [H, W, 3]; give env_args.render_mode=rgb_array"
        )
    return frame.shape


def _no_entry(option: str, name: str, found: Mapping[str, Any]) -> UserError:
    return UserError(
        f"{ADAPTER}.{option}={name!r}: the observation has no such entry; it has "
        f"{', '.join(found) or 'none'}"
    )


def _name(env: gym.Env[Any, Any]) -> str:
    return env.spec.id if env.spec else str(env)


def described(space: gym.Space[Any]) -> str:
    """A space in few characters, such as ``uint8 [84, 84, 4]``."""
    if isinstance(space, spaces.Box):
        return f"{space.dtype} {list(space.shape)}"
    if isinstance(space, spaces.Text) or is_text_space(space):
        return "text"
    return str(space)[:60]

"""The plan of an adapter: each entry of an environment's observation, what it becomes, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from mmrl.contract import ACTION_MASK, IMAGE, INSTRUCTION, IS_SUCCESS, SPEECH, is_vector
from mmrl.errors import UserError
from mmrl.wrappers.adapt.action_masks import MaskSource, find_action_masks, has_masked_actions
from mmrl.wrappers.adapt.config import ADAPTER, AUTO, RENDER, AdapterConfig
from mmrl.wrappers.adapt.images import Resize, read_images
from mmrl.wrappers.adapt.instruction import InstructionSource, find_instruction
from mmrl.wrappers.adapt.success import SuccessSource, find_success
from mmrl.wrappers.adapt.texts import is_text_space
from mmrl.wrappers.adapt.vectors import read_vector
from mmrl.wrappers.nested_spaces import Leaf, describe, leaves

STATE: Final = "state"
"""The key of an observation that is a vector, without a name of its own."""
_WHOLE: Final = "observation"  # the path of an observation that is no Dict
_MAIN: Final = ("image", "rgb", "pixels", "screen", "camera", "observation", "obs", "front")
_RESERVED: Final = (INSTRUCTION, SPEECH, ACTION_MASK, "goal")
MAX_CHARACTERS: Final = 4_096
"""Longest instruction of an environment that does not declare one."""
_PRINTABLE: Final = "".join(map(chr, range(32, 127)))


class Entry(NamedTuple):
    """One entry of the adapted observation, or one that is left out.

    Attributes:
        leaf: the environment's own entry.
        key: in the adapted observation; None where it is left out.
        becomes: its space there.
        convert: value → value; None where it stays as it is.
        note: what happens to it, and why.
    """

    leaf: Leaf
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
        masks: where the action masks come from; None without any.
    """

    entries: tuple[Entry, ...]
    instruction: InstructionSource | None
    success: SuccessSource
    renders: tuple[int, int, int] | None
    config: AdapterConfig
    text: spaces.Text
    masks: MaskSource | None = None

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
        if self.masks is not None and self.masks.space is not None:
            found[ACTION_MASK] = self.masks.space
        return spaces.Dict(found)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """What the plan does, for people: entry, its space, its key, and a note."""
        rows = [
            (named(one.leaf), described(one.leaf.space), one.key or "left out", one.note)
            for one in self.entries
        ]
        if self.renders is not None:
            note = "the rendered image" + (", resized" if self.config.image_size else "")
            rows.append(("render()", f"uint8 {list(self.renders)}", IMAGE, note))
        if self.instruction is not None:
            rows.append((self.instruction.name, "text", INSTRUCTION, self.instruction.note))
        if self.masks is not None:
            space = self.masks.space
            became = ("", "left out") if space is None else (described(space), ACTION_MASK)
            rows.append((self.masks.name, *became, self.masks.note))
        rows.append(("success", "", IS_SUCCESS, self.success.note))
        return rows


def make_plan(env: gym.Env[Any, Any], config: AdapterConfig) -> AdapterPlan:
    """Understand an environment: which entries of its observation are images, vectors and text.

    The environment is reset where a sample decides: whether four channels are RGBA or a stack, and
    where the instruction is, if no entry is text, and where the masks of discrete actions are.

    Raises:
        UserError: nothing of it can be used, or the configuration names what there is not.
    """
    space = env.observation_space
    found = {named(leaf): leaf for leaf in leaves(space)}
    for name in config.leave_out:
        if name not in found:
            raise _no_entry("leave_out", name, found)
    kept = {name: leaf for name, leaf in found.items() if name not in config.leave_out}
    texts = [name for name, leaf in kept.items() if is_text_space(leaf.space)]
    sample, info = _sample(env) if _needs_sample(env, kept, texts, config) else (None, None)
    source = find_instruction(config.instruction, texts, found, env, info)
    masks = find_action_masks(config.action_masks, kept, env, info, sample, config.discrete_actions)
    used = (*(source.entries if source else ()), *(masks.entries if masks else ()))
    entries = [_left_out(found[name], "by the configuration") for name in config.leave_out]
    for name, leaf in kept.items():
        if name not in used:  # those are in the table as the source of instruction or masks
            entries += _read(leaf, None if sample is None else leaf.value(sample))
    renders = _rendered_shape(env, config) if config.image == RENDER else None
    if config.image_size is not None:
        entries = [_resized(one, config.image_size) for one in entries]
    entries = _with_main_image(entries, config, has_main=renders is not None)
    if renders is None and all(one.key in (None, SPEECH) for one in entries):
        raise UserError(
            f"environment {_name(env)!r} has nothing to see: its observations are {space}. "
            f"Give {ADAPTER}.image=render to use what it renders"
        )
    read = () if source is None else source.entries
    text = found[read[0]].space if len(read) == 1 else None
    if not isinstance(text, spaces.Text):
        text = spaces.Text(MAX_CHARACTERS, min_length=0, charset=_PRINTABLE)
    return AdapterPlan(tuple(entries), source, find_success(config.success), renders, config, text,
                       masks)  # fmt: skip


def named(leaf: Leaf) -> str:
    """The name of an entry, for people: its path."""
    return leaf.path or _WHOLE


def _read(leaf: Leaf, sample: Any) -> list[Entry]:
    """What becomes of one entry: images, a vector, or nothing."""
    space = leaf.space
    if is_text_space(space):
        return [_left_out(leaf, "text beside the instruction")]
    key = _key(named(leaf))
    if leaf.path == SPEECH and is_vector(space):
        return [Entry(leaf, SPEECH, space, None, "the spoken instruction")]
    images = read_images(space, sample) if isinstance(space, spaces.Box) else []
    if images:
        return [
            Entry(leaf, key + one.suffix, spaces.Box(0, 255, one.shape, np.uint8), one.convert,
                  one.note)
            for one in images
        ]  # fmt: skip
    vector = read_vector(space)
    if vector is None:
        return [_left_out(leaf, "neither an image, numbers nor text")]
    name = {_WHOLE: STATE, IMAGE: f"{IMAGE}_"}.get(key, key)
    return [Entry(leaf, name, vector.space, vector.convert, vector.note)]


def _left_out(leaf: Leaf, why: str) -> Entry:
    return Entry(leaf, None, None, None, why)


def _key(path: str) -> str:
    """The key of an entry in the adapted observation."""
    key = re.sub(r"[^\w.-]", "_", path)
    return f"{key}_" if key in _RESERVED else key


def _with_main_image(entries: list[Entry], config: AdapterConfig, *, has_main: bool) -> list[Entry]:
    """The entries with the main image under ``image``, and no key twice."""
    main = None if has_main else _main_image(entries, config)
    taken = {None, *([IMAGE] if main or has_main else [])}
    renamed = []
    for one in entries:
        key = IMAGE if one is main else one.key
        if one is not main and key is not None:
            key = f"{IMAGE}_2" if key in taken and key == IMAGE else key
            while key in taken:
                key += "_"
        taken.add(key)
        renamed.append(one._replace(key=key))
    return renamed


def _main_image(entries: list[Entry], config: AdapterConfig) -> Entry | None:
    """The image that the configuration names, else one with a usual name, else the first; None
    where there are no images.
    """
    images = [one for one in entries if _is_image(one)]
    if config.image is not None:
        chosen = next((one for one in images if named(one.leaf) == config.image), None)
        if chosen is None:
            raise _no_entry(
                "image", config.image, {named(one.leaf): one for one in images or entries}
            )
        return chosen
    if not images:
        return None
    names = [str(one.key).rpartition(".")[2] for one in images]
    ranks = [_MAIN.index(name) if name in _MAIN else len(_MAIN) for name in names]
    return images[ranks.index(min(ranks))]


def _resized(entry: Entry, size: tuple[int, int]) -> Entry:
    """An entry whose image is resized; another as it is."""
    if not _is_image(entry):
        return entry
    note = ", ".join(filter(None, (entry.note, f"→ {size[0]} x {size[1]} pixels")))
    becomes = spaces.Box(0, 255, (*size, 3), np.uint8)
    return entry._replace(becomes=becomes, convert=Resize(size, entry.convert), note=note)


def _is_image(entry: Entry) -> bool:
    return entry.becomes is not None and len(entry.becomes.shape or ()) == 3


def _needs_sample(
    env: gym.Env[Any, Any], found: Mapping[str, Leaf], texts: list[str], config: AdapterConfig
) -> bool:
    """Whether an observation, or an info, decides what something is."""
    boxes = [one.space for one in found.values() if isinstance(one.space, spaces.Box)]
    four = any(len(box.shape) == 3 and 4 in (box.shape[0], box.shape[2]) for box in boxes)
    if config.action_masks in (None, AUTO) and has_masked_actions(env.action_space):
        return True
    return four or (config.instruction is None and not texts)


def _rendered_shape(env: gym.Env[Any, Any], config: AdapterConfig) -> tuple[int, int, int]:
    """The shape of what the environment renders, after resizing.

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
    return frame.shape if config.image_size is None else (*config.image_size, 3)


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
    return "text" if is_text_space(space) else describe(space)


def _sample(env: gym.Env[Any, Any]) -> tuple[Any, dict[str, Any]]:
    """The first observation of an episode, and its info.

    Raises:
        UserError: whatever the environment raises.
    """
    try:
        observation, info = env.reset(seed=0)
    except Exception as error:  # of any kind, from another package
        name = env.spec.id if env.spec else type(env.unwrapped).__name__
        raise UserError(
            f"environment {name} (seeded with 0) raised in reset {type(error).__name__}: {error}"
        ) from error
    return observation, info

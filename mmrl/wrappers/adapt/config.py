"""The configuration of the adapter: the YAML section ``env_adapter``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from mmrl.errors import UserError, unknown
from mmrl.wrappers.adapt.images import SMALLEST

ADAPTER: Final = "env_adapter"
"""The key of a configuration, and of an environment's arguments, that holds it."""
RENDER: Final = "render"
NONE: Final = "none"
AUTO: Final = "auto"
TERMINATED: Final = "terminated_with_reward"


@dataclass(frozen=True)
class AdapterConfig:
    """What of an environment's observations is used, and as what; what is not given is found by
    itself.

    Entries of nested observations are named by their path, such as ``observation.images.top``.

    Attributes:
        image: the entry that is the main image, or "render" for what the environment renders.
        image_size: height and width that all images are resized to, before they are stored.
        leave_out: entries that are not used.
        instruction: where the instruction comes from: an entry; "info.KEY"; "attribute.NAME", an
            attribute or a method without arguments; "none"; or a mapping: {text: a fixed sentence},
            or {from: ENTRY, template: "pick object {i}"}, with {i} the number of a one-hot goal, or
            {name}, the i-th of ``names``.
        success: what an episode's success is: an entry of the last info, such as "is_success";
            "terminated_with_reward"; {return_above: x}; or "none", where it is unknown.
        action_masks: where the masks of valid actions come from: "auto", which looks for them; an
            entry; "info.KEY"; "attribute.NAME", an attribute or a method without arguments; or
            "none", which does without.
        discrete_actions: values of each continuous number of the actions, at least 2; the actions,
            of whatever kind, are then a ``Discrete`` of all combinations.
        time_limit: steps after which an episode is truncated.
        reward_scale: by which rewards are multiplied.
    """

    image: str | None = None
    image_size: tuple[int, int] | None = None
    leave_out: tuple[str, ...] = ()
    instruction: Any = None
    success: Any = None
    action_masks: Any = None
    discrete_actions: int | None = None
    time_limit: int | None = None
    reward_scale: float | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any] | None) -> Self:
        """As the YAML file has it.

        Raises:
            UserError: an unknown key, or a value of another type.
        """
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            raise UserError(f"{ADAPTER}={given!r}: give a mapping, such as {{image: render}}")
        known = [one.name for one in fields(cls)]
        for key in given:
            if key not in known:
                raise unknown(f"option of {ADAPTER}", str(key), known)
        leave_out = given.get("leave_out") or ()
        leave_out = (leave_out,) if isinstance(leave_out, str) else tuple(map(str, leave_out))
        size = given.get("image_size")
        if size is not None and not _is_size(size):
            raise UserError(
                f"{ADAPTER}.image_size={size!r}: give height and width in pixels, each at "
                f"least {SMALLEST}, such as [64, 64]"
            )
        size = None if size is None else tuple(size)
        config = cls(**{**given, "leave_out": leave_out, "image_size": size})
        _check_number(config.time_limit, "time_limit", int)
        _check_number(config.reward_scale, "reward_scale", float)
        _check_number(config.discrete_actions, "discrete_actions", int, least=2)
        if not isinstance(config.image, str | None):
            raise UserError(f"{ADAPTER}.image={config.image!r}: give the name of an entry")
        return config


def _is_size(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(side, int) and side >= SMALLEST for side in value)
    )


def _check_number(value: Any, name: str, kind: type[int | float], least: int | None = None) -> None:
    if value is None:
        return
    is_number = isinstance(value, int | kind) and not isinstance(value, bool)
    if is_number and (float(value) > 0 if least is None else value >= least):
        return
    wanted = "a number above 0" if least is None else f"an integer of at least {least}"
    raise UserError(f"{ADAPTER}.{name}={value!r}: give {wanted}")

"""The environment's summary: its images, vectors, instruction, actions and success in one row."""

from __future__ import annotations

from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from os import devnull
from typing import Any, Final
from warnings import catch_warnings, simplefilter

import gymnasium as gym

from mmrl.contract import IS_SUCCESS, is_image, sensors
from mmrl.errors import UserError
from mmrl.text_output import printable
from mmrl.wrappers.adapt.plan import described
from mmrl.wrappers.adapters import make_env
from mmrl.wrappers.making import contract_adapter, has_instruction
from mmrl.wrappers.nested_spaces import describe

COLUMNS: Final = ("id", "image", "vectors", "instruction", "actions", "success")
_NONE: Final = "-"
_LONGEST: Final = 160  # characters of an exception


@dataclass(frozen=True)
class EnvSummary:
    """What an agent would get of an environment.

    Attributes:
        id: as ``--env`` takes it.
        image: the main image, such as "uint8 [84, 84, 3]", and how many there are besides.
        vectors: their keys and lengths.
        instruction: where it comes from.
        actions: as agents take them.
        success: where it comes from.
        why: why it cannot be built, and nothing else is known then; None where it can.
    """

    id: str
    image: str = ""
    vectors: str = ""
    instruction: str = ""
    actions: str = ""
    success: str = ""
    why: str | None = None

    @property
    def row(self) -> tuple[str, ...]:
        """A row under :data:`COLUMNS`."""
        return tuple(str(getattr(self, name)) for name in COLUMNS)


def summarize_env(env_id: str) -> EnvSummary:
    """Build an environment, and summarize what is understood of it. Whatever it raises is the
    reason why not; what it prints or warns of is dropped.
    """
    try:
        with (
            open(devnull, "w", encoding="utf-8") as nowhere,
            redirect_stdout(nowhere),
            catch_warnings(),
        ):
            simplefilter("ignore")
            env = make_env(env_id)
            with closing(env):
                return _summary(env_id, env)
    except (Exception, SystemExit) as error:  # of any kind, from another package
        name = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        why = " ".join(f"{name}{error}".split())
        return EnvSummary(env_id, why=printable(why)[:_LONGEST])


def _summary(env_id: str, env: gym.Env[Any, Any]) -> EnvSummary:
    space: Any = env.observation_space
    found = sensors(space)
    images = [described(one) for one in found.values() if is_image(one)]
    vectors = [f"{key} [{one.shape[0]}]" for key, one in found.items() if not is_image(one)]
    adapter = contract_adapter(env)
    if adapter is None:
        instruction = "text of instruction" if has_instruction(space) else _NONE
        success = f"info[{IS_SUCCESS!r}], else unknown"
    else:
        source = adapter.plan.instruction
        instruction = _NONE if source is None else source.note
        success = adapter.plan.success.note
    return EnvSummary(
        env_id,
        " ".join([*images[:1], *([f"and {len(images) - 1} more"] if images[1:] else [])]) or _NONE,
        ", ".join(vectors) or _NONE,
        instruction,
        describe(env.action_space),
        success,
    )

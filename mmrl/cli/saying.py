"""What the commands that generate sentences share: how they search, what they keep to, a line."""

from __future__ import annotations

from typing import Any, Final

from mmrl.adapters import instructions
from mmrl.errors import UserError
from mmrl.generative.continuations import Continuations
from mmrl.generative.generator import Said, TextGenerator
from mmrl.text_output import printable

_EPISODES: Final = 4096


def searched(beams: int) -> dict[str, Any]:
    """How a sentence is searched for, as a generator's ``say`` takes it.

    Raises:
        UserError: no beam at all.
    """
    if beams < 1:
        raise UserError(f"--beams {beams}: must be at least 1")
    return {"how": "greedy"} if beams == 1 else {"how": "beam", "beams": beams}


def held_to(generator: TextGenerator, env_id: str, **env_args: Any) -> Continuations:
    """The language of an environment's instructions, as far as so many episodes show it.

    Raises:
        UserError: it has words that the generator does not know.
    """
    try:
        return generator.one_of(instructions(env_id, range(_EPISODES), **env_args))
    except ValueError as error:
        raise UserError(f"--env {env_id}: {error}") from error


def line(said: Said) -> str:
    """A sentence and its probability, to be printed."""
    return f"{said.probability:6.1%}  {printable(said.sentence)}"

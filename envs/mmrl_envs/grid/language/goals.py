"""The prompt for an image of an instruction's goal.

go to the red ball                          a red ball in front of the agent
open the door, then pick up a blue key      a blue key in the agent's hands, an open door
"""

from __future__ import annotations

from typing import Final

from mmrl_envs.grid.language.instructions import Clause, Description, Instruction
from mmrl_envs.grid.language.prompts import AHEAD, HELD, MOST

_SHOWN: Final = {"go to": AHEAD, "pick up": HELD, "open": AHEAD, "put": ""}


def goal_prompt(instruction: str) -> str:
    """The thing of the last clause in front of the agent or in its hands, and before it what the
    clauses before ask for, up to three things; a sentence that is not of the English grammar
    remains as it is.
    """
    try:
        read = Instruction.from_sentence(instruction)
    except ValueError:
        return instruction
    halves = (read.second, read.first) if read.order == "after" else (read.first, read.second)
    shown: list[str] = []
    taken: set[str] = set()
    for clause in reversed([clause for half in halves for clause in half]):
        way = _SHOWN[clause.verb]
        shown += _things(clause, "" if way in taken else way)
        taken.add(way)
    return ", ".join(dict.fromkeys(shown[:MOST]))


def _things(clause: Clause, way: str) -> list[str]:
    """What a clause asks for, as constraints: ``the red ball`` → ``a red ball``."""
    name = _name(clause.target, "open" if clause.verb == "open" else "")
    first = f"{name} {way}" if way else name
    return [first] if clause.beside is None else [first, _name(clause.beside)]


def _name(one: Description, state: str = "") -> str:
    known = " ".join(word for word in (state, one.color, one.noun) if word)
    return f"an {known}" if known[0] in "aeiou" else f"a {known}"

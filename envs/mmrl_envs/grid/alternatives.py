"""Other instructions for a scene: which there are, whether two ask for the same, giving one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.state import State
from mmrl_envs.grid.generation.generator import instruct
from mmrl_envs.grid.hindsight.events import (
    CODES,
    DESCRIPTIONS,
    is_covered,
    is_grammatical,
    is_several,
    match,
)
from mmrl_envs.grid.language.instructions import Clause, Description
from mmrl_envs.grid.language.languages import find_language, translate
from mmrl_envs.grid.worlds import GridWorlds


def are_equivalent(worlds: GridWorlds, sentences: Sequence[str]) -> NDArray[np.bool_]:
    """Whether who does what a sentence asks for may do what the own instruction asks for too.

    Args:
        worlds: N of them.
        sentences: one an environment, in their language.

    Returns:
        bool [N]: each clause of the own instruction is about an object that a clause of the
        sentence is about as well, as things are now. False for a sentence that the language
        does not have.

    Raises:
        ValueError: not one sentence an environment.
    """
    if len(sentences) != worlds.num_envs:
        raise ValueError(f"{len(sentences)} sentences for {worlds.num_envs} environments")
    parse = find_language(worlds.language).parse
    equivalent = np.zeros(worlds.num_envs, np.bool_)
    for e, sentence in enumerate(sentences):
        try:
            code = parse(sentence).code
        except ValueError:
            continue
        own = worlds.state.instruction[e]
        equivalent[e] = is_covered(worlds.state, worlds.layout, e, own[1:], code[1:])
    return equivalent


def alternative_instructions(worlds: GridWorlds, e: int) -> list[str]:
    """Instructions of one clause that ask for something else in the scene of environment ``e``,
    by kind, colour or both; none where its own instruction is not "go to", "pick up" or "open"
    alone.
    """
    own = worlds.instruction(e)
    if len(own.clauses) != 1 or own.clauses[0].verb == "put":
        return []
    found = np.zeros(len(CODES), np.uint64)
    match(worlds.state, worlds.layout, e, CODES, found)
    verb, asked = own.clauses[0].verb, worlds.state.tracked[e, 0, 0]
    nouns = [
        Description(one.noun, one.color, "", is_several(one, things))
        for one, things in zip(DESCRIPTIONS, found.tolist(), strict=True)
        if things
        and not things & int(asked)
        and not one.location
        and (one.color or one.noun != "object")
        and is_grammatical(verb, one)
    ]
    return [translate(Clause(verb, one), worlds.language) for one in nouns]


def give_instructions(worlds: GridWorlds, sentences: dict[int, str]) -> None:
    """Give other instructions to episodes that have just begun; their scenes stay.

    Args:
        worlds: of the episodes.
        sentences: of some environments, in their language.

    Raises:
        ValueError: a sentence that the language does not have, or that asks for something which
            is not there; nothing was changed then.
    """
    parse = find_language(worlds.language).parse
    codes = {e: parse(sentence).code for e, sentence in sentences.items()}
    for e, code in codes.items():
        trial = State._make(array.copy() for array in worlds.row(e))
        if not instruct(trial, worlds.layout, 0, code, worlds.fixed_max_steps):
            raise ValueError(f"{sentences[e]!r} cannot be asked for in the scene of {e}")
    for e, code in codes.items():
        instruct(worlds.state, worlds.layout, e, code, worlds.fixed_max_steps)
    rows = np.array(list(codes), np.int64)
    worlds.update_sentences(rows)
    if worlds.tracker is not None:
        worlds.tracker.begin(worlds.state, rows)

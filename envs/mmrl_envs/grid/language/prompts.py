"""Prompts for a painter: one to three things that an image is to show.

a red ball, a purple key in front of the agent, a closed door
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np

from mmrl_envs.grid.language.queries import phrases_of, without_place

AHEAD: Final = "in front of the agent"
HELD: Final = "in the agent's hands"
MOST: Final = 3
"""Constraints of a prompt."""
_VERBS: Final = ("faces", "carries", "sees")
_NOTHING: Final = "sees nothing"
_NAME: Final = re.compile(r"an? (?:(?P<state>open|closed|locked) )?(?P<color>\w+) (?P<noun>\w+)")
_ANYWHERE: Final = 0.5  # of the things in front of the agent are asked for without their place
_COLOURLESS: Final = 0.2
_STATELESS: Final = 0.3


def prompt(sentence: str, generator: np.random.Generator, places: float = 0.0) -> str:
    """Some constraints, at most three, that an image of this description satisfies.

    Args:
        sentence: the description.
        generator: the only source of randomness.
        places: share of the things beside the agent that are asked for with their place.

    Returns:
        The constraints, commas between them; "" where nothing is to be seen.
    """
    phrases = [one for one in phrases_of(sentence) if true_of(one)]
    count = int(generator.integers(1, MOST + 1))
    chosen = generator.permutation(len(phrases))[:count].tolist()
    return ", ".join(_asked(phrases[k], generator, places) for k in chosen)


def constraints_of(prompt: str) -> tuple[str, ...]:
    """The constraints of a prompt."""
    return tuple(prompt.split(", ")) if prompt else ()


def satisfied(prompt: str, sentence: str) -> tuple[bool, ...]:
    """Which constraints of a prompt an image of this description satisfies.

    Args:
        prompt: as :func:`prompt` makes it, or a user.
        sentence: the description of all that the image shows.
    """
    true = {one for phrase in phrases_of(sentence) for one in true_of(phrase)}
    return tuple(one in true for one in constraints_of(prompt))


@lru_cache(maxsize=1 << 14)
def true_of(phrase: str) -> frozenset[str]:
    """All constraints that a phrase of a description, such as "faces a red ball", satisfies."""
    verb = _verb(phrase)
    if verb not in _VERBS or phrase == _NOTHING:
        return frozenset()
    thing = without_place(phrase.removeprefix(f"{verb} "))
    place = phrase.removeprefix(f"{verb} {thing}")
    names = {_name(thing, color, state) for color in (True, False) for state in (True, False)}
    ways = {"faces": ("", f" {AHEAD}"), "carries": (f" {HELD}",), "sees": ("", place)}[verb]
    if thing == "a wall":
        ways = (f" {AHEAD}",)
    return frozenset(name + way for name in names for way in ways)


def possible_constraints(sentences: Iterable[str], places: bool = False) -> list[str]:
    """All constraints that prompts may have where images are described so, sorted.

    Args:
        sentences: the descriptions.
        places: whether things are asked for with their place.
    """
    phrases = {phrase for sentence in sentences for phrase in phrases_of(sentence)}
    if not places:
        phrases = {without_place(phrase) for phrase in phrases}
    return sorted({one for phrase in phrases for one in true_of(phrase)})


def _verb(phrase: str) -> str:
    return phrase.split(" ", 1)[0]


def _asked(phrase: str, generator: np.random.Generator, places: float) -> str:
    """One constraint that a phrase satisfies."""
    verb = _verb(phrase)
    thing = without_place(phrase.removeprefix(f"{verb} "))
    place = phrase.removeprefix(f"{verb} {thing}")
    anywhere, color, state, placed = (generator.random(4) < (
        _ANYWHERE, 1 - _COLOURLESS, 1 - _STATELESS, places
    )).tolist()  # fmt: skip
    name = _name(thing, color, state)
    if verb == "carries":
        return f"{name} {HELD}"
    if verb == "sees":
        return name + place if placed else name
    return name if anywhere and thing != "a wall" else f"{name} {AHEAD}"


def _name(thing: str, color: bool, state: bool) -> str:
    """A thing by some of what is known of it: ``a closed red door`` → ``a closed door``."""
    found = _NAME.fullmatch(thing)
    if found is None:
        return thing
    words = [found["state"]] * state + [found["color"]] * color + [found["noun"]]
    known = " ".join(word for word in words if word)
    return f"an {known}" if known.startswith("open") else f"a {known}"

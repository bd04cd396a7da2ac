"""The parts of a description: its phrases, and the places in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

SUBJECT: Final = "the agent "
"""What descriptions begin with; phrases follow, with commas between them."""

_PLACE: Final = re.compile(r"( \d+ \w+)+$")


def phrases_of(sentence: str) -> tuple[str, ...]:
    """``the agent faces a ball, sees a key 1 left`` → ``("faces a ball", "sees a key 1 left")``."""
    return tuple(sentence.removeprefix(SUBJECT).split(", "))


def without_place(phrase: str) -> str:
    """``sees a key 2 ahead 1 left`` → ``sees a key``."""
    return _PLACE.sub("", phrase)


def places_of(sentence: str) -> tuple[str, ...]:
    """``the agent faces a ball, sees a key 1 left`` → ``("faces", "sees 1 left")``."""
    places = []
    for phrase in phrases_of(sentence):
        verb, place = phrase.split(" ")[0], _PLACE.search(phrase)
        places.append(verb + (place[0] if place else ""))
    return tuple(places)


def sentence_of(phrases: Sequence[str]) -> str:
    """``("faces a ball", "sees a key")`` → ``the agent faces a ball, sees a key``."""
    return SUBJECT + ", ".join(phrases)

"""The languages of instructions: the grammar's English, and a Chinese translation of it.

Each Chinese sentence means what exactly one English sentence means::

    sentence    := half | "先" half "，然后" half | half "之后，" half
    half        := clause | clause "并且" clause
    clause      := "走到" D | "拿起" D | "打开" D | "把" D "放到" D "旁边"
    D           := ("那个" | "一个") [location "的"] [colour "的"] (箱子 | 球 | 钥匙 | 门 | 东西)
    location    := "在你前面" | "在你后面" | "在你左边" | "在你右边"

"A after you B" is "B之后，A": what is done first comes first.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mmrl_envs.grid.language.instructions import (
    VOCABULARY,
    Clause,
    Description,
    Instruction,
    parsed,
)

_NOUNS: Final = {"object": "东西", "box": "箱子", "ball": "球", "key": "钥匙", "door": "门"}
_COLORS: Final = {
    "red": "红色", "green": "绿色", "blue": "蓝色", "purple": "紫色", "yellow": "黄色",
    "grey": "灰色",
}  # fmt: skip
_LOCATIONS: Final = {
    "on your left": "在你左边", "on your right": "在你右边", "in front of you": "在你前面",
    "behind you": "在你后面",
}  # fmt: skip
_VERBS: Final = {"go to": "走到", "pick up": "拿起", "open": "打开"}
_LINKS: Final = "那个一个的把放到旁边并且先，然后之后"


@dataclass(frozen=True)
class Language:
    """How instructions become sentences.

    Attributes:
        words: every word that a sentence can hold, sorted; of Chinese, every character.
        charset: every character that a sentence can hold.
        description: the words for an object.
        clause: the words for a verb, and for its objects, which are words already; the second is
            empty but for "put".
        sentence: the words for an instruction.
    """

    words: tuple[str, ...]
    charset: str
    description: Callable[[Description], str]
    clause: Callable[[str, str, str], str]
    sentence: Callable[[Instruction], str]


def _english_clause(verb: str, target: str, beside: str) -> str:
    return f"{verb} {target} next to {beside}" if beside else f"{verb} {target}"


def _chinese_description(one: Description) -> str:
    modifiers = [_LOCATIONS.get(one.location, ""), _COLORS.get(one.color, "")]
    article = "一个" if one.several else "那个"
    return article + "".join(f"{word}的" for word in modifiers if word) + _NOUNS[one.noun]


def _chinese_clause(verb: str, target: str, beside: str) -> str:
    return f"把{target}放到{beside}旁边" if beside else f"{_VERBS[verb]}{target}"


def _chinese_sentence(instruction: Instruction) -> str:
    first, second = (
        "并且".join(translate(clause, "zh") for clause in half)
        for half in (instruction.first, instruction.second)
    )
    if not instruction.second:
        return first
    return f"{second}之后，{first}" if instruction.order == "after" else f"先{first}，然后{second}"


def _characters(*words: str) -> str:
    return "".join(sorted(set("".join(words))))


_CHINESE: Final = _characters(
    *_NOUNS.values(), *_COLORS.values(), *_LOCATIONS.values(), *_VERBS.values(), _LINKS
)
LANGUAGES: Final = {
    "en": Language((*VOCABULARY, ","), string.ascii_lowercase + " ,", str, _english_clause, str),
    "zh": Language(
        tuple(_CHINESE), _CHINESE, _chinese_description, _chinese_clause, _chinese_sentence
    ),
}
"""Name → language."""


def find_language(name: str) -> Language:
    """The language of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in LANGUAGES:
        raise ValueError(f"language={name!r}: choose from {', '.join(LANGUAGES)}")
    return LANGUAGES[name]


def translate(phrase: Instruction | Clause | Description, language: str) -> str:
    """An instruction, or a part of one, in the words of a language; ``str`` of it is English.

    Raises:
        ValueError: no such language.
    """
    its = find_language(language)
    if isinstance(phrase, Instruction):
        return its.sentence(phrase)
    if isinstance(phrase, Description):
        return its.description(phrase)
    beside = its.description(phrase.beside) if phrase.beside else ""
    return its.clause(phrase.verb, its.description(phrase.target), beside)


@lru_cache(maxsize=1 << 16)
def sentence_in(language: str, code: bytes) -> str:
    """The sentence of an instruction given as the bytes of its int32 [5]; remembered, since the
    same few come back at every reset.
    """
    return translate(parsed(code), language)

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

import re
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
        parse: the instruction that a sentence means; raises ValueError where it has none.
    """

    words: tuple[str, ...]
    charset: str
    description: Callable[[Description], str]
    clause: Callable[[str, str, str], str]
    sentence: Callable[[Instruction], str]
    parse: Callable[[str], Instruction]


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


_CHINESE_DESCRIPTION: Final = "(那个|一个)(?:({})的)?(?:({})的)?({})".format(
    *("|".join(words.values()) for words in (_LOCATIONS, _COLORS, _NOUNS))
)
_CHINESE_CLAUSE: Final = re.compile(
    f"({'|'.join(_VERBS.values())}){_CHINESE_DESCRIPTION}"
    f"|把{_CHINESE_DESCRIPTION}放到{_CHINESE_DESCRIPTION}旁边"
)


def _parse_chinese(text: str) -> Instruction:
    order, halves = "", [text]
    if text.startswith("先") and "，然后" in text:
        order, halves = "before", text.removeprefix("先").split("，然后")
    elif "之后，" in text:
        order, halves = "after", text.split("之后，")[::-1]
    clauses = [tuple(map(_parse_chinese_clause, half.split("并且"))) for half in halves]
    if len(halves) > 2 or max(map(len, clauses)) > 2:
        raise ValueError(f"{text!r}: more than two halves of two clauses")
    return Instruction(clauses[0], clauses[1] if order else (), order)


def _parse_chinese_clause(text: str) -> Clause:
    found = _CHINESE_CLAUSE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no clause of the Chinese grammar")
    verb, *words = found.groups()
    described = [_parse_chinese_description(*words[k : k + 4]) for k in (0, 4, 8) if words[k]]
    target, beside = described[0], described[1] if verb is None else None
    return Clause(_english(_VERBS, verb) or "put", target, beside)


def _parse_chinese_description(article: str, location: str, color: str, noun: str) -> Description:
    return Description(
        _english(_NOUNS, noun),
        _english(_COLORS, color),
        _english(_LOCATIONS, location),
        article == "一个",
    )


def _english(words: dict[str, str], chinese: str | None) -> str:
    return next((english for english, one in words.items() if one == chinese), "")


def _characters(*words: str) -> str:
    return "".join(sorted(set("".join(words))))


_CHINESE: Final = _characters(
    *_NOUNS.values(), *_COLORS.values(), *_LOCATIONS.values(), *_VERBS.values(), _LINKS
)
LANGUAGES: Final = {
    "en": Language(
        (*VOCABULARY, ","),
        string.ascii_lowercase + " ,",
        str,
        _english_clause,
        str,
        Instruction.from_sentence,
    ),
    "zh": Language(
        tuple(_CHINESE),
        _CHINESE,
        _chinese_description,
        _chinese_clause,
        _chinese_sentence,
        _parse_chinese,
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

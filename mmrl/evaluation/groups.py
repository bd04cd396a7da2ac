"""Success by what the instructions are: their kind, their length, what they mention."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from mmrl.errors import UserError
from mmrl.evaluation.episodes import Episodes
from mmrl.evaluation.statistics import wilson_interval
from mmrl.language import NEUTRAL, InstructionLanguage, find_language, kind_of, mentions
from mmrl.preprocessing.text import split_words

KIND: Final = "kind"
WORDS: Final = "words"
_MOST: Final = 64  # groups of one sort


def success_by(played: Episodes) -> dict[str, dict[str, dict[str, Any]]]:
    """The success of episodes by groups of their instructions.

    An instruction that mentions two colours counts in both. Of many groups the 64 largest are kept.

    Args:
        played: the episodes.

    Returns:
        For ``kind``, ``words`` (the number of words) and whatever the language of the environment
        says that instructions mention, by the name of each group its ``success_rate``,
        ``success_rate_95`` and ``episodes``; nothing where success is not known.
    """
    if not played.is_known or not played.instructions:
        return {}
    language = _language(played)
    outcomes: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    pairs = zip(played.instructions, played.success.tolist(), strict=True)
    for instruction, success in pairs:
        for sort, group in _groups(instruction, played, language):
            outcomes[sort][group].append(success)
    return {sort: _rates(groups) for sort, groups in outcomes.items()}


def _language(played: Episodes) -> InstructionLanguage:
    """That of the environment; the neutral one where it cannot be imported."""
    try:
        return find_language(played.metadata)
    except UserError:
        return NEUTRAL


def _groups(
    instruction: str, played: Episodes, language: InstructionLanguage
) -> Iterator[tuple[str, str]]:
    """The groups that an instruction belongs to."""
    if kind := kind_of(played.metadata, instruction):
        yield KIND, kind
    yield WORDS, str(sum(any(map(str.isalnum, word)) for word in split_words(instruction)))
    for sort, names in mentions(language, instruction).items():
        yield from ((sort, str(name)) for name in dict.fromkeys(names))


def _rates(groups: dict[str, list[bool]]) -> dict[str, dict[str, Any]]:
    largest = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:_MOST]
    return {
        name: {
            "success_rate": sum(outcomes) / len(outcomes),
            "success_rate_95": list(wilson_interval(sum(outcomes), len(outcomes))),
            "episodes": len(outcomes),
        }
        for name, outcomes in largest
    }

"""Which words may follow: sentences that a generator is held to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from mmrl.preprocessing.text import PADDING, WordTokenizer

END: Final = PADDING
"""The token after the last word: what follows is padding."""


class Continuations(Protocol):
    """A language, by what may follow."""

    def after(self, ids: Sequence[int]) -> list[int]:
        """The tokens that may follow those of a beginning; :data:`END` among them where it may be
        all.

        Args:
            ids: of the words so far, without the start mark; none for the first word.
        """
        ...


class OneOf:
    """The language of so many sentences, as a trie: every word of theirs is looked up once.

    Args:
        sentences: all that may be said.
        tokenizer: by which words have their ids.

    Raises:
        ValueError: there are none, or a word is unknown to the tokenizer.
    """

    def __init__(self, sentences: Iterable[str], tokenizer: WordTokenizer) -> None:
        self._next: dict[tuple[int, ...], set[int]] = {}
        for sentence in dict.fromkeys(sentences):
            ids = tokenizer.ids(sentence)
            for k in range(len(ids) + 1):
                follows = ids[k] if k < len(ids) else END
                self._next.setdefault(tuple(ids[:k]), set()).add(follows)
        if not self._next:
            raise ValueError("no sentence to choose from")

    def after(self, ids: Sequence[int]) -> list[int]:
        """As :meth:`Continuations.after`; nothing but the end follows what is no beginning."""
        return sorted(self._next.get(tuple(ids), (END,)))

"""When two sentences ask for the same."""

from __future__ import annotations

import re
from typing import Final

_ARTICLE: Final = re.compile(r"\b(a|the)\b")
_ARTICLES: Final = re.compile(r"那个|一个")


def canonical(sentence: str) -> str:
    """The sentence without the difference between "a" and "the" (一个 and 那个), which no verifier
    looks at: it tells how many such things there were when the episode began.
    """
    return _ARTICLES.sub("那个", _ARTICLE.sub("the", sentence))

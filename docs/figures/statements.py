"""What figures in sentences have to be: text that each page must have, made from the result files.

Line breaks do not count. Where a file changes, the text that is made from it changes, and the test
names the page that does not have it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from figures.reading import Statement
from figures.text_chinese import CHINESE
from figures.text_details import DETAILS
from figures.text_log import LOG
from figures.text_main import MAIN
from figures.text_models import MODELS

ALL: Final[tuple[Callable[[], Iterator[Statement]], ...]] = (
    *MAIN, *MODELS, *DETAILS, *LOG, *CHINESE,
)  # fmt: skip


def by_page() -> dict[str, list[str]]:
    """All statements, by page."""
    found = defaultdict(list)
    for made in ALL:
        for page, text in made():
            found[page].append(text)
    return found

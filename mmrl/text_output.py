"""Untrusted texts for the terminal: control characters are escaped."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

_STEERING: Final = "\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""C0 and C1 control characters, line separators, bidirectional overrides, lone surrogates."""
_LONGEST_REASON: Final = 200  # characters
_ALL: Final = re.compile(f"[{_STEERING}]")
_BUT_BREAKS: Final = re.compile(f"(?!\n)[{_STEERING}]")


def printable(text: str, *, breaks: bool = False) -> str:
    r"""A text whose control characters are escaped, such as ``\x1b``.

    Args:
        text: from an environment, a dataset, a file or a model.
        breaks: leave line breaks as they are.
    """
    pattern = _BUT_BREAKS if breaks else _ALL
    return pattern.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def is_text(text: str) -> bool:
    """Whether a text can be written as UTF-8; a file's name whose bytes are others cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shortened(text: object) -> str:
    """A text in one line of bounded length, for a warning."""
    return textwrap.shorten(str(text), _LONGEST_REASON, placeholder=" …")


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of texts in columns, under a header, each line indented by two spaces."""
    lines = [list(header), *([printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    return "\n".join(
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )

"""Finds the figures of a page, and which of them statements and generated tables account for.

    PYTHONPATH=docs python tests/figure_check.py

writes the list of those that are not checked, which may only get shorter.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from figures.statements import by_page
from figures.tables import without

ROOT = Path(__file__).parents[1]
UNCHECKED = ROOT / "tests" / "docs" / "unchecked_figures.txt"
PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in (ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted(ROOT.glob("docs/**/*.md")))
}
_FIGURE = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?%?(?![\w])")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_TARGET = re.compile(r"(?<=\])\([^)]*\)")
_SOURCES = ("benchmarks/results/", "measured.md#")


def flat(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())


def figures(page: str, text: str, statements: Iterable[str]) -> list[str]:
    """The figures of a page that no statement accounts for.

    Looked at are paragraphs and lines of tables with a link to a result file or to the page of
    results; of that page, all.

    Args:
        page: its path.
        text: of the page.
        statements: what it has to have.
    """
    parts = re.split(r"\n\s*\n|\n(?=\|)", without(text))
    if page != "docs/measured.md":
        parts = [one for one in parts if any(source in one for source in _SOURCES)]
    left = "\n".join(flat(one) for one in parts if not one.startswith("#"))
    known = bytearray(len(left))
    for one in map(flat, statements):
        for match in re.finditer(re.escape(one), left):
            known[match.start() : match.end()] = b"1" * len(one)
    for match in (*_TARGET.finditer(left), *_CODE.finditer(left)):
        known[match.start() : match.end()] = b"1" * len(match[0])
    found = _FIGURE.finditer(left)
    return sorted(match[0].strip(",") for match in found if not known[match.start()])


def listing(pages: dict[str, list[str]]) -> str:
    """Figures by page, as the file has them."""
    lines = []
    for page, found in pages.items():
        counted = Counter(found)
        shown = (f"{one}×{n}" if n > 1 else one for one, n in counted.items())
        lines.append(f"{page} ({len(found)}): {' '.join(shown)}".rstrip())
    return "\n".join(lines) + "\n"


def unchecked() -> str:
    """The list of all figures that are not checked, as the file has it."""
    statements = by_page()
    found = {
        page: figures(page, path.read_text(), statements.get(page, []))
        for page, path in PAGES.items()
    }
    return listing({page: one for page, one in found.items() if one})


if __name__ == "__main__":
    UNCHECKED.write_text(unchecked())

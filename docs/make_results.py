"""Writes the tables of the pages that come from ``benchmarks/results``.

    python docs/make_results.py

A test compares, so run this after a measurement. Sentences are typed by hand; the tests say which
of their figures are not those of the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from figures.tables import refreshed

from mmrl.files import write_atomically

DOCS: Final = Path(__file__).parent


def main() -> None:
    """Write every page with tables."""
    for page in sorted(DOCS.rglob("*.md")):
        before = page.read_text(encoding="utf-8")
        after = refreshed(before)
        if after != before:
            write_atomically(page, after)
            print(page)


if __name__ == "__main__":
    main()

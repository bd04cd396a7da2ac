"""Result files, and how their numbers are written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any, Final

README: Final = "README.md"
MEASURED: Final = "docs/measured.md"
Statement = tuple[str, str]
"""A page, and a text that it has to have."""
RESULTS: Final = Path(__file__).parents[2] / "benchmarks" / "results"


@cache
def read(name: str) -> Any:
    """The content of ``benchmarks/results/NAME.json``."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def percent(share: float) -> str:
    """A share, with one decimal."""
    return f"{share:.1%}"


def percents(shares: Iterable[float]) -> str:
    """Shares, one after the other."""
    return ", ".join(map(percent, shares))


def span(interval: Sequence[float]) -> str:
    """A confidence interval of a share, within 0 and 1."""
    low, high = (min(max(end, 0.0), 1.0) for end in interval)
    return f"{low:.1%} to {high:.1%}"


def with_span(share: float, interval: Sequence[float]) -> str:
    """A share with its confidence interval."""
    return f"{share:.1%} ({span(interval)})"


def count(number: float) -> str:
    """A number without decimals."""
    return f"{number:,.0f}"


def counts(numbers: Iterable[float]) -> str:
    """Numbers, one after the other."""
    return ", ".join(map(count, numbers))


def rounded(number: float, digits: int = 3) -> str:
    """A number with so many significant digits, written out."""
    return count(float(f"{number:.{digits}g}"))


def average(runs: Iterable[Any], *keys: str) -> float:
    """The mean over runs of what stands under these keys, one below the other."""
    return mean(below(run, *keys) for run in runs)


def below(data: Any, *keys: str) -> Any:
    """What stands under these keys, one below the other."""
    for key in keys:
        data = data[key]
    return data


def lines(header: str, align: str, rows: Iterable[Sequence[str]]) -> str:
    """A table.

    Args:
        header: its first line, cells between bars.
        align: of the columns: l or r each.
        rows: the cells of the others.
    """
    rules = "|".join("--:" if one == "r" else "---" for one in align)
    cells = (f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)
    return "\n".join([header, f"|{rules}|", *cells])

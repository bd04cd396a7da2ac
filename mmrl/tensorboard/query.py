"""Which records a request asks for: filters, order, page, and the success by kind over training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from mmrl.tensorboard.index import Entry

MOST: Final = 200
"""Records on a page."""
_BINS: Final = 24
_KINDS: Final = 40
_SUCCESSES: Final = {"true": True, "false": False, "unknown": None}
_BIG: Final = 1e15

SORTS: Final[dict[str, Callable[[Entry], Any]]] = {
    "step": lambda one: one.summary.checkpoint or 0,
    "return": lambda one: one.summary.total_reward or 0.0,
    "length": lambda one: one.summary.steps,
    "time": lambda one: one.time,
    "success": lambda one: {False: 0, None: 1, True: 2}[one.summary.success],
    "instruction": lambda one: one.summary.instruction,
    "run": lambda one: one.run,
}
"""What a list can be sorted by."""


class Arguments(Protocol):
    """The arguments of a request, as werkzeug gives them."""

    def get(self, key: str) -> str | None:
        """The first value."""
        ...

    def getlist(self, key: str) -> list[str]:
        """All values."""
        ...


class BadQueryError(ValueError):
    """A request with an impossible argument; the message names it."""


@dataclass(frozen=True)
class Query:
    """Filters, order and page.

    Attributes:
        runs, sources, envs, kinds: any of them; empty for all.
        successes: True, False or None for unknown; empty for all.
        text: that the instruction contains.
        seed: of the episode.
        between: by the name of a number, the least and the greatest.
        sort, descending: the order, by one of :data:`SORTS`.
        offset, limit: of the page.
    """

    runs: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    envs: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    successes: frozenset[bool | None] = frozenset()
    text: str = ""
    seed: int | None = None
    between: tuple[tuple[str, float, float], ...] = ()
    sort: str = "time"
    descending: bool = True
    offset: int = 0
    limit: int = 50

    @classmethod
    def of(cls, arguments: Arguments) -> Query:
        """The query of a request's arguments.

        Raises:
            BadQueryError: an impossible argument.
        """
        successes = arguments.getlist("success")
        for one in successes:
            _among("success", one, _SUCCESSES)
        sort, order = arguments.get("sort") or "time", arguments.get("order") or "desc"
        between = []
        for name in ("step", "length", "return"):
            least, most = (_number(arguments, f"{name}_{end}") for end in ("min", "max"))
            if least is not None or most is not None:
                low = -math.inf if least is None else least
                between.append((name, low, math.inf if most is None else most))
        return cls(
            runs=frozenset(arguments.getlist("run")),
            sources=frozenset(arguments.getlist("source")),
            envs=frozenset(arguments.getlist("env")),
            kinds=frozenset(arguments.getlist("kind")),
            successes=frozenset(_SUCCESSES[one] for one in successes),
            text=(arguments.get("q") or "").casefold(),
            seed=_whole(arguments, "seed", None, 0),
            between=tuple(between),
            sort=_among("sort", sort, SORTS),
            descending=_among("order", order, {"asc": 0, "desc": 1}) == "desc",
            offset=_whole(arguments, "offset", 0, 0) or 0,
            limit=_whole(arguments, "limit", 50, 1, MOST) or 50,
        )

    def matches(self, entry: Entry) -> bool:
        """Whether a record is asked for."""
        summary = entry.summary
        return (
            (not self.runs or entry.run in self.runs)
            and (not self.sources or summary.source in self.sources)
            and (not self.envs or summary.env in self.envs)
            and (not self.kinds or summary.instruction_kind in self.kinds)
            and (not self.successes or summary.success in self.successes)
            and (self.seed is None or summary.seed == self.seed)
            and (not self.text or self.text in summary.instruction.casefold())
            and all(low <= SORTS[name](entry) <= high for name, low, high in self.between)
        )

    def page(self, entries: Iterable[Entry]) -> tuple[list[Entry], int]:
        """The records of the page, and how many there are in all."""
        found = [one for one in entries if self.matches(one)]
        found.sort(key=lambda one: (SORTS[self.sort](one), one.id), reverse=self.descending)
        return found[self.offset : self.offset + self.limit], len(found)


def facets(entries: Iterable[Entry]) -> dict[str, dict[str, int]]:
    """How many records each run, source, environment and kind of instruction has."""
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in ("runs", "sources", "envs", "kinds")
    }
    for one in entries:
        counts["runs"][one.run] += 1
        counts["sources"][one.summary.source] += 1
        counts["envs"][one.summary.env] += 1
        counts["kinds"][one.summary.instruction_kind] += 1
    return {name: dict(sorted(count.items())) for name, count in counts.items()}


def heatmap(entries: Sequence[Entry]) -> dict[str, Any]:
    """Success by kind of instruction over training.

    Args:
        entries: the records.

    Returns:
        ``bins``, the least and the greatest training steps of each column; and ``rows``, each with
        a ``kind`` and, for each bin, how many ``episodes`` there are, of how many the success is
        ``known``, and how many were a ``success``. The most frequent kinds come first.
    """
    if not entries:
        return {"bins": [], "rows": []}
    steps = [one.summary.checkpoint or 0 for one in entries]
    first, last = min(steps), max(steps)
    count = min(_BINS, len(set(steps)))
    width = max(1, -(-(last - first + 1) // count))
    count = -(-(last - first + 1) // width)
    kinds = Counter(one.summary.instruction_kind for one in entries)
    rows: dict[str, dict[str, Any]] = {
        kind: {"kind": kind, **{name: [0] * count for name in ("episodes", "known", "success")}}
        for kind, _ in kinds.most_common(_KINDS)
    }
    for one, step in zip(entries, steps, strict=True):
        row = rows.get(one.summary.instruction_kind)
        if row is not None:
            column = (step - first) // width
            row["episodes"][column] += 1
            row["known"][column] += one.summary.success is not None
            row["success"][column] += one.summary.success is True
    bins = [[first + k * width, min(first + (k + 1) * width - 1, last)] for k in range(count)]
    return {"bins": bins, "rows": list(rows.values())}


def _among(name: str, value: str, known: Mapping[str, Any]) -> str:
    if value not in known:
        raise BadQueryError(f"{name}={value[:40]!r}: must be one of {', '.join(known)}")
    return value


def _number(arguments: Arguments, name: str) -> float | None:
    text = arguments.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= _BIG:
        raise BadQueryError(f"{name}={text[:40]!r}: must be a number")
    return value


def _whole(
    arguments: Arguments, name: str, default: int | None, least: int, most: float = _BIG
) -> int | None:
    value = _number(arguments, name)
    if value is None:
        return default
    if value != int(value) or not least <= value <= most:
        raise BadQueryError(f"{name}={value:g}: must be a whole number from {least} to {most:g}")
    return int(value)

"""Hyperparameter search: the search space, and the table and plot of its trials."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from mmrl.errors import UserError
from mmrl.files import write_bytes
from mmrl.optional_packages import import_pyplot

_RANGE: Final = re.compile(r"(?P<low>[^:]+?)\.\.(?P<high>[^:]+?)(?::(?P<how>log|int))?")

VALIDATION: Final = 900_000_000
"""Seed of the first episode that trials are compared on; results are reported on others."""


class Trial(Protocol):
    """What Optuna's trials offer."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number between two."""
        ...

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """A whole number between two."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[str]) -> str:
        """One of several."""
        ...


@dataclass(frozen=True)
class Axis:
    """A key of the configuration that is searched.

    Attributes:
        key: its dotted name.
        suggest: asks a trial for a value.
        choices: the values, where there are so many.
        is_log: whether its logarithm is searched evenly.
        ends: the least and the greatest value, where it is a number.
    """

    key: str
    suggest: Callable[[Trial], Any]
    choices: tuple[str, ...] = ()
    is_log: bool = False
    ends: tuple[str, ...] = ()

    @property
    def samples(self) -> list[str]:
        """Values that show whether the key exists and takes them."""
        return list(self.choices or self.ends)


def parse_search(text: str) -> Axis:
    """The axis that a text describes.

    Args:
        text: ``key=low..high`` for numbers, ``key=low..high:log`` for those whose logarithm is
            searched, ``key=low..high:int`` for whole ones, ``key=value,value,…`` for others.

    Raises:
        UserError: it is written otherwise.
    """
    key, equals, values = text.partition("=")
    if not equals or not key or not values:
        raise UserError(
            f"--over {text!r}: write key=low..high, key=low..high:log, key=low..high:int or "
            "key=value,value"
        )
    match = _RANGE.fullmatch(values)
    if match is None:
        choices = tuple(part.strip() for part in values.split(","))
        if not all(choices) or len(choices) < 2:
            raise UserError(f"--over {text!r}: give two values or more, between commas")
        return Axis(key, lambda trial: trial.suggest_categorical(key, choices), choices)
    ends = match["low"], match["high"]
    try:
        if match["how"] == "int":
            first, last = (int(end) for end in ends)
        else:
            low, high = (float(end) for end in ends)
    except ValueError as error:
        raise UserError(f"--over {text!r}: {error}") from error
    if match["how"] == "int":
        _check_order(text, first, last)
        return Axis(key, lambda trial: trial.suggest_int(key, first, last), ends=ends)
    _check_order(text, low, high)
    is_log = match["how"] == "log"
    if is_log and low <= 0:
        raise UserError(f"--over {text!r}: a logarithm needs numbers above 0")
    return Axis(
        key, lambda trial: trial.suggest_float(key, low, high, log=is_log), (), is_log, ends
    )


def _check_order(text: str, low: float, high: float) -> None:
    if not low < high:
        raise UserError(f"--over {text!r}: {low} is not below {high}")


@dataclass(frozen=True)
class FinishedTrial:
    """A trial that has ended.

    Attributes:
        number: of the trial.
        values: of the searched keys.
        success: share of the validation episodes; of recent training episodes, where it was
            stopped early.
        stopped: whether it was.
    """

    number: int
    values: Mapping[str, Any]
    success: float
    stopped: bool


def markdown(trials: Sequence[FinishedTrial], title: str) -> str:
    """The trials as a Markdown table, the best first."""
    keys = sorted({key for one in trials for key in one.values})
    lines = [
        f"# {title}",
        "",
        "Success on validation episodes; of recent training episodes where a trial was stopped "
        "early, being worse than half of the others.",
        "",
        "| trial | success | " + " | ".join(keys) + " | |",
        "|---|---|" + "---|" * (len(keys) + 1),
    ]
    for one in sorted(trials, key=lambda one: (one.stopped, -one.success)):
        values = " | ".join(short(one.values.get(key)) for key in keys)
        mark = "stopped early" if one.stopped else ""
        lines.append(f"| {one.number} | {one.success:.1%} | {values} | {mark} |")
    return "\n".join(lines) + "\n"


def short(value: Any) -> str:
    """A value in a few letters."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def plot(trials: Sequence[FinishedTrial], axes: Sequence[Axis], path: Path, title: str) -> None:
    """Success against each searched key, a dot a trial; those stopped early are hollow."""
    plt = import_pyplot()
    figure, places = plt.subplots(
        1, len(axes), figsize=(2.6 * len(axes) + 0.6, 2.8), sharey=True, layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for axis, place in zip(axes, places[0], strict=True):
        for stopped, face in ((False, "#33557d"), (True, "none")):
            some = [one for one in trials if one.stopped == stopped and axis.key in one.values]
            values = [one.values[axis.key] for one in some]
            if axis.choices:
                values = [axis.choices.index(value) for value in values]
            success = [one.success for one in some]
            place.scatter(values, success, facecolors=face, edgecolors="#33557d", s=22)
        if axis.choices:
            place.set_xticks(range(len(axis.choices)), axis.choices, rotation=20, fontsize=7)
            place.set_xlim(-0.5, len(axis.choices) - 0.5)
        if axis.is_log:
            place.set_xscale("log")
        place.set(xlabel=axis.key, ylim=(-0.02, 1.02))
        place.grid(alpha=0.25)
    places[0][0].set_ylabel("success")
    figure.suptitle(title, fontsize=9)
    with io.BytesIO() as buffer:
        figure.savefig(buffer, dpi=130, format="png")
        content = buffer.getvalue()
    plt.close(figure)
    write_bytes(path, content)

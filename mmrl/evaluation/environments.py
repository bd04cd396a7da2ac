"""The evaluation of one policy in several environments: means over them, and a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mmrl.text_output import format_table, printable

ENVIRONMENTS: Final = "environments"
"""The key of the reports of each environment in a report of several."""
NORMALIZED: Final = "normalized_success"
"""The key of success divided by the expert's on the same seeds."""
_CONTROLS: Final = "controls"
_LEFT_OUT: Final = "left_out"
_MEASURES: Final = ("success_rate", "mean_length", "mean_return")
_OF_CONTROLS: Final = (*_MEASURES, "spl", "rate")
_COLUMNS: Final = (
    "environment", "success", "95% interval", "random policy", "expert's steps", "SPL",
    "of the expert's success",
)  # fmt: skip


def combine_reports(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The measures and controls of several evaluations as one: means in which each environment
    counts as much as any other, with their 95% intervals, and the number of all episodes.

    A control that some environments do not allow is the mean over the others, whose number it has
    under ``environments``.

    Args:
        reports: of evaluations, by environment.
    """
    every = list(reports.values())
    controls = [one.get(_CONTROLS) or {} for one in every]
    names = dict.fromkeys(name for one in controls for name in one if name != _LEFT_OUT)
    combined = {name: _combined([one.get(name) for one in controls]) for name in names}
    reasons = [reason for one in controls for reason in one.get(_LEFT_OUT, {}).values()]
    if reasons:
        combined[_LEFT_OUT] = {
            reason: f"{reason} ({reasons.count(reason)} of {len(every)} environments)"
            for reason in dict.fromkeys(reasons)
        }
    return {
        **_combined(every, _MEASURES),
        "seeds": every[0].get("seeds"),
        "actions": every[0].get("actions"),
        **({_CONTROLS: combined} if combined else {}),
    }


def _combined(
    every: Sequence[Mapping[str, Any] | None], names: Sequence[str] = _OF_CONTROLS
) -> dict[str, Any]:
    """The means of what all have that are not None; None where one does not know its value."""
    there = [one for one in every if one is not None]
    found: dict[str, Any] = {"episodes": sum(one["episodes"] for one in there)}
    if len(there) < len(every):
        found[ENVIRONMENTS] = len(there)
    for name in names:
        if all(name in one for one in there):
            known = all(one[name] is not None for one in there)
            values = [(one[name], *one[f"{name}_95"]) for one in there] if known else []
            mean, low, high = mean_of_means(values) if known else (None, None, None)
            found[name], found[f"{name}_95"] = mean, [low, high] if known else None
    if all(NORMALIZED in one for one in there):
        found[NORMALIZED] = sum(one[NORMALIZED] for one in there) / len(there)
    return found


def mean_of_means(values: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """The mean of independent estimates, and its 95% interval out of theirs by the method of
    variance estimates recovery (Zou and Donner, 2008).

    Args:
        values: estimates, each with the ends of its interval.
    """
    count = len(values)
    mean = math.fsum(value for value, _, _ in values) / count
    below = math.sqrt(math.fsum((value - low) ** 2 for value, low, _ in values)) / count
    above = math.sqrt(math.fsum((high - value) ** 2 for value, _, high in values)) / count
    return mean, mean - below, mean + above


def environment_rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A line of the table for each environment of a report, and its header; empty where it is of
    one environment.
    """
    reports = report.get(ENVIRONMENTS) or {}
    if not reports:
        return []
    rows = [_row(env, one) for env, one in reports.items()]
    return [_COLUMNS, *rows, _row("mean", report)]


def environments_text(report: Mapping[str, Any]) -> list[str]:
    """The table for a terminal; no line where there is none."""
    rows = environment_rows(report)
    return [format_table(rows[0], rows[1:])] if rows else []


def environments_markdown(report: Mapping[str, Any]) -> list[str]:
    """The lines of the table in Markdown."""
    rows = environment_rows(report)
    lines = [f"| {' | '.join(printable(cell) for cell in row)} |" for row in rows]
    return [lines[0], "|---|--:|---|--:|--:|--:|--:|", *lines[1:]] if lines else []


def _row(env: str, report: Mapping[str, Any]) -> tuple[str, ...]:
    controls = report.get(_CONTROLS) or {}
    expert, random = controls.get("expert", {}), controls.get("random_policy", {})
    if report["success_rate"] is None:
        low, high = report["mean_return_95"]
        value, interval = f"return {report['mean_return']:.2f}", f"{low:.2f} to {high:.2f}"
    else:
        low, high = report["success_rate_95"]
        value, interval = f"{report['success_rate']:.1%}", f"{low:.1%} to {high:.1%}"
    return (
        env,
        value,
        interval,
        _shown(random.get("success_rate"), ".1%"),
        _shown(expert.get("mean_length"), ".1f"),
        _shown(expert.get("spl"), ".2f"),
        _shown(expert.get(NORMALIZED), ".1%"),
    )


def _shown(value: float | None, style: str) -> str:
    return "–" if value is None else format(value, style)

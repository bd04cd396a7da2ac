"""Factors of variation: an argument of the environment that is changed, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from mmrl.errors import UserError
from mmrl.text_output import printable


def read_factors(
    given: Sequence[str], declared: Mapping[str, Sequence[Any]] | None = None
) -> list[tuple[str, Any]]:
    """Names and values, in their order.

    Args:
        given: ``name=value,value,…`` each, values as in YAML; or a name alone of a factor that the
            environment's language declares, for the values there.
        declared: these, see :class:`mmrl.language.LanguageWithFactors`.

    Raises:
        UserError: one is written otherwise.
    """
    factors: list[tuple[str, Any]] = []
    for text in given:
        name, equals, values = text.partition("=")
        if not equals and name in (declared or {}):
            factors += [(name, value) for value in (declared or {})[name]]
            continue
        try:
            read = yaml.safe_load(f"[{values}]")
        except yaml.YAMLError:
            read = None
        if not name or not equals or not read:
            names = f", or one of {', '.join(declared)}" if declared else ""
            raise UserError(
                f"--factor {text!r}: write name=value,value, such as light=dim,bright{names}"
            )
        factors += [(name.strip(), value) for value in read]
    return factors


def evaluate_factors(
    factors: Sequence[tuple[str, Any]], evaluate: Callable[[dict[str, Any]], dict[str, Any]]
) -> list[dict[str, Any]]:
    """A report for the environment as it is, and one for each value of each factor.

    Args:
        factors: names of arguments and values.
        evaluate: gives the report of an evaluation with some arguments of the environment.

    Returns:
        The reports, with ``factor`` and ``value``; the first one has None.

    Raises:
        UserError: as ``evaluate``.
    """
    reports = [{"factor": None, "value": None, **evaluate({})}]
    for name, value in factors:
        reports.append({"factor": name, "value": value, **evaluate({name: value})})
    return reports


def format_factors(reports: Sequence[dict[str, Any]]) -> str:
    """The reports as a table in Markdown."""
    lines = [
        "| factor | value | success | 95% interval | return | steps |",
        "|---|---|--:|---|--:|--:|",
    ]
    for report in reports:
        rate = report["success_rate"]
        low, high = report["success_rate_95"] or (None, None)
        cells = [
            "as trained" if report["factor"] is None else printable(report["factor"]),
            "" if report["factor"] is None else printable(str(report["value"])),
            "–" if rate is None else f"{rate:.1%}",
            "–" if rate is None else f"{low:.1%} to {high:.1%}",
            f"{report['mean_return']:.2f}",
            f"{report['mean_length']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)

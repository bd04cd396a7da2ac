"""Findings of an examination, in sections, and their texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mmrl.text_output import printable


class Status(StrEnum):
    """How a part of the installation is."""

    OK = "ok"
    MISSING = "missing"
    """An extra that is not installed."""
    WARNING = "warning"
    """It works, but not as well as it could."""
    BROKEN = "broken"
    """mmrl needs it, and it does not work."""


@dataclass(frozen=True)
class Finding:
    """What was found about one part.

    Attributes:
        section: under which it is shown.
        name: of the part.
        status: how it is.
        text: such as its version, or what is wrong.
        fix: a command or a sentence that mends it; empty where nothing is to be mended.
    """

    section: str
    name: str
    status: Status
    text: str
    fix: str = ""


_NO_MARK: Final = (Status.OK,)


def is_broken(findings: Sequence[Finding]) -> bool:
    """Whether something that mmrl needs does not work."""
    return any(one.status == Status.BROKEN for one in findings)


def format_findings(findings: Sequence[Finding]) -> str:
    """The findings by section, a line each, and under it what mends it."""
    lines = []
    width = max(len(one.name) for one in findings)
    for section in dict.fromkeys(one.section for one in findings):
        lines.append(section)
        for one in findings:
            if one.section == section:
                mark = "" if one.status in _NO_MARK else f"{one.status}: "
                lines.append(f"  {one.name:<{width}}  {mark}{printable(one.text)}".rstrip())
                lines += [f"  {'':<{width}}  → {printable(one.fix)}"] if one.fix else []
    return "\n".join(lines)

"""Findings about extras, and about packages that are known to disturb each other."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, packages_distributions, version

from mmrl.doctor.findings import Finding, Status
from mmrl.optional_packages import EXTRAS, install_line, is_installed


def examine_extras() -> list[Finding]:
    """Which extras are there; those that are not, with the line that brings them."""
    names = packages_distributions()
    return [*(_extra(name, names) for name in EXTRAS), *_two_pygames()]


def _extra(name: str, distributions: Mapping[str, list[str]]) -> Finding:
    purpose, modules = EXTRAS[name]
    missing = [one for one in modules if not is_installed(one)]
    if missing:
        return Finding("extras", name, Status.MISSING, purpose, install_line(name))
    found = [f"{package} {version(package)}" for module in modules
             for package in distributions.get(module, [])[:1]]  # fmt: skip
    return Finding("extras", name, Status.OK, f"{', '.join(found)}: {purpose}")


def _two_pygames() -> list[Finding]:
    """Pygame and pygame-ce are the same module: the later one overwrites files of the other."""
    try:
        both = [f"{name} {version(name)}" for name in ("pygame", "pygame-ce")]
    except PackageNotFoundError:
        return []
    text = f"{' and '.join(both)} are the same module"
    fix = "pip uninstall pygame pygame-ce, then pip install pygame-ce"
    return [Finding("extras", "pygame", Status.WARNING, text, fix)]

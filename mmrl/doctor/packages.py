"""Findings about the packages that mmrl needs, torch's devices, and what packages check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Final

from mmrl.doctor.findings import Finding, Status
from mmrl.doctor.probe import CHECK, DEVICES
from mmrl.doctor.probing import run_probes
from mmrl.entry_points import entry_points

_PACKAGE: Final = "multimodal-rl"
_DEVICES: Final = "devices"
_IMPORTED_AS: Final = {"pillow": "PIL", "pyyaml": "yaml"}
"""Modules that are not called as their package is, but for dashes."""
_REQUIREMENT: Final = re.compile(r"([\w.-]+)\s*(?:\[[^\]]*\])?([^;]*)")
_NAME: Final = re.compile("[-_.]+")
_OFFERED: Final = ("mmrl.environments", "mmrl.agents", "mmrl.recipes")


def examine_packages() -> list[Finding]:
    """Whether what mmrl needs is there, in versions that fit, and can be imported."""
    needed = requirements(_PACKAGE)
    modules = {name: module_of(name) for name in needed if _version(name) is not None}
    checks = {f"{CHECK}{name}": name for name in entry_points("mmrl.checks")}
    results = run_probes([*modules.values(), DEVICES, *checks])
    failing = {name for name in needed if "error" in results.get(module_of(name), {"error": ""})}
    return [
        _installation(),
        *(_package(name, bounds, results, failing) for name, bounds in needed.items()),
        *_devices(results[DEVICES]),
        *(_check(label, results[name]) for name, label in checks.items()),
    ]


def requirements(package: str) -> dict[str, str]:
    """The packages without which an installed one does not work, and their versions' bounds."""
    try:
        lines = requires(package) or []
    except PackageNotFoundError:
        return {}
    found = (_REQUIREMENT.match(line) for line in lines if "extra" not in line.partition(";")[2])
    return {_NAME.sub("-", one[1]).lower(): one[2].strip(" ()") for one in found if one}


def module_of(package: str) -> str:
    """What a package is imported as."""
    return _IMPORTED_AS.get(package.lower(), package.replace("-", "_"))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _installation() -> Finding:
    """Mmrl itself: whether it is installed, so that what it offers is found."""
    missing = [group for group in _OFFERED if not entry_points(group)]
    found = _version(_PACKAGE)
    if found is None or missing:
        text = "not installed" if found is None else f"{found} offers no {' and no '.join(missing)}"
        fix = f"pip install {_PACKAGE}, or in a checkout: pip install --no-deps -e ."
        return Finding("packages", _PACKAGE, Status.BROKEN, text, fix)
    place = Path(__file__).parents[1]
    return Finding("packages", _PACKAGE, Status.OK, f"{found} in {place}")


def _package(
    name: str, bounds: str, results: Mapping[str, Mapping[str, Any]], failing: Set[str]
) -> Finding:
    found, fix = _version(name), f"pip install '{name}{bounds}'"
    if found is None:
        return Finding("packages", name, Status.BROKEN, "not installed", fix)
    result = results[module_of(name)]
    if "error" in result:
        return _broken(name, found, result["error"], failing)
    if not _fits(found, bounds):
        text = f"{found} is installed, {bounds} is needed"
        return Finding("packages", name, Status.WARNING, text, fix)
    if result["value"]:
        text = f"{found} is built for another torch; mmrl needs none of its operators"
        fix = "install torch and torchvision together, from one index"
        return Finding("packages", name, Status.WARNING, text, fix)
    return Finding("packages", name, Status.OK, found)


def _broken(name: str, found: str, error: str, failing: Set[str]) -> Finding:
    """A package that cannot be imported: because of another one, or by itself."""
    causes = sorted(requirements(name).keys() & failing)
    if causes:
        text = f"{found} needs {' and '.join(causes)}, see there"
        return Finding("packages", name, Status.BROKEN, text)
    again = f"pip install --force-reinstall --no-deps {name}=={found.partition('+')[0]}"
    return Finding("packages", name, Status.BROKEN, f"{found}: {error}", again)


def _fits(found: str, bounds: str) -> bool:
    """Whether a version is within bounds; true where that cannot be found out."""
    try:
        from packaging.specifiers import SpecifierSet

        return SpecifierSet(bounds).contains(found, prereleases=True)
    except (ImportError, ValueError):
        return True


def _devices(result: Mapping[str, Any]) -> list[Finding]:
    if "error" in result:
        text = "unknown, since torch cannot be asked"
        return [Finding(_DEVICES, "devices", Status.WARNING, text)]
    found = result["value"]
    cpu = f"{found['threads']} threads, kernels for {found['capability']}"
    built = found["built_for_cuda"]
    cuda = ", ".join(found["cuda"]) or (
        f"torch is built for {built}, no GPU is found" if built else "torch is built for CPUs alone"
    )
    return [
        Finding(_DEVICES, "cpu", Status.OK, cpu),
        Finding(_DEVICES, "cuda", Status.OK, cuda),
        Finding(_DEVICES, "mps", Status.OK, "Apple's GPU" if found["mps"] else "none"),
    ]


def _check(name: str, result: Mapping[str, Any]) -> Finding:
    """What a package has checked; what is wrong begins with its error's type."""
    if "error" in result:
        return Finding("checks", name, Status.BROKEN, result["error"])
    return Finding("checks", name, Status.OK, result["value"])

"""The environments of all installed packages: Gymnasium's registry, and packages that are known.

Since version 1.0 Gymnasium imports no package by itself. Those with an entry point of ours are
found by :mod:`mmrl.registry`; of all others, those that :mod:`mmrl.known_packages` knows and that
are installed.
"""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from os import devnull

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from mmrl.env_apis.registration import NAMESPACE
from mmrl.known_packages import KNOWN
from mmrl.registry import OPTIONAL, load_environments


@dataclass
class InstalledEnvironments:
    """What :func:`find_installed` found.

    Attributes:
        ids: as ``--env`` takes them, sorted, by package.
        failed: packages that cannot be imported, and why.
    """

    ids: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def find_installed() -> InstalledEnvironments:
    """Import the packages of environments that are installed, and list what is registered."""
    load_environments()
    found = InstalledEnvironments()
    for module, _ in set(OPTIONAL.values()):  # the registry imports these by itself
        _try_import(module, found)
    for module in dict.fromkeys(one.module for one in KNOWN):
        before = set(gym.registry)
        _try_import(module, found)
        new = gym.registry.keys() - before
        if new:
            found.ids[module.partition(".")[0]] = [f"{module}:{env_id}" for env_id in new]
    named = {one.rpartition(":")[2] for ids in found.ids.values() for one in ids}
    for env_id, spec in gym.registry.items():
        if env_id not in named and not env_id.startswith(NAMESPACE):
            found.ids.setdefault(_package(spec), []).append(env_id)
    found.ids = {package: sorted(found.ids[package]) for package in sorted(found.ids)}
    return found


def _try_import(module: str, found: InstalledEnvironments) -> None:
    """Import a module where it is installed; what it prints and warns of is dropped."""
    try:
        if find_spec(module.partition(".")[0]) is None:
            return
        with (
            open(devnull, "w", encoding="utf-8") as nowhere,
            redirect_stdout(nowhere),
            redirect_stderr(nowhere),
        ):
            import_module(module)
    except (Exception, SystemExit) as error:  # of any kind, from another package
        found.failed[module] = " ".join(f"{type(error).__name__}: {error}".split())


def _package(spec: EnvSpec) -> str:
    """The package that an environment is of, by the module of what makes it."""
    entry = spec.entry_point
    place = entry if isinstance(entry, str) else str(getattr(entry, "__module__", "") or "")
    return place.partition(":")[0].partition(".")[0] or spec.namespace or "unknown"

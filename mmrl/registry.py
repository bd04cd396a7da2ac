"""Finds environments and agents through entry points: ours and those of other packages.

A package offers environments by naming a module that registers them when imported, and agents by
naming an :class:`mmrl.experiment.agent.Agent`, in its ``pyproject.toml``::

    [project.entry-points."mmrl.environments"]
    my_package = "my_package.envs"

    [project.entry-points."mmrl.agents"]
    my_agent = "my_package.agents:MyAgent"
"""

from __future__ import annotations

import re
import sys
import warnings
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, distributions
from operator import attrgetter
from types import ModuleType
from typing import Any, Final

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from mmrl.display import use_headless_rendering
from mmrl.env_apis.creation import Creator
from mmrl.env_apis.old_gym import OldGymMaker, old_gym_limit, old_gym_spec
from mmrl.env_apis.registration import NAMESPACE, target_spec, unregistered
from mmrl.errors import UserError, unknown
from mmrl.known_packages import known_module, known_package
from mmrl.trust import import_trusted, packages_path

ENVIRONMENTS: Final = "mmrl.environments"
AGENTS: Final = "mmrl.agents"

_OPTIONAL: Final = {"BabyAI-": ("minigrid", "babyai"), "MiniGrid-": ("minigrid", "babyai")}
"""Ids of well-known packages that our extras bring: prefix → (module, extra)."""


@cache
def _entries(group: str) -> dict[str, EntryPoint]:
    """Those of installed packages, the first of a name."""
    return {
        entry.name: entry
        for distribution in reversed(list(distributions(path=packages_path())))
        for entry in distribution.entry_points
        if entry.group == group
    }


@cache
def load_environments() -> dict[str, list[str]]:
    """Import every module that offers environments; one that cannot be imported is skipped with a
    warning.

    Returns:
        The ids that each entry point registered, by the entry point's name.
    """
    offered = {}
    for name, entry in _entries(ENVIRONMENTS).items():
        try:
            module = entry.load().__name__.split(".")[0]
        except Exception as error:  # of any kind, from another package
            warnings.warn(
                f"the environments of the package {name!r} ({entry.value}) cannot be imported: "
                f"{type(error).__name__}: {error}",
                stacklevel=2,
            )
            continue
        offered[name] = sorted(
            id_ for id_, spec in gym.registry.items() if _comes_from(spec, module)
        )
    return offered


def _comes_from(spec: EnvSpec, package: str) -> bool:
    return isinstance(spec.entry_point, str) and spec.entry_point.split(".")[0] == package


def find_spec(env_id: str) -> EnvSpec:
    """The specification of an environment, by its id, as ``module:id``, or as ``module:Class``.

    Args:
        env_id: an id of Gymnasium's; one of the old package ``gym``, where that is imported; or
            the path of a class, or of a function that makes an environment.

    Raises:
        UserError: there is none; with the nearest ids, or the package or extra that brings it.
    """
    use_headless_rendering()
    load_environments()
    module, _, name = env_id.rpartition(":")
    found: ModuleType | None = None
    if module:
        if not re.fullmatch(r"\w+(\.\w+)*", module):
            raise UserError(
                f"environment {env_id!r}: {module!r} is no name of a module; give module:Id, "
                "such as kitchen:Kitchen-v0 for an environment that kitchen.py registers"
            )
        try:
            found = import_trusted(module)
        except UserError:
            raise
        except Exception as error:  # of any kind, from another module
            known = known_module(module) if isinstance(error, ModuleNotFoundError) else None
            hint = "" if known is None else f" (pip install {known.pip})"
            raise UserError(
                f"environment {env_id!r}: cannot import {module}: {type(error).__name__}: "
                f"{error}{hint}"
            ) from error
    for prefix, (package, extra) in _OPTIONAL.items():
        if name.startswith(prefix):
            try:
                import_module(package)
            except ImportError as error:
                raise UserError(
                    f"environment {name!r} needs the package {package!r}: "
                    f"pip install 'multimodal-rl[{extra}]'"
                ) from error
    if name in gym.registry and module.partition(".")[0] != "gym":
        return gym.registry[name]
    if found is not None and (target := _attribute(found, name)) is not None:
        return target_spec(env_id, target)
    if (old := old_gym_spec(name)) is not None:
        creator = Creator(OldGymMaker(old), name)
        return EnvSpec(name, entry_point=creator, max_episode_steps=old_gym_limit(old))
    raise _unknown_environment(name, found)


def _attribute(module: ModuleType, name: str) -> Any:
    """What a module has under a name, with dots for a nested class; None where it has nothing."""
    try:
        return attrgetter(name)(module)
    except AttributeError:
        return None


def _unknown_environment(name: str, module: ModuleType | None) -> UserError:
    if name.startswith(NAMESPACE):
        return unregistered(name)
    package = known_package(name)
    if package is not None and package.module not in sys.modules:
        return UserError(
            f"unknown environment {name!r}: such ids are of the package {package.pip!r}, which is "
            f"not imported: give {package.module}:{name} (pip install {package.pip}), or in Python "
            f"add 'import {package.module}'"
        )
    if module is not None:
        hint = unknown("environment", name, [*gym.registry, *_environments_in(module)])
        return UserError(f"{hint} {module.__name__} neither registers it nor has such a class")
    return UserError(
        f"{unknown('environment', name, gym.registry)} Where a module of yours registers it, name "
        f"that, too: module:{name}"
    )


def _environments_in(module: ModuleType) -> list[str]:
    """The classes of environments that a module holds."""
    return [key for key, one in vars(module).items()
            if isinstance(one, type) and issubclass(one, gym.Env)]  # fmt: skip


def agent_names() -> list[str]:
    """The names of all installed agents."""
    return sorted(_entries(AGENTS))


def find_agent(name: str) -> Any:
    """The agent class of that name, see :class:`mmrl.experiment.agent.Agent`.

    Raises:
        UserError: there is none; with the nearest names.
    """
    entries = _entries(AGENTS)
    if name not in entries:
        raise unknown("agent", name, entries)
    return entries[name].load()

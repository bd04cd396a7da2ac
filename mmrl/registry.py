"""Finds environments, agents, encoders and fusions: ours and those of other packages.

A package offers environments by naming a module that registers them when imported, agents by
naming an :class:`mmrl.experiment.agent.Agent`, encoders, fusions and loggers by naming their
classes, and trained agents by naming the package that holds them, see :mod:`mmrl.sharing.zoo`, in
its ``pyproject.toml``. Where it also names the dataclass of an agent's hyperparameters, help is
printed without importing the agent::

    [project.entry-points."mmrl.environments"]
    my_package = "my_package.envs"

    [project.entry-points."mmrl.agents"]
    my_agent = "my_package.agents:MyAgent"

    [project.entry-points."mmrl.agent_configs"]
    my_agent = "my_package.configs:MyConfig"

    [project.entry-points."mmrl.encoders"]
    my_words = "my_package.encoders:MyWords"

    [project.entry-points."mmrl.zoo"]
    my_package = "my_package.zoo"

    [project.entry-points."mmrl.fusions"]
    my_fusion = "my_package.fusions:MyFusion"

    [project.entry-points."mmrl.loggers"]
    my_logger = "my_package.loggers:MyLogger"

Without a package, agents, encoders, fusions and loggers are named by a dotted path,
``my_module.MyAgent`` or ``my_module:MyAgent``.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from operator import attrgetter
from types import ModuleType
from typing import Any, Final

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from mmrl.display import use_headless_rendering
from mmrl.entry_points import entry_points
from mmrl.env_apis.creation import Creator
from mmrl.env_apis.old_gym import OldGymMaker, old_gym_limit, old_gym_spec
from mmrl.env_apis.registration import NAMESPACE, target_spec, unregistered
from mmrl.env_sets import env_text, members_of, names_several
from mmrl.errors import UserError, unknown
from mmrl.known_packages import known_module, known_package
from mmrl.optional_packages import needed_for
from mmrl.text_output import printable, shortened
from mmrl.trust import import_trusted, split_path

ENVIRONMENTS: Final = "mmrl.environments"
AGENTS: Final = "mmrl.agents"
AGENT_CONFIGS: Final = "mmrl.agent_configs"
ENCODERS: Final = "mmrl.encoders"
FUSIONS: Final = "mmrl.fusions"
LOGGERS: Final = "mmrl.loggers"
ZOO: Final = "mmrl.zoo"

OPTIONAL: Final = {"BabyAI-": ("minigrid", "babyai"), "MiniGrid-": ("minigrid", "babyai")}
"""Ids of well-known packages that our extras bring: prefix → (module, extra)."""


@cache
def load_environments() -> dict[str, list[str]]:
    """Import every module that offers environments; one that cannot be imported is skipped with a
    warning.

    Returns:
        The ids that each entry point registered, by the entry point's name.
    """
    offered = {}
    for name, entry in entry_points(ENVIRONMENTS).items():
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
        UserError: there is none, with the nearest ids, or the package or extra that brings it; or
            the name is that of several.
    """
    if names_several(env_id):
        raise UserError(f"env {printable(shortened(env_id))}: names several, and one is needed")
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
    for prefix, (package, extra) in OPTIONAL.items():
        if name.startswith(prefix):
            with needed_for(f"environment {name!r}", extra):
                import_module(package)
    if name in gym.registry and module.partition(".")[0] != "gym":
        return gym.registry[name]
    if found is not None and (target := _attribute(found, name)) is not None:
        return target_spec(env_id, target)
    if (old := old_gym_spec(name)) is not None:
        creator = Creator(OldGymMaker(old), name)
        return EnvSpec(name, entry_point=creator, max_episode_steps=old_gym_limit(old))
    raise _unknown_environment(name, found)


def find_environments(env: str) -> str:
    """The name of some environments, see :mod:`mmrl.env_sets`, in which ids with ``*`` stand for
    all installed environments that match, but for those that match one after a minus:
    ``[Box*-v0, -*Large*, other:Room-v0]``.

    Args:
        env: an id, which is returned as it is, a pattern, or the text of several.

    Raises:
        UserError: a pattern that nothing matches, or a text that is wrong.
    """
    if not names_several(env) and "*" not in env:
        return env
    found: dict[str, Any] = {}
    members = members_of(env)
    without = [one.env[1:] for one in members if one.env.startswith("-")]
    for one in members:
        if not one.env.startswith("-"):
            options = {"weight": one.weight, "env_args": dict(one.env_args)}
            found |= dict.fromkeys(_matching(one.env, without), options)
    return env_text(found)


def _matching(pattern: str, without: Iterable[str]) -> list[str]:
    """The ids of installed environments that match a pattern, and none of some others; an id
    matches itself.
    """
    if "*" not in pattern:
        return [pattern]
    load_environments()
    found = [
        one
        for one in gym.registry
        if fnmatchcase(one, pattern) and not any(fnmatchcase(one, other) for other in without)
    ]
    if not found:
        raise UserError(f"env {pattern!r}: no installed environment matches; see 'mmrl envs'")
    return found


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


def is_offered(group: str, name: str) -> bool:
    """Whether a name is that of an entry point, or a dotted path; nothing is imported."""
    return name in entry_points(group) or split_path(name) is not None


def find_offered(group: str, name: str, what: str, ours: Iterable[str] = ()) -> Any:
    """What an entry point of that name, or a dotted path, leads to.

    Args:
        group: of entry points, such as :data:`ENCODERS`.
        name: of the entry point, or the path.
        what: kind of thing is named, for errors.
        ours: names of ours, which an error lists with the others.

    Raises:
        UserError: there is none, or its module cannot be imported.
    """
    entries = entry_points(group)
    path = None if name in entries else split_path(name)
    if name not in entries and path is None:
        raise unknown(what, name, {*entries, *ours})
    try:
        return entries[name].load() if path is None else _imported(*path)
    except Exception as error:  # of any kind, from another module
        raise UserError(
            f"{what} {name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _imported(module: str, attribute: str) -> Any:
    return getattr(import_trusted(module), attribute)


def agent_names() -> list[str]:
    """The names of all installed agents."""
    return sorted(entry_points(AGENTS))


def agent_section(name: str) -> str:
    """The key of an agent's hyperparameters in configurations: its name; for a dotted path the
    name of the class.
    """
    path = None if name in entry_points(AGENTS) else split_path(name)
    return name if path is None else path[1]


def find_agent(name: str) -> Any:
    """The agent class of that name or dotted path, see :class:`mmrl.experiment.agent.Agent`.

    Raises:
        UserError: there is none, with the nearest names; or it is no agent.
    """
    found = find_offered(AGENTS, name, "agent")
    lacking = [one for one in ("Config", "train", "load") if not hasattr(found, one)]
    if name not in entry_points(AGENTS) and lacking:
        raise UserError(
            f"agent {name!r} has no {' and no '.join(lacking)}: see mmrl.experiment.agent.Agent "
            "for what an agent needs"
        )
    return found


def find_config(name: str) -> type[Any]:
    """The dataclass of an agent's hyperparameters; the agent is imported only where no entry point
    of the group ``mmrl.agent_configs`` has its name.

    Raises:
        UserError: as :func:`find_agent`.
    """
    if name in entry_points(AGENTS) and name in entry_points(AGENT_CONFIGS):
        config: type[Any] = find_offered(AGENT_CONFIGS, name, "the hyperparameters of agent")
        return config
    return find_agent(name).Config

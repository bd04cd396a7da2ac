"""Names for environments that are given in Python: classes, factories, objects, specifications.

What can be imported is named ``module:Name``, so that commands find it later. What exists only in
this process is registered with Gymnasium in the namespace ``python/``, and everything else sees an
id as ever.
"""

from __future__ import annotations

import copy
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import attrgetter
from types import ModuleType
from typing import Any, Final

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from mmrl.env_apis.creation import Copies, Creator, is_gymnasium_class
from mmrl.env_apis.parallel import is_parallel
from mmrl.env_sets import env_text
from mmrl.errors import UserError
from mmrl.known_packages import known_package

NAMESPACE: Final = "python/"
"""Begins the ids of what is registered here."""
EnvLike = str | EnvSpec | Callable[..., Any] | Any
"""An environment: an id or ``module:Name``, a specification, a class, a factory, or an object; or
several: a list of such, or a mapping of such to weights.
"""

_ids: dict[int, tuple[Any, str]] = {}  # id(target) → the target, kept alive, and its name


def env_id_of(env: EnvLike) -> str:
    """The id of an environment; one that has none is registered.

    Args:
        env: an id, which is returned; a Gymnasium ``EnvSpec``; a class, or a function that makes
            an environment; or an object, of which deep copies are used (where it cannot be copied,
            what ``gymnasium.make`` makes of its ``spec``). Several of these in a list, or with
            their weights in a mapping, get one name, see :mod:`mmrl.env_sets`.

    Returns:
        An id; ``module:Name`` for what can be imported; ``python/Name`` for what exists only in
        this process. A class that is defined anew takes the place of the earlier one of its name;
        lambdas, local functions and objects have names of their own.

    Raises:
        UserError: it is nothing of these, or an object that cannot be copied.
    """
    if isinstance(env, str):
        return env
    if isinstance(env, list | tuple):
        return env_text([env_id_of(one) for one in env])
    if isinstance(env, Mapping):
        return env_text({env_id_of(one): weight for one, weight in env.items()})
    if isinstance(env, EnvSpec):
        return _id_of_spec(env)
    if callable(env) and not isinstance(env, gym.Env):
        path = importable_path(env)
        return path if path is not None else _register(env, env, _name_of(env))
    if isinstance(env, gym.Env) or is_parallel(env) or hasattr(env, "step"):
        return _id_of_object(env)
    raise UserError(
        f"env={env!r} is no environment: give an id, a class, a function that makes one, or an "
        "environment"
    )


def is_same_name(first: str, second: str) -> bool:
    """Whether two ids that were given here are of the same name, perhaps of two processes."""
    plain = [re.sub("-[0-9a-f]{6}$", "", one) for one in (first, second)]
    return plain[0] == plain[1]


def importable_path(target: Any) -> str | None:
    """The path ``module:Name`` under which a class or function can be imported in another process;
    None where there is none.
    """
    module, name = getattr(target, "__module__", None), getattr(target, "__qualname__", "")
    if _is_at(target, sys.modules.get(str(module)), name):
        return f"{module}:{name}"
    name = str(getattr(target, "__name__", ""))
    if not name.isidentifier():
        return None
    # a function that another one has made, such as PettingZoo's parallel_env
    places = [
        f"{place}:{key}"
        for place, one in list(sys.modules.items())
        if isinstance(one, ModuleType) and getattr(one, "__spec__", None) is not None
        for key, value in list(vars(one).items())
        if value is target and place != "__main__" and not key.startswith("_")
    ]
    return min(places, key=len, default=None)


def _is_at(target: Any, module: Any, name: str) -> bool:
    if module is None or module.__name__ == "__main__" or "<" in name or not name:
        return False
    try:
        return attrgetter(name)(module) is target
    except AttributeError:
        return False


def target_spec(path: str, target: Any) -> EnvSpec:
    """The specification of a class or function that a path names.

    Raises:
        UserError: it can make no environment.
    """
    if isinstance(target, type) and is_gymnasium_class(target) and "." not in path.split(":")[1]:
        return EnvSpec(path, entry_point=path)
    if not callable(target):
        raise UserError(
            f"environment {path!r} is {type(target).__name__}: name a class, or a function that "
            "makes an environment"
        )
    return EnvSpec(path, entry_point=Creator(target, path))


def unregistered(env_id: str) -> UserError:
    """The error for an id that was registered in another process."""
    return UserError(
        f"environment {env_id!r} exists only in the Python session that made it: pass it there, as "
        "in mmrl.evaluate(run, env=MyEnv) or mmrl.resume(run, env=MyEnv); or move it into a module "
        "and name that, --env my_module:MyEnv"
    )


def _register(key: Any, target: Callable[..., Any], name: str) -> str:
    if id(key) in _ids:
        return _ids[id(key)][1]
    qualified = str(getattr(key, "__qualname__", "<"))
    env_id = NAMESPACE + (f"{name}-{secrets.token_hex(3)}" if "<" in qualified else name)
    for old in [one for one, (_, taken) in _ids.items() if taken == env_id]:
        del _ids[old]
    _ids[id(key)] = key, env_id
    entry = target if is_gymnasium_class(target) else Creator(target, env_id)
    gym.registry[env_id] = EnvSpec(env_id, entry_point=entry)
    return env_id


def _id_of_object(env: Any) -> str:
    try:
        copies = Copies(env)
    except Exception as error:  # of any kind: a simulator's own
        spec = getattr(env, "spec", None)
        if isinstance(spec, EnvSpec):
            return _id_of_spec(spec)
        raise UserError(
            f"env={env!r} cannot be copied ({type(error).__name__}: {error}), and a training makes "
            "several: give its class, or a function that makes one, such as env=lambda: MyEnv(…)"
        ) from error
    own: Any = getattr(env, "unwrapped", env)
    env_id = _register(env, copies, type(own).__name__)
    gym.registry[env_id].entry_point = Creator(copies, env_id)  # as the object is now
    return env_id


def _id_of_spec(spec: EnvSpec) -> str:
    if gym.registry.get(spec.id) == spec:
        package = known_package(spec.id)
        return spec.id if package is None else f"{package.module}:{spec.id}"
    for _, env_id in list(_ids.values()):
        if replace(gym.registry[env_id], id=spec.id) == spec:
            return env_id
    env_id = f"{NAMESPACE}{spec.name}-{secrets.token_hex(3)}"
    gym.registry[env_id] = replace(copy.deepcopy(spec), id=env_id)
    _ids[id(gym.registry[env_id])] = gym.registry[env_id], env_id
    return env_id


def _name_of(target: Any) -> str:
    inner = getattr(target, "func", target)  # of functools.partial
    name = str(getattr(inner, "__qualname__", type(inner).__name__))
    name = name.rpartition("<locals>.")[2].replace("<lambda>", "lambda")
    return re.sub(r"[^\w.]", "_", name)

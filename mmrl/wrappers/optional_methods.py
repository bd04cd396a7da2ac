"""Optional methods of environments: an expert, and which sentences ask for the same.

Environments have them as :mod:`mmrl.contract` describes; :func:`find_expert` and
:func:`find_equivalence` find them in a batch, be it an engine of its own or one of single ones.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.wrappers.single_environments import are_single, each

Equivalence = Callable[[Sequence[str], Iterable[int]], NDArray[np.bool_]]
"""N sentences, and the rows that matter → whether each asks for what the row's own instruction asks
for, bool [N]; False in other rows.
"""
_KNOWLEDGE: Final = "knowledge"
_EXPERT: Final = "expert_action"
_EQUIVALENT: Final = "is_equivalent"


def find_expert(
    env: VectorEnv[Any, Any, Any], knowledge: str | None = None
) -> Callable[[], NDArray[Any]] | None:
    """The expert that an environment brings: ``expert_actions()`` of a batched engine, or
    ``expert_action()`` of a single environment.

    Args:
        env: N environments.
        knowledge: an argument for those that take it; None leaves it out.

    Returns:
        What gives the experts' present actions, [N]; None where there is no expert.
    """
    inner: Any = env.unwrapped
    whole = getattr(inner, "expert_actions", None)
    if whole is not None:
        arguments = _knowledge(whole, knowledge)
        return lambda: np.asarray(whole(**arguments))
    if not _all_have(env, _EXPERT):
        return None
    arguments = each(env, partial(_expert_arguments, knowledge=knowledge))[0]
    return lambda: np.asarray(each(env, partial(_call, name=_EXPERT, arguments=arguments)))


def find_equivalence(env: VectorEnv[Any, Any, Any]) -> Equivalence | None:
    """Whether sentences ask for what the present episodes' own instructions ask for, by the
    environment's ``are_equivalent`` or ``is_equivalent``; None where it has neither.

    Raises:
        UserError: by the function, where the environment returns no truth values.
    """
    inner: Any = env.unwrapped
    whole = getattr(inner, "are_equivalent", None)
    if whole is not None:
        count = env.num_envs

        def ask_batch(sentences: Sequence[str], rows: Iterable[int]) -> NDArray[np.bool_]:
            answers = np.asarray(whole(tuple(sentences)))
            if answers.shape != (count,) or answers.dtype != np.bool_:
                raise UserError(
                    f"are_equivalent returned {answers.dtype} {list(answers.shape)}: it must be "
                    f"bool [{count}]"
                )
            wanted = np.zeros(count, np.bool_)
            wanted[list(rows)] = True
            return answers & wanted

        return ask_batch
    if not _all_have(env, _EQUIVALENT):
        return None

    def ask_each(sentences: Sequence[str], rows: Iterable[int]) -> NDArray[np.bool_]:
        asked: list[str | None] = [None] * env.num_envs
        for row in rows:
            asked[row] = sentences[row]
        return np.array(each(env, _is_equivalent, asked), np.bool_)

    return ask_each


def _all_have(env: VectorEnv[Any, Any, Any], name: str) -> bool:
    """Whether a batch is made of single environments that have a method."""
    return are_single(env) and all(each(env, partial(_has, name=name)))


def _has(env: gym.Env[Any, Any], name: str) -> bool:
    try:
        env.get_wrapper_attr(name)
    except AttributeError:
        return False
    return True


def _call(env: gym.Env[Any, Any], name: str, arguments: dict[str, str]) -> Any:
    return env.get_wrapper_attr(name)(**arguments)


def _expert_arguments(env: gym.Env[Any, Any], knowledge: str | None) -> dict[str, str]:
    return _knowledge(env.get_wrapper_attr(_EXPERT), knowledge)


def _is_equivalent(env: gym.Env[Any, Any], sentence: str | None) -> bool:
    """Whether a sentence asks for what the episode's own asks for; False where there is none."""
    return sentence is not None and bool(env.get_wrapper_attr(_EQUIVALENT)(sentence))


def _knowledge(method: Callable[..., Any], knowledge: str | None) -> dict[str, str]:
    """The argument, where the method takes it."""
    if knowledge is None:
        return {}
    try:
        parameters = inspect.signature(method).parameters
    except (TypeError, ValueError):
        return {}
    return {_KNOWLEDGE: knowledge} if _KNOWLEDGE in parameters else {}

"""Optional methods of environments: an expert, and which sentences ask for the same.

Environments have them as :mod:`mmrl.contract` describes; :func:`find_expert` and
:func:`find_equivalence` find them in a batch, be it an engine of its own or a ``SyncVectorEnv``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from mmrl.errors import UserError

Equivalence = Callable[[Sequence[str], Iterable[int]], NDArray[np.bool_]]
"""N sentences, and the rows that matter → whether each asks for what the row's own instruction asks
for, bool [N]; False in other rows.
"""
_KNOWLEDGE: Final = "knowledge"


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
    singles = _methods(inner, "expert_action")
    if singles is None:
        return None
    arguments = _knowledge(singles[0], knowledge)
    return lambda: np.asarray(inner.call("expert_action", **arguments))


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
    singles = _methods(inner, "is_equivalent")
    if singles is None:
        return None

    def ask_each(sentences: Sequence[str], rows: Iterable[int]) -> NDArray[np.bool_]:
        answers = np.zeros(len(singles), np.bool_)
        for row in rows:
            answers[row] = bool(singles[row](sentences[row]))
        return answers

    return ask_each


def _methods(inner: Any, name: str) -> list[Callable[..., Any]] | None:
    """A method of each environment of a ``SyncVectorEnv``; None where they have none."""
    if not isinstance(inner, SyncVectorEnv):
        return None
    try:
        return [one.get_wrapper_attr(name) for one in inner.envs]
    except AttributeError:
        return None


def _knowledge(method: Callable[..., Any], knowledge: str | None) -> dict[str, str]:
    """The argument, where the method takes it."""
    if knowledge is None:
        return {}
    try:
        parameters = inspect.signature(method).parameters
    except (TypeError, ValueError):
        return {}
    return {_KNOWLEDGE: knowledge} if _KNOWLEDGE in parameters else {}

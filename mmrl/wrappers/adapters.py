"""Environments by their id, one or a batch, made to fulfil the contract."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium import spaces
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from mmrl.contract import (
    ACHIEVED,
    DESCRIPTION,
    INSTRUCTION,
    SPEECH,
    contract_violation,
)
from mmrl.errors import UserError
from mmrl.preprocessing.text import split_words
from mmrl.registry import find_spec
from mmrl.wrappers.actions import action_notes, adapt_actions, takes_as_is
from mmrl.wrappers.adapt.adapter import ContractAdapter
from mmrl.wrappers.adapt.config import ADAPTER, RENDER, AdapterConfig
from mmrl.wrappers.adapt.minigrid import MinigridAdapter, is_minigrid
from mmrl.wrappers.adapt.plan import AdapterPlan
from mmrl.wrappers.error_context import ErrorContext
from mmrl.wrappers.speech import Speakers, SpokenInstructions, SpokenInstructionsVector

SAMPLES = 512
"""Episodes whose instructions show the words of an environment that does not declare them."""

_INFO_OPTIONS: dict[str, str | None] = {ACHIEVED: "achieved", DESCRIPTION: "describe"}
"""The usual arguments that turn on optional entries of the infos."""


def adapt(
    env: gym.Env[Any, Any],
    config: AdapterConfig | None = None,
    plan: AdapterPlan | None = None,
) -> gym.Env[Any, Any]:
    """The environment itself where it fulfils the contract and has an instruction, else wrapped so
    that it does: the instruction may be somewhere else.

    Args:
        env: any environment.
        config: of the adapter; None finds out by itself.
        plan: of another environment of the same kind, which is made use of again.

    Raises:
        UserError: nothing of its observations can be used.
    """
    space = env.observation_space
    if config is None and contract_violation(space) is None and INSTRUCTION in _keys(space):
        return env
    if is_minigrid(env):
        return MinigridAdapter(env, config)
    return ContractAdapter(env, plan, config)


def _keys(space: gym.Space[Any]) -> tuple[str, ...]:
    return tuple(space.spaces) if isinstance(space, spaces.Dict) else ()


def adaptation(env: gym.Env[Any, Any]) -> list[tuple[str, ...]]:
    """What adapters make of an environment, see
    :meth:`mmrl.wrappers.adapt.plan.AdapterPlan.rows`; empty where it is not adapted.
    """
    adapter = _contract_adapter(env)
    rows: list[tuple[str, ...]] = [] if adapter is None else [*adapter.plan.rows()]
    for note in action_notes(env):
        own, _, rest = note.partition(" → ")
        becomes, _, reason = rest.partition(": ")
        rows.append(("actions", own, becomes, reason))
    return rows


def _contract_adapter(env: gym.Env[Any, Any]) -> ContractAdapter | None:
    """The contract's adapter among the wrappers of an environment."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, ContractAdapter):
            return env
        env = env.env
    return None


def make_env(env_id: str, **kwargs: Any) -> gym.Env[Any, Any]:
    """One environment that fulfils the contract, with actions as agents take them, see
    :func:`mmrl.wrappers.actions.adapt_actions`.

    Args:
        env_id: a Gymnasium id, or ``module:id``.
        kwargs: the environment's own arguments, ``render_mode`` among them; ``env_adapter``, the
            fields of an :class:`~mmrl.wrappers.adapt.config.AdapterConfig`; and ``speech``,
            arguments of :class:`mmrl.wrappers.speech.Speakers`, to have the instructions spoken.

    Raises:
        UserError: unknown id, arguments that it refuses, or nothing to adapt.
    """
    speakers = _speakers(kwargs.pop(SPEECH, None))
    env = _adapted(env_id, kwargs)
    return env if speakers is None else SpokenInstructions(env, speakers)


def _adapted(
    env_id: str, kwargs: dict[str, Any], plan: AdapterPlan | None = None
) -> gym.Env[Any, Any]:
    given = kwargs.pop(ADAPTER, None)
    config = None if given is None else AdapterConfig.read(given)
    if config is not None and config.image == RENDER:
        kwargs.setdefault("render_mode", "rgb_array")
    return adapt_actions(adapt(_make(env_id, kwargs), config, plan))[0]


def info_keys(env: gym.Env[Any, Any]) -> dict[str, str | None] | None:
    """The optional entries of an environment's infos, as its ``metadata["info_keys"]`` declares
    them: each with the constructor's argument that turns it on, such as
    ``{"achieved": "achieved", "description": "describe"}``, or None where it is always there.
    None where nothing is declared.
    """
    return _declared(env.metadata)


def declared_info_keys(env_id: str) -> dict[str, str | None] | None:
    """As :func:`info_keys`, of an environment's class; nothing is built.

    Raises:
        UserError: there is no such environment.
    """
    entry = find_spec(env_id).entry_point
    creator = load_env_creator(entry) if isinstance(entry, str) else entry
    return _declared(getattr(creator, "metadata", None))


def _declared(metadata: Any) -> dict[str, str | None] | None:
    keys = metadata.get("info_keys") if isinstance(metadata, Mapping) else None
    return None if keys is None else dict(keys)


def with_info(env_id: str, env_args: dict[str, Any], key: str) -> dict[str, Any] | None:
    """The arguments of an environment that has an optional entry in its infos.

    Args:
        env_id, env_args: of the environment; an argument that is given stays as it is.
        key: of the entry, such as :data:`mmrl.contract.ACHIEVED`.

    Returns:
        None where the environment has no such entry, by what it declares; one that declares
        nothing is built with the usual argument, and has the entry if it takes that.

    Raises:
        UserError: there is no such environment.
    """
    declared = declared_info_keys(env_id)
    options = _INFO_OPTIONS if declared is None else declared
    if key not in options:
        return None
    option = options[key]
    if option is None or option in env_args:
        return env_args
    if declared is None and not _accepts(env_id, {**env_args, option: True}):
        return None
    return {**env_args, option: True}


def understands(env_id: str, env_args: dict[str, Any], **option: Any) -> bool:
    """Whether an environment takes an argument that turns on an entry of its infos: by what its
    class declares, see :func:`info_keys`; an environment that declares nothing is built with it.

    Raises:
        UserError: there is no such environment.
    """
    declared = declared_info_keys(env_id)
    if declared is not None:
        return option.keys() <= set(declared.values())
    return _accepts(env_id, {**env_args, **option})


def _accepts(env_id: str, env_args: dict[str, Any]) -> bool:
    try:
        make_env(env_id, **copy.deepcopy(env_args)).close()
    except UserError:
        return False
    return True


def make_vec_env(env_id: str, num_envs: int, **kwargs: Any) -> VectorEnv[Any, Any, Any]:
    """``num_envs`` environments that fulfil the contract, restarting within the step that ends
    an episode (Gymnasium's ``AutoresetMode.SAME_STEP``).

    The environment's own batched engine is used where it has one that fulfils the contract, with
    actions that agents take as they are.

    Raises:
        UserError: as :func:`make_env`.
    """
    speakers = _speakers(kwargs.pop(SPEECH, None))
    batch = _make_batch(env_id, num_envs, kwargs)
    return batch if speakers is None else SpokenInstructionsVector(batch, speakers)


def _speakers(arguments: dict[str, Any] | None) -> Speakers | None:
    return None if arguments is None else Speakers.from_args(arguments)


def _make_batch(env_id: str, num_envs: int, kwargs: dict[str, Any]) -> VectorEnv[Any, Any, Any]:
    spec = find_spec(env_id)
    if spec.vector_entry_point is not None and ADAPTER not in kwargs:
        try:
            batch = gym.make_vec(
                spec,
                num_envs,
                vectorization_mode="vector_entry_point",
                autoreset_mode=AutoresetMode.SAME_STEP,
                **kwargs,
            )
        except (TypeError, ValueError) as error:
            if "autoreset_mode" not in str(error):  # a batch with a fixed mode is not used
                raise UserError(f"environment {env_id!r}: {error}") from error
        else:
            fulfils = contract_violation(batch.single_observation_space) is None
            if fulfils and takes_as_is(batch.single_action_space):
                return batch
            batch.close()
    first = _adapted(env_id, {**kwargs})
    adapter = _contract_adapter(first)
    plan = None if adapter is None else adapter.plan
    makers = [
        partial(_make_checked, env_id, number, kwargs, plan, first if number == 0 else None)
        for number in range(num_envs)
    ]
    return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)


def _make_checked(
    env_id: str,
    number: int,
    kwargs: dict[str, Any],
    plan: AdapterPlan | None,
    made: gym.Env[Any, Any] | None,
) -> gym.Env[Any, Any]:
    return ErrorContext(_adapted(env_id, {**kwargs}, plan) if made is None else made, number)


def _make(env_id: str, kwargs: dict[str, Any]) -> gym.Env[Any, Any]:
    spec = find_spec(env_id)
    try:
        return gym.make(spec, **kwargs)
    except (TypeError, ValueError) as error:
        raise UserError(f"environment {env_id!r}: {error}") from error


def instruction_words(env_id: str, *, samples: int = SAMPLES, **kwargs: Any) -> list[str]:
    """The words that an environment's instructions are made of, sorted.

    Taken from ``metadata["instruction_words"]`` where the environment declares them, otherwise
    from the instructions of ``samples`` episodes.
    """
    with contextlib.closing(make_env(env_id, **kwargs)) as env:
        return words_of(env, lambda env: sample_instructions(env, range(samples)))


def words_of(
    env: gym.Env[Any, Any], sample: Callable[[gym.Env[Any, Any]], Iterable[str]]
) -> list[str]:
    """As :func:`instruction_words`, of an environment that is built.

    Args:
        env: it.
        sample: gives instructions of an environment that does not declare its words.
    """
    declared = env.metadata.get("instruction_words")
    if declared is None:
        declared = {word for sentence in set(sample(env)) for word in split_words(sentence)}
    return sorted(declared)


def instructions(env_id: str, seeds: Iterable[int], **kwargs: Any) -> list[str]:
    """The instruction of the episode of each seed, some of them more than once.

    Raises:
        UserError: as :func:`make_env`.
    """
    with contextlib.closing(make_env(env_id, **kwargs)) as env:
        return sample_instructions(env, seeds)


def sample_instructions(env: gym.Env[Any, Any], seeds: Iterable[int] = range(SAMPLES)) -> list[str]:
    """As :func:`instructions`, of an environment that is built; none where it has none."""
    if INSTRUCTION not in _keys(env.observation_space):
        return []
    return [str(env.reset(seed=seed)[0][INSTRUCTION]) for seed in seeds]

"""Environments by their id, one or a batch, made to fulfil the contract."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from mmrl.contract import ACHIEVED, DESCRIPTION, INSTRUCTION, SPEECH, contract_violation
from mmrl.env_apis.parallel import AgentTurns
from mmrl.env_apis.registration import EnvLike, env_id_of
from mmrl.env_sets import assign, members_of, names_several
from mmrl.errors import UserError
from mmrl.language import find_language
from mmrl.preprocessing.text import split_words
from mmrl.registry import find_environments, find_spec
from mmrl.splits import SPLIT, Split
from mmrl.wrappers.actions import takes_as_is
from mmrl.wrappers.adapt.action_masks import engine_has_masks
from mmrl.wrappers.adapt.config import ADAPTER
from mmrl.wrappers.error_context import ErrorContext, close
from mmrl.wrappers.joined_vector_env import JoinedVectorEnv
from mmrl.wrappers.making import Plan, has_instruction, make_adapted, make_checked, plan_of
from mmrl.wrappers.parallel_vector_env import AgentMakers, ParallelVectorEnv
from mmrl.wrappers.speech import Speakers, SpokenInstructions, SpokenInstructionsVector
from mmrl.wrappers.split import SplitEnv, SplitVectorEnv
from mmrl.wrappers.worker_vector_env import WorkerVectorEnv, is_portable

SAMPLES: Final = 512
"""The most episodes whose instructions show the words of an environment that does not declare
them."""
_PATIENCE: Final = 64

_INFO_OPTIONS: dict[str, str | None] = {ACHIEVED: "achieved", DESCRIPTION: "describe"}
"""The usual arguments that turn on optional entries of the infos."""


def make_env(env: EnvLike, **kwargs: Any) -> gym.Env[Any, Any]:
    """One environment that fulfils the contract, with actions as agents take them, see
    :func:`mmrl.wrappers.actions.adapt_actions`.

    Args:
        env: a Gymnasium id, ``module:id`` or ``module:Class``; or a class, a factory, a
            specification or an object, see :func:`mmrl.env_apis.registration.env_id_of`.
        kwargs: the environment's own arguments, ``render_mode`` among them; ``env_adapter``, the
            fields of an :class:`~mmrl.wrappers.adapt.config.AdapterConfig`; and ``speech``,
            arguments of :class:`mmrl.wrappers.speech.Speakers`, to have the instructions spoken;
            and ``split``, as of :meth:`mmrl.splits.Split.read`, to have the instructions of one
            side of a split only.

    Raises:
        UserError: unknown id, arguments that it refuses, or nothing to adapt.
    """
    speakers = _speakers(kwargs.pop(SPEECH, None))
    env_id = env_id_of(env)
    split = _split(env_id, kwargs.pop(SPLIT, None))
    made = make_adapted(find_spec(env_id), kwargs)
    if split is not None:
        made = SplitEnv(made, split)
    return made if speakers is None else SpokenInstructions(made, speakers)


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


def make_reporting_env(env_id: str, key: str, **kwargs: Any) -> gym.Env[Any, Any]:
    """One environment as of :func:`make_env`, with an optional entry in its infos where it has
    one, as :func:`with_info` finds out, but without building another one.

    Args:
        env_id: of the environment.
        key: of the entry.
        kwargs: as of :func:`make_env`.

    Raises:
        UserError: as :func:`make_env`.
    """
    declared = declared_info_keys(env_id)
    option = (_INFO_OPTIONS if declared is None else declared).get(key)
    if option is None or option in kwargs:
        return make_env(env_id, **kwargs)
    try:
        return make_env(env_id, **{option: True}, **copy.deepcopy(kwargs))
    except UserError:
        if declared is not None:
            raise
        return make_env(env_id, **kwargs)


def understands(env_id: str, env_args: dict[str, Any], **option: Any) -> bool:
    """Whether an environment takes an argument that turns on an entry of its infos: by what its
    class declares, see :func:`info_keys`; an environment that declares nothing is built with it.
    Of several, all have to.

    Raises:
        UserError: there is no such environment.
    """
    if names_several(env_id):
        members = members_of(env_id)
        return all(understands(one.env, one.args(env_args), **option) for one in members)
    declared = declared_info_keys(env_id)
    if declared is not None:
        return option.keys() <= set(declared.values())
    return _accepts(env_id, {**env_args, **option})


def _accepts(env_id: str, env_args: dict[str, Any]) -> bool:
    try:
        close(make_env(env_id, **copy.deepcopy(env_args)))
    except UserError:
        return False
    return True


def make_vec_env(
    env: EnvLike,
    num_envs: int,
    *,
    env_workers: int = 0,
    round_up: bool = False,
    **kwargs: Any,
) -> VectorEnv[Any, Any, Any]:
    """``num_envs`` environments that fulfil the contract, restarting within the step that ends
    an episode (Gymnasium's ``AutoresetMode.SAME_STEP``).

    The environment's own batched engine is used where it has one that fulfils the contract, with
    actions that agents take as they are, and action masks, if any, in its observations. Each agent
    of a parallel environment (PettingZoo) is one of the batch.

    Args:
        env: as of :func:`make_env`; or several, each of which gets its share of the batch by its
            weight, at least one environment, see :mod:`mmrl.env_sets`.
        num_envs: how many.
        env_workers: processes that step single environments, each a share of them, see
            :class:`~mmrl.wrappers.worker_vector_env.WorkerVectorEnv`; 0 steps them in this one. A
            batched engine does not use them. All agents of a parallel environment share one.
        round_up: give the next multiple of the agents of a parallel environment, where ``num_envs``
            is none.
        kwargs: as of :func:`make_env`.

    Raises:
        UserError: as :func:`make_env`, of workers that cannot be, a number of environments that
            is no multiple of the agents, or several environments that differ.
    """
    if env_workers < 0:
        raise UserError(f"env_workers={env_workers}: must be at least 0")
    env_id = find_environments(env_id_of(env))
    if names_several(env_id):
        return _make_joined(env_id, num_envs, env_workers, kwargs)
    speakers = _speakers(kwargs.pop(SPEECH, None))
    split = _split(env_id, kwargs.pop(SPLIT, None))
    batch = _make_batch(env_id, num_envs, env_workers, round_up, kwargs)
    if split is not None:
        batch = SplitVectorEnv(batch, split)
    return batch if speakers is None else SpokenInstructionsVector(batch, speakers)


def _make_joined(
    env_id: str, num_envs: int, env_workers: int, kwargs: dict[str, Any]
) -> VectorEnv[Any, Any, Any]:
    """A batch of several environments, each with a share of the workers."""
    members, counts = members_of(env_id), assign(env_id, num_envs)
    workers = assign(env_id, env_workers, "env_workers") if env_workers else [0] * len(members)
    batches: dict[str, VectorEnv[Any, Any, Any]] = {}
    try:
        for one, count, share in zip(members, counts, workers, strict=True):
            own = copy.deepcopy(one.args(kwargs))
            batches[one.env] = make_vec_env(one.env, count, env_workers=share, **own)
        return JoinedVectorEnv(batches)
    except BaseException:
        for batch in batches.values():
            batch.close()
        raise


def _split(env_id: str, given: Any) -> Split | None:
    return None if given is None else Split.read(given, find_language(env_id))


def _speakers(arguments: dict[str, Any] | None) -> Speakers | None:
    return None if arguments is None else Speakers.from_args(arguments)


def _make_batch(
    env_id: str, num_envs: int, env_workers: int, round_up: bool, kwargs: dict[str, Any]
) -> VectorEnv[Any, Any, Any]:
    spec = find_spec(env_id)
    engine = _make_engine(spec, num_envs, kwargs) if ADAPTER not in kwargs else None
    if engine is not None:
        return engine
    first = make_adapted(spec, kwargs)
    module = env_id.rpartition(":")[0]
    if isinstance(first.unwrapped, AgentTurns):
        close(first)
        if not env_workers:
            return ParallelVectorEnv(spec, kwargs, num_envs, round_up=round_up)
        agents = AgentMakers(spec, kwargs, num_envs, round_up=round_up)
        makers = agents.makers(_portable(plan_of(agents.example)))
        return WorkerVectorEnv(agents.example, makers, env_workers, module, agents.agents)
    plan = plan_of(first)
    if env_workers:
        plan = _portable(plan)
    makers = [partial(make_checked, e, spec, kwargs, plan) for e in range(num_envs)]
    if env_workers:
        return WorkerVectorEnv(first, makers, env_workers, module)
    return SyncVectorEnv(
        [partial(ErrorContext, first, 0), *makers[1:]], autoreset_mode=AutoresetMode.SAME_STEP
    )


def _portable(plan: Plan) -> Plan:
    """A plan that can be handed to another process; None where each environment makes its own."""
    return plan if is_portable(plan) else None


def _make_engine(
    spec: EnvSpec, num_envs: int, kwargs: dict[str, Any]
) -> VectorEnv[Any, Any, Any] | None:
    """An environment's own batched engine; None where it has none that agents can act in."""
    if spec.vector_entry_point is None:
        return None
    try:
        batch = gym.make_vec(
            spec,
            num_envs,
            vectorization_mode="vector_entry_point",
            autoreset_mode=AutoresetMode.SAME_STEP,
            **kwargs,
        )
    except (TypeError, ValueError) as error:
        if "autoreset_mode" in str(error):  # a batch with a fixed mode is not used
            return None
        raise UserError(f"environment {spec.id!r}: {error}") from error
    fulfils = contract_violation(batch.single_observation_space) is None
    if fulfils and takes_as_is(batch.single_action_space) and not engine_has_masks(batch):
        return batch
    batch.close()
    return None


def instruction_words(env_id: str, *, samples: int = SAMPLES, **kwargs: Any) -> list[str]:
    """The words that an environment's instructions are made of, sorted; of several, of all.

    Taken from ``metadata["instruction_words"]`` where the environment declares them, otherwise
    from the instructions of at most ``samples`` episodes, see :func:`learn_words`.
    """
    words: set[str] = set()
    for one in members_of(env_id):
        with contextlib.closing(ErrorContext(make_env(one.env, **one.args(kwargs)))) as env:
            words.update(words_of(env, lambda env: sample_instructions(env, range(samples))))
    return sorted(words)


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
        declared = learn_words(sample(env))
    return sorted(declared)


def learn_words(sentences: Iterable[str]) -> set[str]:
    """The vocabulary of sentences, read one by one until new words have become unlikely: the last
    64 brought none, and as many as there were up to the last new word.
    """
    words: set[str] = set()
    newest = 0
    for count, sentence in enumerate(sentences, 1):
        new = set(split_words(sentence)) - words
        if new:
            words |= new
            newest = count
        elif count - newest >= max(_PATIENCE, newest):
            break
    return words


def instructions(env_id: str, seeds: Iterable[int], **kwargs: Any) -> list[str]:
    """The instruction of the episode of each seed, some of them more than once; of several
    environments, those of each.

    Raises:
        UserError: as :func:`make_env`.
    """
    found: list[str] = []
    for one in members_of(env_id):
        with contextlib.closing(ErrorContext(make_env(one.env, **one.args(kwargs)))) as env:
            found += sample_instructions(env, seeds)
    return found


def sample_instructions(
    env: gym.Env[Any, Any], seeds: Iterable[int] = range(SAMPLES)
) -> Iterator[str]:
    """As :func:`instructions`, one by one, of an environment that is built; none where it has
    none. Of a parallel environment, those of all agents.
    """
    if not has_instruction(env.observation_space):
        return
    turns = env.unwrapped if isinstance(env.unwrapped, AgentTurns) else None
    for seed in seeds:
        yield str(env.reset(seed=seed)[0][INSTRUCTION])
        for _ in range(0 if turns is None else len(turns.group.living) - 1):
            yield str(env.step(env.action_space.sample())[0][INSTRUCTION])

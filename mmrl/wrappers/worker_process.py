"""A worker: a process that steps a share of a batch of single environments.

It loads neither torch nor the command line. It serves the parent's requests until the pipe is
closed: by :meth:`mmrl.wrappers.worker_vector_env.WorkerVectorEnv.close`, or because the parent is
gone.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

import cloudpickle
import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.trust import import_trusted
from mmrl.wrappers.error_context import EnvironmentFailedError, environment_name
from mmrl.wrappers.parallel_vector_env import give_actions
from mmrl.wrappers.shared_memory import ArrayLayout, SharedArrays
from mmrl.wrappers.single_environments import Function

NOTES: Final = ("notes",)
"""The name of the array with what each worker is doing, uint8 [workers, :data:`NOTE_BYTES`]: UTF-8,
then zeros; zeros alone between two requests. Observations have their keys, which are strings."""
NOTE_BYTES: Final = 512

Maker = Callable[[Callable[[str], None]], gym.Env[Any, Any]]
"""Makes an environment that is checked; it is given what notes which step begins."""


class Share(NamedTuple):
    """What a worker is to do.

    Attributes:
        worker: its number.
        num_envs: environments of all workers, N.
        rows: the numbers of its environments.
        makers: of them.
        layouts: of the shared arrays: those of numeric observations, [N, ...], and :data:`NOTES`.
    """

    worker: int
    num_envs: int
    rows: slice
    makers: Sequence[Maker]
    layouts: Mapping[Any, ArrayLayout]


class Begun(NamedTuple):
    """Observations of a share that are not in shared memory, and the infos that there are.

    Attributes:
        texts: by the key of the observation, one for each environment.
        infos: the number of an environment, and its infos as a pickle, in the order in which
            Gymnasium's ``SyncVectorEnv`` merges them.
    """

    texts: dict[str, tuple[Any, ...]]
    infos: list[tuple[int, bytes]]


class Stepped(NamedTuple):
    """What a step of a share gave: rewards, ends, and what :class:`Begun` has."""

    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    begun: Begun


class Warned(NamedTuple):
    """A warning, as ``warnings.warn_explicit`` takes it."""

    message: str
    category: type[Warning]
    filename: str
    lineno: int


class Answer(NamedTuple):
    """The answer to a request.

    Attributes:
        value: what it gave; the exception, if it failed.
        traceback: of the exception; None where there is none.
        warnings: that the environments gave meanwhile.
    """

    value: Any
    traceback: str | None = None
    warnings: Sequence[Warned] = ()


class _RecordedBatch(SyncVectorEnv):
    """A batch that keeps each environment's infos apart, as they are when they come."""

    def __init__(self, makers: Sequence[Callable[[], gym.Env[Any, Any]]]) -> None:
        self.infos: list[tuple[int, bytes]] = []
        super().__init__(makers, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)

    def step(self, actions: Any) -> Any:
        give_actions(self.envs, actions)
        return super().step(actions)

    def _add_info(
        self, vector_infos: dict[str, Any], env_info: dict[str, Any], env_num: int
    ) -> dict[str, Any]:
        if env_info:
            try:
                self.infos.append((env_num, cloudpickle.dumps(env_info)))
            except Exception as error:
                raise EnvironmentFailedError(
                    f"environment {environment_name(self)}: its infos cannot be sent to another "
                    f"process ({type(error).__name__}: {error}); use env_workers=0"
                ) from error
        return vector_infos


class Worker:
    """The environments of a share, and what can be asked of them.

    Args:
        share: what there is to do.
        memory: descriptor of the shared arrays.

    Raises:
        UserError: an environment cannot be made, or observes otherwise than the parent's.
    """

    def __init__(self, share: Share, memory: int) -> None:
        shared = SharedArrays(share.layouts, memory)
        shared.close_descriptor()
        self._notes = shared.arrays.pop(NOTES)[share.worker]
        makers = [lambda make=make: make(self._note) for make in share.makers]
        self._batch = _RecordedBatch(makers)
        self._check_observations(share)
        self._frames = {key: one[share.rows] for key, one in shared.arrays.items()}

    def _check_observations(self, share: Share) -> None:
        own = observation_layouts(self._batch.single_observation_space, share.num_envs)
        if {**own, NOTES: share.layouts[NOTES]} != share.layouts:
            raise UserError(
                f"environment {environment_name(self._batch)} has other observations in a worker "
                f"than in the process that began it: {self._batch.single_observation_space}"
            )

    def reset(self, seeds: Any, options: dict[str, Any] | None) -> Begun:
        """Begin episodes, as ``SyncVectorEnv.reset``."""
        self._batch.infos = []
        observation, _ = self._checked(lambda: self._batch.reset(seed=seeds, options=options))
        return self._begun(observation)

    def step(self, actions: Any) -> Stepped:
        """Step every environment, as ``SyncVectorEnv.step``."""
        self._batch.infos = []
        observation, rewards, terminated, truncated, _ = self._checked(
            lambda: self._batch.step(actions)
        )
        return Stepped(rewards, terminated, truncated, self._begun(observation))

    def each(self, function: Function, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """What a function gives of each environment; a row of further arguments for each."""
        return [function(env, *row) for env, row in zip(self._batch.envs, rows, strict=True)]

    def close(self) -> None:
        """Close the environments; what they raise is printed."""
        try:
            self._batch.close()
        except Exception as error:
            print(
                f"environment {environment_name(self._batch)} raised in close "
                f"{type(error).__name__}: {error}",
                file=sys.stderr,
            )

    def rest(self) -> None:
        """Note that nothing is being done."""
        self._notes[:] = 0

    def _note(self, text: str) -> None:
        written = text.encode()[:NOTE_BYTES]
        self._notes[: len(written)] = np.frombuffer(written, np.uint8)
        self._notes[len(written) :] = 0

    def _checked(self, request: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        try:
            return request()
        except UserError:
            raise
        except Exception as error:
            raise EnvironmentFailedError(
                f"a batch of environments {environment_name(self._batch)} raised "
                f"{type(error).__name__}: {error}"
            ) from error

    def _begun(self, observation: Mapping[str, Any]) -> Begun:
        for key, frames in self._frames.items():
            frames[...] = observation[key]
        texts = {key: one for key, one in observation.items() if key not in self._frames}
        return Begun(texts, self._batch.infos)


def observation_layouts(space: gym.Space[Any], count: int) -> dict[Any, ArrayLayout]:
    """How the numeric observations of a batch lie in memory, by their keys.

    Args:
        space: a ``Dict``, of one environment.
        count: of the environments.
    """
    assert isinstance(space, spaces.Dict)
    return {
        key: ArrayLayout((count, *one.shape), str(one.dtype))
        for key, one in space.items()
        if isinstance(one, spaces.Box)
    }


def serve(pipe: int, memory: int) -> None:
    """Be a worker: make the environments, then answer requests until the pipe is closed.

    Args:
        pipe, memory: descriptors of the pipe to the parent, and of the shared arrays.
    """
    os.set_inheritable(pipe, False)  # simulators have processes of their own
    with warnings.catch_warnings(record=True) as caught, Connection(pipe) as connection:
        warnings.simplefilter("default")  # a warning once for each place; the parent chooses
        worker: Worker | None = None

        def begin(module: str, share: bytes) -> None:
            nonlocal worker
            if module:
                import_trusted(module)
            worker = Worker(pickle.loads(share), memory)

        with suppress(EOFError, ConnectionError):  # the parent is gone, or has closed
            while True:
                name, arguments = pickle.loads(connection.recv_bytes())
                answer = _answer(begin if worker is None else getattr(worker, name), arguments)
                packed = _packed(answer._replace(warnings=[*map(_plain, caught)]))
                caught.clear()
                if worker is not None:
                    worker.rest()
                connection.send_bytes(packed)
        if worker is not None:
            worker.close()


def _answer(request: Callable[..., Any], arguments: Sequence[Any]) -> Answer:
    try:
        return Answer(request(*arguments))
    except Exception as error:
        return Answer(error, traceback.format_exc())


def _packed(answer: Answer) -> bytes:
    """An answer as a pickle; where there can be none, an error that says so."""
    try:
        packed = cloudpickle.dumps(answer)
        if answer.traceback is not None:
            pickle.loads(packed)  # some exceptions can only be written
    except Exception as error:
        value = answer.value if answer.traceback is not None else error
        kind = UserError if isinstance(value, UserError) else RuntimeError
        plain = kind(f"{type(value).__name__}: {value}")
        packed = cloudpickle.dumps(Answer(plain, answer.traceback or traceback.format_exc()))
    return packed


def _plain(caught: warnings.WarningMessage) -> Warned:
    return Warned(str(caught.message), caught.category, caught.filename, caught.lineno)

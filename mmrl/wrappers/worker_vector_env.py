"""A vector environment for slow simulators: several processes step a share of it each."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Pipe
from typing import Any, Final

import cloudpickle
import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.wrappers.error_context import EnvironmentFailedError, environment_name
from mmrl.wrappers.shared_memory import ArrayLayout, SharedArrays
from mmrl.wrappers.single_environments import Function, SingleEnvironments
from mmrl.wrappers.worker_process import (
    NOTE_BYTES,
    NOTES,
    Answer,
    Begun,
    Maker,
    Share,
    Stepped,
    observation_layouts,
)

_BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); numbers = map(int, sys.argv[2:]); "
    "del sys.argv[1:]; from mmrl.wrappers.worker_process import serve; serve(*numbers)"
)
_LOOK: Final = 0.5
"""Seconds after which a worker that does not answer is looked at: a simulator's own process may
hold the pipe of a worker that is dead."""
_PATIENCE: Final = 10.0  # seconds to close in

Observation = dict[str, Any]


def is_portable(value: Any) -> bool:
    """Whether a value can be handed to another process."""
    try:
        pickle.loads(cloudpickle.dumps(value))
    except Exception:
        return False
    return True


class WorkerVectorEnv(SingleEnvironments):
    """Single environments in a few processes, which step at the same time.

    Numbers, episodes, infos, errors and warnings are those of Gymnasium's ``SyncVectorEnv`` in
    autoreset mode "SameStep", whatever the number of workers. Numeric observations come through
    shared memory. The workers do not load torch; they see no Ctrl-C, and end when the parent closes
    them or is gone.

    Args:
        example: an environment like those of the batch, whose spaces are a ``Dict`` and one whose
            batches are arrays; it is closed.
        makers: of the N environments; each is called in a worker.
        workers: how many processes, at least 1; there are never more than environments.
        module: that each worker imports before it reads the makers; "" for none.
        together: how many environments, side by side, have to be in one process, such as the agents
            of a parallel environment; N is a multiple.

    Raises:
        UserError: the makers cannot be handed to another process, an environment cannot be made
            there, or this is no POSIX system.
        EnvironmentFailedError: by all methods: an environment failed, or a worker ended.
    """

    def __init__(
        self,
        example: gym.Env[Any, Any],
        makers: Sequence[Maker],
        workers: int,
        module: str = "",
        together: int = 1,
    ) -> None:
        self.num_envs = len(makers)
        self._name = environment_name(example)
        self._describe(example)
        example.close()
        groups = self.num_envs // together
        workers = min(workers, groups)
        bounds = [groups * k // workers * together for k in range(workers + 1)]
        self._rows = list(map(slice, bounds, bounds[1:]))
        layouts: dict[Any, ArrayLayout] = {
            **observation_layouts(self.single_observation_space, self.num_envs),
            NOTES: ArrayLayout((workers, NOTE_BYTES), "uint8"),
        }
        shares = self._pack(makers, layouts)
        shared = SharedArrays.allocate(layouts)
        self._frames = shared.arrays
        self._notes = self._frames.pop(NOTES)
        texts = self.single_observation_space.spaces.keys() - self._frames.keys()
        self._texts: dict[str, list[Any]] = {key: [None] * self.num_envs for key in texts}
        self._is_waiting = False
        self._warned: dict[Any, Any] = {}
        self._workers: list[_WorkerHandle] = []
        try:
            for _ in range(workers):
                self._workers.append(_WorkerHandle(shared.descriptor))
            self._begin([(module, share) for share in shares])
        except BaseException:
            self.close()
            raise
        finally:
            shared.close_descriptor()

    def _describe(self, example: gym.Env[Any, Any]) -> None:
        """Set the attributes that ``SyncVectorEnv`` has."""
        self.spec, self.render_mode, self.copy = example.spec, example.render_mode, True
        self.metadata = {**example.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space: Any = example.observation_space
        self.single_action_space = example.action_space
        self.observation_space = batch_space(example.observation_space, self.num_envs)
        self.action_space = batch_space(example.action_space, self.num_envs)

    def _pack(self, makers: Sequence[Maker], layouts: dict[Any, ArrayLayout]) -> list[bytes]:
        try:
            return [
                cloudpickle.dumps(Share(k, self.num_envs, rows, makers[rows], layouts))
                for k, rows in enumerate(self._rows)
            ]
        except Exception as error:
            raise UserError(
                f"environment {self._name} cannot be handed to another process "
                f"({type(error).__name__}: {error}); use env_workers=0"
            ) from error

    def _begin(self, requests: Sequence[tuple[str, bytes]]) -> None:
        try:
            self._ask("begin", requests)
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"environment {self._name} cannot be made in another process "
                f"({type(error).__name__}: {error})"
            ) from error

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode everywhere, or where ``options["reset_mask"]``, bool [N], says so.

        Returns:
            Observations [N, ...], with arrays of their own, and infos.
        """
        if seed is None or isinstance(seed, int):
            seed = [None if seed is None else seed + e for e in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"{len(seed)} seeds for {self.num_envs} environments")
        answers = self._ask("reset", [_reset_request(seed, options, rows) for rows in self._rows])
        return self._observe(answers), self._infos(answers)

    def step(
        self, actions: Any
    ) -> tuple[
        Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:  # fmt: skip
        """One step everywhere: observations with arrays of their own, rewards, terminated and
        truncated [N], infos.
        """
        if len(actions) != self.num_envs:
            raise ValueError(f"{len(actions)} actions for {self.num_envs} environments")
        answers: list[Stepped] = self._ask("step", [(actions[rows],) for rows in self._rows])
        rewards, terminated, truncated, begun = zip(*answers, strict=True)
        return (
            self._observe(begun),
            np.concatenate(rewards),
            np.concatenate(terminated),
            np.concatenate(truncated),
            self._infos(begun),
        )

    def each(self, function: Function, *columns: Sequence[Any]) -> list[Any]:
        """As :meth:`SingleEnvironments.each`; the function, and what it gives, are pickled."""
        arguments = list(zip(range(self.num_envs), *columns, strict=True))
        answers = self._ask(
            "each", [(function, [row for _, *row in arguments[rows]]) for rows in self._rows]
        )
        return [value for answer in answers for value in answer]

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What a method of each environment returns, or its attribute of that name."""
        return tuple(self.each(partial(_call, name=name, args=args, kwargs=kwargs)))

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of each environment."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of each environment: to one value, or to those of a list, one each."""
        if not isinstance(values, list | tuple):
            values = [values] * self.num_envs
        self.each(partial(_set_attr, name), values)

    def render(self) -> tuple[Any, ...]:
        """What each environment renders."""
        return self.call("render")

    def close_extras(self, **kwargs: Any) -> None:
        """Have the workers close their environments and end: by force after ten seconds."""
        for worker in self._workers:
            worker.hang_up()
        deadline = time.monotonic() + _PATIENCE
        try:
            for worker in self._workers:
                worker.wait(deadline - time.monotonic())
        finally:
            for worker in self._workers:
                worker.kill()

    def _ask(self, name: str, requests: Sequence[tuple[Any, ...] | None]) -> list[Any]:
        """What the workers answer to a request, all at once.

        Args:
            name: of a method of :class:`~mmrl.wrappers.worker_process.Worker`.
            requests: its arguments, for each worker; None for one that is not asked, and answers
                None.
        """
        if self._is_waiting:
            raise RuntimeError("a request to the workers was interrupted: close them")
        asked = {
            k: cloudpickle.dumps((name, request))
            for k, request in enumerate(requests)
            if request is not None
        }
        self._is_waiting = True
        for k, request in asked.items():
            self._workers[k].send(request)
        answers = {k: self._workers[k].receive() for k in asked}
        self._is_waiting = False
        for answer in filter(None, answers.values()):
            for one in answer.warnings:
                warnings.warn_explicit(*one, registry=self._warned)
        values = {k: self._value(k, answer) for k, answer in answers.items()}
        return [values.get(k) for k in range(len(requests))]

    def _value(self, k: int, answer: Answer | None) -> Any:
        """What worker ``k`` answered, or raise what it raised; None says that it has ended."""
        if answer is None:
            raise EnvironmentFailedError(
                f"{self._last_words(k)}: worker number {k} {self._workers[k].end}"
            )
        if answer.traceback is None:
            return answer.value
        error: Exception = answer.value
        if isinstance(error, UserError):
            error = type(error)(f"{error} (in worker number {k})")
        error.add_note(answer.traceback)
        raise error

    def _last_words(self, k: int) -> str:
        """What a worker that has ended was doing, as far as it is known."""
        note = self._notes[k].tobytes().rstrip(b"\0").decode(errors="ignore")
        rows = self._rows[k]
        numbers = f"{rows.start} to {rows.stop - 1}"
        return note or f"environments {self._name}, numbers {numbers} of the batch"

    def _observe(self, answers: Iterable[Begun | None]) -> Observation:
        for rows, answer in zip(self._rows, answers, strict=True):
            for key, texts in ({} if answer is None else answer.texts).items():
                self._texts[key][rows] = texts
        return {
            key: self._frames[key].copy() if key in self._frames else tuple(self._texts[key])
            for key in self.single_observation_space
        }

    def _infos(self, answers: Iterable[Begun | None]) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        for rows, answer in zip(self._rows, answers, strict=True):
            for number, info in [] if answer is None else answer.infos:
                infos = self._add_info(infos, pickle.loads(info), rows.start + number)
        return infos


class _WorkerHandle:
    """A worker as its parent sees it: a process, and a pipe to it.

    Args:
        memory: descriptor of the shared arrays.
    """

    def __init__(self, memory: int) -> None:
        if os.name != "posix":
            raise UserError("env_workers needs Linux or macOS; use env_workers=0")
        self._pipe, theirs = Pipe()
        with theirs:
            descriptors = (theirs.fileno(), memory)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, json.dumps(sys.path), *map(str, descriptors)],
                stdin=subprocess.DEVNULL,
                pass_fds=descriptors,
                process_group=0,
            )

    def send(self, request: bytes) -> None:
        """Send a request; that a worker has ended is seen when it does not answer."""
        with suppress(OSError):
            self._pipe.send_bytes(request)

    def receive(self) -> Answer | None:
        """Wait for the answer; None where the worker has ended."""
        with suppress(EOFError, OSError):
            while not self._pipe.poll(_LOOK):
                if self._process.poll() is not None and not self._pipe.poll():
                    return None
            return pickle.loads(self._pipe.recv_bytes())
        return None

    @property
    def end(self) -> str:
        """How the process ended."""
        self.wait(_PATIENCE)
        status = self._process.poll()
        if status is None:
            return "closed its pipe"
        if status >= 0:
            return f"ended with exit status {status}"
        names = {one.value: one.name for one in signal.Signals}
        memory = ", perhaps as memory ran out" if -status == signal.SIGKILL else ""
        return f"was killed by {names.get(-status, f'signal {-status}')}{memory}"

    def hang_up(self) -> None:
        """Close the pipe, which asks the worker to end."""
        self._pipe.close()

    def wait(self, seconds: float) -> None:
        """Wait for the process to end, for so long."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(seconds, 0.0))

    def kill(self) -> None:
        """End the process, and those that it began, if it has not ended."""
        if self._process.poll() is None:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _reset_request(
    seeds: Sequence[int | None], options: dict[str, Any] | None, rows: slice
) -> tuple[Any, ...] | None:
    """The arguments of :meth:`Worker.reset` for a share; None where nothing of it begins."""
    mask = None if options is None else options.get("reset_mask")
    if mask is None:
        return seeds[rows], options
    return (
        (seeds[rows], {**(options or {}), "reset_mask": mask[rows]}) if mask[rows].any() else None
    )


def _call(env: gym.Env[Any, Any], name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    found = env.get_wrapper_attr(name)
    return found(*args, **kwargs) if callable(found) else found


def _set_attr(name: str, env: gym.Env[Any, Any], value: Any) -> None:
    env.set_wrapper_attr(name, value)

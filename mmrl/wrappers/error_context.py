"""Which environment raised or gave an unusable number, and when."""

from __future__ import annotations

import math
import reprlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from mmrl.contract import (
    IS_SUCCESS,
    SPEECH,
    Successes,
    read_success,
    scalar,
    were_successful,
)
from mmrl.errors import UserError
from mmrl.text_output import shortened
from mmrl.wrappers.actions import own_action
from mmrl.wrappers.layout import Layout
from mmrl.wrappers.single_environments import are_single

_SUCCESS: Final = "success"  # as many packages name it


class EnvironmentFailedError(UserError):
    """An environment raised, or gave an unusable number; the message names it, and the step."""


def close(env: gym.Env[Any, Any]) -> None:
    """Close an environment; what it raises then is a warning, since all is done."""
    try:
        env.close()
    except Exception as error:  # of any kind, from another package
        reason = shortened(f"{type(error).__name__}: {error}")
        warnings.warn(f"environment {environment_name(env)} raised in close {reason}", stacklevel=2)


def environment_name(env: gym.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> str:
    """The id of an environment, or of a batch's environments; their class where it has none."""
    one: Any = env
    if isinstance(env.unwrapped, SyncVectorEnv):
        one = env.unwrapped.envs[0]
    return str(one.spec.id) if one.spec else type(one.unwrapped).__name__


class ErrorContext(gym.Wrapper[Any, Any, Any, Any]):
    """Names the environment in an error, and checks rewards, observations and success. What
    ``close`` raises is a warning.

    The last observation of an episode is copied: it outlives the environment's next reset.
    ``info["is_success"]`` is a bool at an episode's end, or absent; where there is only
    ``info["success"]``, that is taken.

    Args:
        env: a single environment, or one of a batch.
        number: its place in the batch, if there is one.
        note: is told, before each reset and step, which environment makes it, and when.

    Raises:
        EnvironmentFailedError: by ``reset`` and ``step``, for whatever the environment raises; for
            a reward that is not one finite number, an observation of another layout than its
            space's or one that is not finite, and an ``is_success`` that is neither true nor false.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        number: int | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(env)
        self._number, self._note = number, note
        self._seed: int | None = None
        self._episode = self._step = 0
        self._floats = _float_keys(env.observation_space)
        self._layout = Layout(env.observation_space)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        if seed is not None:
            self._seed, self._episode = seed, 0
        self._episode, self._step = self._episode + 1, 0
        if self._note is not None:
            self._note(f"{self._who} in reset")
        try:
            observation, info = self.env.reset(seed=seed, options=options)
        except Exception as error:
            raise EnvironmentFailedError(
                f"{self._who} raised in reset {type(error).__name__}: {error}"
            ) from error
        self._check_observation(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step."""
        self._step += 1
        if self._note is not None:
            self._note(f"{self._who} in step {self._step}")
        try:
            observation, reward, terminated, truncated, info = self.env.step(action)
        except Exception as error:
            raise EnvironmentFailedError(
                f"{self._who} raised in step {self._step}, {self._taken(action)}, "
                f"{type(error).__name__}: {error}"
            ) from error
        number = reward if type(reward) is float else scalar(reward)
        if number is None or not math.isfinite(number):
            raise EnvironmentFailedError(
                f"{self._who}: reward is {reprlib.repr(reward)} in step {self._step}, "
                f"{self._taken(action)}; it must be one finite number"
            )
        self._check_observation(observation, action)
        if terminated or truncated:
            observation, info = _copied(observation), self._with_success(info, action)
        return observation, number, terminated, truncated, info

    def close(self) -> None:
        """Close the environment."""
        close(self.env)

    def _taken(self, action: Any) -> str:
        """The action as the environment got it, for an error."""
        with suppress(Exception):  # one that does not fit
            action, _ = own_action(self.env, action)
        return f"action {action}"

    @property
    def _who(self) -> str:
        place = "" if self._number is None else f"number {self._number} of the batch, "
        return _who(environment_name(self.env), place, self._seed, self._episode)

    def _check_observation(self, observation: Any, action: Any = None) -> None:
        found, needed = self._layout.fault(observation) or (None, "it must be finite")
        if found is None and self._floats:
            found = _not_finite(observation, self._floats)
        if found is not None:
            when = f"step {self._step}, {self._taken(action)}" if self._step else "reset"
            raise EnvironmentFailedError(f"{self._who}: {found} in {when}; {needed}")

    def _with_success(self, info: dict[str, Any], action: Any) -> dict[str, Any]:
        if IS_SUCCESS not in info and _SUCCESS in info:
            with suppress(ValueError):  # it has another meaning here
                info = {**info, IS_SUCCESS: read_success(info[_SUCCESS])}
        if IS_SUCCESS not in info:
            return info
        rest = {key: value for key, value in info.items() if key != IS_SUCCESS}
        try:
            success = read_success(info[IS_SUCCESS])
        except ValueError as error:
            raise EnvironmentFailedError(
                f"{self._who}: in step {self._step}, {self._taken(action)}, {error}"
            ) from error
        return rest if success is None else {**rest, IS_SUCCESS: success}


class CheckedBatch:
    """Steps a batch of environments; errors name the environment, its number, and when.

    Single environments are checked by :class:`ErrorContext` already; this does the same for a
    batched engine.

    Args:
        env: N environments that restart within the step that ends an episode.

    Attributes:
        env: the same.
        steps: made in the present episodes, int64 [N].
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        self.env = env
        self.steps = np.zeros(env.num_envs, np.int64)
        self._episodes = np.zeros(env.num_envs, np.int64)
        self._seeds: list[int | None] = [None] * env.num_envs
        self._floats = () if are_single(env) else _float_keys(env.single_observation_space)

    def reset(self, seeds: list[int | None] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode everywhere.

        Raises:
            EnvironmentFailedError: as :class:`ErrorContext`.
        """
        if seeds is not None:
            self._seeds = list(seeds)
            self._episodes[:] = 0
        self._episodes += 1
        self.steps[:] = 0
        try:
            observation, infos = self.env.reset(seed=seeds)  # type: ignore[arg-type]  # a list is allowed
        except UserError:
            raise
        except Exception as error:
            raise self._raised(error) from error
        self._check_observation(observation, range(self.env.num_envs))
        return observation, infos

    def step(
        self, actions: Any
    ) -> tuple[
        Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:  # fmt: skip
        """One step everywhere: observation, rewards, terminated and truncated [N], infos.

        Raises:
            EnvironmentFailedError: as :class:`ErrorContext`.
        """
        try:
            observation, rewards, terminated, truncated, infos = self.env.step(actions)
        except UserError:
            raise
        except Exception as error:
            raise self._raised(error) from error
        self.steps += 1
        self._check_rewards(rewards)
        over = terminated | truncated
        if over.any():
            self.steps[over] = 0
            self._episodes[over] += 1
        if self._floats:
            self._check_observation(observation, np.flatnonzero(over).tolist())
        return observation, rewards, terminated, truncated, infos

    def were_successful(self, infos: dict[str, Any]) -> Successes:
        """As :func:`mmrl.contract.were_successful`.

        Raises:
            EnvironmentFailedError: an ``is_success`` that is neither true nor false.
        """
        try:
            return were_successful(infos, len(self.steps))
        except ValueError as error:
            raise EnvironmentFailedError(
                f"environment {environment_name(self.env)}: {error}"
            ) from error

    def _raised(self, error: Exception) -> EnvironmentFailedError:
        return EnvironmentFailedError(
            f"a batch of environments {environment_name(self.env)} raised "
            f"{type(error).__name__}: {error}"
        )

    def _check_rewards(self, rewards: Any) -> None:
        try:
            finite = np.isfinite(rewards)
            if finite.shape == self.steps.shape and finite.all():
                return
        except TypeError:  # an array of objects
            finite = np.array([_is_finite(one) for one in rewards])
        if finite.shape != self.steps.shape:
            raise EnvironmentFailedError(
                f"environment {environment_name(self.env)}: the rewards of a batch of "
                f"{len(self.steps)} have shape {np.shape(rewards)}; they must be one finite number "
                "for each environment"
            )
        for e in np.flatnonzero(~finite)[:1].tolist():
            raise EnvironmentFailedError(
                f"{self._who(e)}: reward is {reprlib.repr(rewards[e])} in step {self.steps[e]}; it "
                "must be one finite number"
            )

    def _check_observation(self, observation: Any, begun: Iterable[int]) -> None:
        """Look for numbers that are not finite; in waveforms, only of episodes that have begun."""
        for key in self._floats:
            rows = list(begun) if key == SPEECH else slice(None)
            values = _entry(observation, key)[rows]
            finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
            for k in np.flatnonzero(~finite)[:1].tolist():
                e = rows[k] if isinstance(rows, list) else k
                raise EnvironmentFailedError(
                    f"{self._who(e)}: {_not_finite(values[k], (None,), key)} in step "
                    f"{self.steps[e]}; it must be finite"
                )

    def _who(self, e: int) -> str:
        name = environment_name(self.env)
        return _who(name, f"number {e} of the batch, ", self._seeds[e], int(self._episodes[e]))


def _is_finite(value: Any) -> bool:
    number = scalar(value)
    return number is not None and math.isfinite(number)


def _who(name: str, place: str, seed: int | None, episode: int) -> str:
    seeded = "never seeded" if seed is None else f"seeded with {seed}"
    return f"environment {name} ({place}{seeded}, episode {episode} since)"


def _float_keys(space: spaces.Space[Any]) -> tuple[str | None, ...]:
    """The entries of an observation that are floats; None for an observation that is itself."""
    if isinstance(space, spaces.Dict):
        return tuple(key for key, one in space.items() if _is_float(one))
    return (None,) if _is_float(space) else ()


def _is_float(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and np.dtype(space.dtype).kind == "f"


def _entry(observation: Any, key: str | None) -> Any:
    return observation if key is None else observation[key]


def _not_finite(
    observation: Any, keys: Iterable[str | None], name: str | None = None
) -> str | None:
    """Where an observation is not finite, as text; None where it is."""
    for key in keys:
        values = np.asarray(_entry(observation, key))
        finite = np.isfinite(values)
        if not finite.all():
            place = np.argwhere(~finite)[0]
            of = key or name
            entry = f" {of!r}" if of else ""
            at = f" at index {place.tolist()}" if len(place) else ""
            return f"observation{entry} is {values[tuple(place)]}{at}"
    return None


def _copied(observation: Any) -> Any:
    """An observation with arrays of its own."""
    if isinstance(observation, Mapping):
        return {key: _copied(value) for key, value in observation.items()}
    if isinstance(observation, tuple):
        return tuple(map(_copied, observation))
    return observation.copy() if isinstance(observation, np.ndarray) else observation

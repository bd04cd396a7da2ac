"""Which environment raised, and when."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from mmrl.errors import UserError


class EnvironmentFailedError(UserError):
    """An environment raised; the message says which one, and when."""


class Accountable(gym.Wrapper[Any, Any, Any, Any]):
    """Says of an error which environment of a batch raised it.

    Args:
        env: one of a batch.
        number: its place there.

    Raises:
        EnvironmentFailedError: by ``reset`` and ``step``, for whatever the environment raises.
    """

    def __init__(self, env: gym.Env[Any, Any], number: int) -> None:
        super().__init__(env)
        self._number = number
        self._seed: int | None = None
        self._episode = self._step = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        if seed is not None:
            self._seed, self._episode = seed, 0
        self._episode, self._step = self._episode + 1, 0
        try:
            return self.env.reset(seed=seed, options=options)
        except Exception as error:
            raise self._failure("reset", error) from error

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step."""
        self._step += 1
        try:
            return self.env.step(action)
        except Exception as error:
            raise self._failure(f"step {self._step}, action {action},", error) from error

    def _failure(self, when: str, error: Exception) -> EnvironmentFailedError:
        name = self.env.spec.id if self.env.spec else str(self.env)
        seed = "never seeded" if self._seed is None else f"seeded with {self._seed}"
        return EnvironmentFailedError(
            f"environment {name} (number {self._number} of the batch, {seed}, episode "
            f"{self._episode} since) raised in {when} {type(error).__name__}: {error}"
        )

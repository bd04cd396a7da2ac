"""One environment that is being played: its episode, and what there is to show of it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.adapters import make_env
from mmrl.errors import UserError
from mmrl.observation import IMAGE, INSTRUCTION, was_successful
from mmrl.tensorboard.clips import action_names

_DONE: Final = "clauses_done"


class Session:
    """Episodes of one environment, one after the other.

    Args:
        env_id, env_args: which environment.
        seed: of the first episode; the next ones follow.

    Attributes:
        actions: what the actions are called.
        observation: the last one.
        view: what the agent sees of it, uint8 [H, W, 3].
        overview: the whole scene, uint8 [H, W, 3]; None where the environment cannot render.
        instruction: what is asked.
        steps: made in this episode.
        limit: of steps; None where it is not known.
        reward: summed over this episode.
        clauses_done: how many parts of the instruction are done; None where nobody tells.
        last_action: its name, or "".
        success: how the episode ended; None while it goes on.

    Raises:
        UserError: an unknown environment or argument, or actions that are no plain numbers.
    """

    def __init__(self, env_id: str, env_args: dict[str, Any], seed: int) -> None:
        self._env = make_env(env_id, **env_args)
        if "rgb_array" in self._env.metadata.get("render_modes", ()):
            self._env.close()
            self._env = make_env(env_id, render_mode="rgb_array", **env_args)
        space = self._env.action_space
        if not isinstance(space, spaces.Discrete):
            raise UserError(f"environment {env_id!r}: its actions are {space}; only Discrete plays")
        self.env_id = env_id
        names = action_names(self._env)
        self._first = int(space.start)
        self.actions = [names.get(k, f"action {k}") for k in range(int(space.n))]
        self.limit = _limit(self._env)
        self._seed = seed
        self.restart()

    @property
    def seed(self) -> int:
        """The seed of this episode."""
        return self._seed

    def restart(self) -> None:
        """The same episode from its beginning."""
        observation, info = self._env.reset(seed=self._seed)
        self.instruction: str = observation[INSTRUCTION]
        self.steps, self.reward, self.last_action = 0, 0.0, ""
        self.success: bool | None = None
        self.limit = _limit(self._env)
        self._look(observation, info)

    def next_episode(self) -> None:
        """The episode of the next seed."""
        self._seed += 1
        self.restart()

    def act(self, action: int) -> None:
        """Take an action, 0 for the first one; nothing happens once the episode is over."""
        if self.success is not None:
            return
        observation, reward, terminated, truncated, info = self._env.step(self._first + action)
        self.steps += 1
        self.reward += float(reward)
        self.last_action = self.actions[action]
        self._look(observation, info)
        if terminated or truncated:
            self.success = was_successful(info, terminated, float(reward))

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _look(self, observation: dict[str, Any], info: dict[str, Any]) -> None:
        self.observation = observation
        self.view: NDArray[np.uint8] = np.asarray(observation[IMAGE])
        self.instruction = observation[INSTRUCTION]
        self.overview: NDArray[np.uint8] | None = None
        if self._env.render_mode == "rgb_array":
            self.overview = np.asarray(self._env.render(), np.uint8)
        self.clauses_done: int | None = int(np.sum(info[_DONE])) if _DONE in info else None


def _limit(env: Any) -> int | None:
    """The limit of steps, where an environment or its registration tells."""
    own = getattr(env.unwrapped, "max_steps", None)
    registered = env.spec.max_episode_steps if env.spec else None
    limit = own or registered
    return int(limit) if limit else None

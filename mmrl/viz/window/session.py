"""One environment that is being played: its episode, and its views."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.action_labels import action_label, action_names
from mmrl.action_masks import is_valid
from mmrl.contract import ACTION_MASK, INSTRUCTION, was_successful
from mmrl.env_sets import WeightedEnvironment, draw
from mmrl.errors import UserError
from mmrl.evaluation.player import rendered
from mmrl.observation_image import observation_image
from mmrl.wrappers.actions import own_action, single_actions
from mmrl.wrappers.adapters import make_env
from mmrl.wrappers.error_context import ErrorContext
from mmrl.wrappers.nested_spaces import describe

_DONE: Final = "clauses_done"


class Session:
    """Episodes of an environment, one after the other.

    Args:
        env_id, env_args: which environment; of several, an episode's is drawn by its seed.
        seed: of the first episode; the next ones follow.

    Attributes:
        env_id, env_args: of this episode's environment.
        actions: what the actions are called; empty where they are not ``Discrete``.
        choices: the names of the actions that :meth:`act` takes by their number.
        observation, info: the last ones.
        view: what the agent sees of it, uint8 [H, W, 3].
        action_space: of the agent, see :func:`mmrl.wrappers.actions.adapt_actions`.
        overview: the whole scene, uint8 [H, W, 3]; None where the environment cannot render.
        instruction: of this episode.
        steps: made in this episode.
        limit: of steps; None where it is not known.
        reward: summed over this episode.
        clauses_done: how many parts of the instruction are done; None where it is not reported.
        last_action: its name, or "".
        action: the last one; None at the beginning.
        last_reward: of the last step.
        terminated, truncated: whether the episode has ended, and how.
        success: of the episode, at its end; None until then.

    Raises:
        UserError: an unknown environment or argument, or an environment that fails.
    """

    def __init__(self, env_id: str, env_args: dict[str, Any], seed: int) -> None:
        self._name, self._common_args, self._seed = env_id, env_args, seed
        self._open(draw(env_id, seed))
        self.restart()

    def _open(self, member: WeightedEnvironment) -> None:
        """Make an environment, and look at what it is."""
        self.env_id, self.env_args = member.env, member.args(self._common_args)
        self._env = ErrorContext(_make(self.env_id, self.env_args))
        self.action_space = space = self._env.action_space
        self.metadata = self._env.metadata
        self._names = action_names(self._env)
        self._choices = single_actions(self._env)
        named = [self._choice_name(action) for action in self._choices]
        self.choices = named
        self.actions = named if isinstance(space, spaces.Discrete) else []
        self._renders = self._env.render_mode == "rgb_array"

    @property
    def seed(self) -> int:
        """The seed of this episode."""
        return self._seed

    @property
    def spaces(self) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """The observation and the action space."""
        return self._env.observation_space, self.action_space

    def require_discrete(self) -> None:
        """Refuse actions that have no numbers.

        Raises:
            UserError: they are not ``Discrete``.
        """
        if not self.actions:
            raise UserError(
                f"environment {self.env_id!r}: its actions are {describe(self.action_space)}, and "
                "have to be Discrete"
            )

    def restart(self) -> None:
        """The same episode from its beginning."""
        member = draw(self._name, self._seed)
        if member.env != self.env_id:
            self._env.close()
            self._open(member)
        observation, info = self._env.reset(seed=self._seed)
        self.instruction: str = observation.get(INSTRUCTION, "")
        self.steps, self.reward, self.last_action = 0, 0.0, ""
        self.action, self.last_reward = None, 0.0
        self.terminated = self.truncated = False
        self.is_over = False
        self.success: bool | None = None
        self.limit = _limit(self._env)
        self._look(observation, info)

    def next_episode(self) -> None:
        """The episode of the next seed."""
        self._seed += 1
        self.restart()

    def allows(self, action: int) -> bool:
        """Whether one of :attr:`choices` is valid now, where the environment has action masks."""
        mask = self.observation.get(ACTION_MASK)
        return is_valid(self.action_space, mask, self._choices[action])

    def choice(self, number: int) -> Any:
        """The action of one of :attr:`choices`, by its number, 0 for the first one."""
        return self._choices[number]

    def act(self, action: int) -> None:
        """Take one of :attr:`choices` by its number, as :meth:`step` does."""
        self.step(self.choice(action))

    def number(self, action: Any) -> int | None:
        """The number of an action of :attr:`action_space`, 0 for the first one; None where they
        are not ``Discrete``.
        """
        return int(action) if self.actions else None

    def step(self, action: Any) -> None:
        """Take an action of :attr:`action_space`; nothing happens once the episode is over."""
        if self.is_over:
            return
        observation, reward, terminated, truncated, info = self._env.step(action)
        self.steps += 1
        self.action, self.last_reward = action, float(reward)
        self.reward += self.last_reward
        self.terminated, self.truncated = bool(terminated), bool(truncated)
        self.last_action = self._label(action)
        self._look(observation, info)
        if terminated or truncated:
            self.is_over, self.success = True, was_successful(info)

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _look(self, observation: dict[str, Any], info: dict[str, Any]) -> None:
        self.observation, self.info = observation, info
        self.view: NDArray[np.uint8] = observation_image(observation)
        self.instruction = observation.get(INSTRUCTION, "")
        self.overview: NDArray[np.uint8] | None = None
        if self._renders:
            self.overview = self._render()
        self.clauses_done: int | None = int(np.sum(info[_DONE])) if _DONE in info else None

    def _choice_name(self, action: Any) -> str:
        """The name of a choice: of the only component in which it differs from doing nothing."""
        if isinstance(self.action_space, spaces.Discrete):
            return str(self._names.get(int(action), f"action {action}"))
        changed = np.flatnonzero(action != self._choices[0]).tolist()
        if not changed:
            return "nothing"
        name, value = self._names.get(changed[0], f"{changed[0]}:"), action[changed[0]]
        if isinstance(name, Sequence) and not isinstance(name, str):
            return str(name[value]) if value < len(name) else str(value)
        return f"{name} {value:g}"

    def _label(self, action: Any) -> str:
        k = self.number(action)
        if k is not None and 0 <= k < len(self.actions):
            return self.actions[k]
        return action_label(*own_action(self._env, action), self._names)

    def _render(self) -> NDArray[np.uint8] | None:
        """The whole scene, copied; None from the first time on that there is none."""
        scene, reason = rendered(self._env)
        if scene is None:
            self._renders = False
            warnings.warn(
                f"environment {self.env_id}: {reason}; only the observations are shown",
                stacklevel=2,
            )
        return scene


def _make(env_id: str, env_args: dict[str, Any]) -> gym.Env[Any, Any]:
    """The environment, with its rendering where it can be made with it."""
    env = make_env(env_id, **env_args)
    if "rgb_array" not in (env.metadata or {}).get("render_modes", ()):
        return env
    env.close()
    try:
        return make_env(env_id, render_mode="rgb_array", **env_args)
    except Exception:  # an environment that cannot render is shown by its observations
        return make_env(env_id, **env_args)


def _limit(env: Any) -> int | None:
    """The limit of steps, where an environment or its registration declares it."""
    own = getattr(env.unwrapped, "max_steps", None)
    registered = env.spec.max_episode_steps if env.spec else None
    limit = own or registered
    return int(limit) if limit else None

"""One grid world as an ordinary Gymnasium environment: ``gym.make("mmrl/GoToLocal-v0")``."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid import spaces
from mmrl_envs.grid.alternatives import (
    alternative_instructions,
    are_equivalent,
    give_instructions,
)
from mmrl_envs.grid.core.cells import ACTIONS
from mmrl_envs.grid.core.rng import MAX_SEED, check_seed
from mmrl_envs.grid.editor import OPTION, edits_of
from mmrl_envs.grid.language.instructions import Instruction
from mmrl_envs.grid.rendering.frame_pool import FramePool
from mmrl_envs.grid.rendering.window import Window
from mmrl_envs.grid.snapshot import Snapshot, put_snapshot, take_snapshot
from mmrl_envs.grid.spaces import METADATA
from mmrl_envs.grid.worlds import GridWorlds, Knowledge

Observation = dict[str, Any]
_RUNNING = np.zeros(1, np.bool_)
_ROW = np.zeros(1, np.int64)


class GridEnv(gym.Env[Observation, np.int64]):
    """A grid world of one level.

    Observation: ``image`` uint8 [56, 56, 3], the agent's view (other views have other shapes), and
    ``instruction``, a sentence.
    Action: 0 left, 1 right, 2 forward, 3 pickup, 4 drop, 5 toggle, 6 done. Reward:
    1 - 0.9 · steps / max_steps on success, else 0. End: terminated on success (or on failure of
    a strict instruction), truncated at max_steps; ``info["is_success"]`` is there at the end.
    ``info["clauses_done"]``, bool [4], is always there: which clauses of the first (0, 1) and of
    the second half (2, 3) of the instruction are done. With ``achieved=True``, ``info["achieved"]``
    lists what the step has achieved for the first time in the episode, a tuple of sentences of one
    clause; with ``describe=True``, ``info["description"]`` describes what the agent sees.

    Args:
        level: a name from :data:`mmrl_envs.grid.generation.levels.LEVELS`.
        render_mode: None, "rgb_array" (the whole grid, 32 pixels a cell) or "human" (a window).
        options: of :class:`~mmrl_envs.grid.worlds.GridWorlds`: ``max_steps``, ``view``, ``obs``,
            ``tile_size``, ``theme``, ``language``, ``achieved``, ``describe``, ``debug``,
            ``strict``, and the level's own parameters, such as ``room_size`` and ``num_dists``.

    Raises:
        ValueError: unknown level, parameter or mode; impossible sizes.
    """

    metadata = {"render_modes": ["rgb_array", "human"], **METADATA}

    def __init__(
        self,
        level: str = "GoToLocal",
        *,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode={render_mode!r}: choose None, 'rgb_array' or 'human'")
        self.worlds = GridWorlds(level, 1, **options)
        self.render_mode = render_mode
        language = self.worlds.language
        self.metadata = {**self.metadata, **spaces.metadata(language)}
        self.observation_space = spaces.observation_space(self.worlds.view.shape, language)
        self.action_space = spaces.action_space()
        self._pool = FramePool(self.worlds.frames_shape)
        self._window: Window | None = None
        self._has_episode = False
        self._is_seeded = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a new episode. Without a ``seed`` the random generator continues.

        Args:
            seed: of the scene.
            options: may hold ``edits``, seeds of changes to what ``seed`` generates, see
                :mod:`mmrl_envs.grid.editor`; and ``instruction``, a sentence instead of the own.

        Raises:
            ValueError: a seed below 0 or above 2**63 - 1, edits without a seed, or an instruction
                that cannot be given in this scene: the episode has its own then.
        """
        wanted = (options or {}).get(OPTION, ())
        edits = edits_of({OPTION: [wanted]}, [seed is not None])[0]
        super().reset(seed=seed)
        if seed is not None or not self._is_seeded:
            drawn = int(self.np_random.integers(MAX_SEED)) if seed is None else check_seed(seed)
            self.worlds.seed(np.array([drawn], np.uint64))
            self._is_seeded = True
        frames = self._pool.take()
        self.worlds.reset(None, frames)
        if edits:
            self.worlds.edit({0: edits}, frames)
        self._has_episode = True
        if given := (options or {}).get("instruction"):
            give_instructions(self.worlds, {0: given})
        self._show()
        return self._observation(frames), self._info()

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One step.

        Raises:
            ValueError: an action that is not 0 to 6; nothing was changed.
            gymnasium.error.ResetNeeded: the episode is over, or none has begun.
        """
        chosen = np.asarray(action)
        if chosen.shape not in ((), (1,)) or chosen.dtype.kind not in "iu":
            raise ValueError(f"action {action!r}: must be an integer, 0 to {len(ACTIONS) - 1}")
        if not 0 <= int(chosen.item()) < len(ACTIONS):
            raise ValueError(f"action {int(chosen.item())}: must be 0 to {len(ACTIONS) - 1}")
        if not self._has_episode:
            raise gym.error.ResetNeeded("no episode is running: call reset() first")
        frames = self._pool.take()
        rewards, terminated, truncated, success, ended = self.worlds.step(
            chosen.reshape(1).astype(np.int64), _RUNNING, frames
        )
        info = self._info()
        if ended:
            self._has_episode = False
            info["is_success"] = bool(success[0])
        self._show()
        return (
            self._observation(frames),
            float(rewards[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            info,
        )

    def render(self) -> NDArray[np.uint8] | None:
        """The whole grid from above, uint8 [H, W, 3], in mode "rgb_array"; else None."""
        return self.worlds.image(0) if self.render_mode == "rgb_array" else None

    @property
    def max_steps(self) -> int:
        """The limit of steps of this episode."""
        return int(self.worlds.state.max_steps[0])

    @property
    def instruction(self) -> Instruction:
        """The instruction of the episode, parsed."""
        return self.worlds.instruction(0)

    def observe(self) -> Observation:
        """The present observation, rendered again."""
        frames = self._pool.take()
        self.worlds.paint(frames)
        return self._observation(frames)

    def get_state(self) -> Snapshot:
        """The exact state as a dictionary of arrays of one row; see
        :meth:`mmrl_envs.grid.vector_env.GridVectorEnv.get_state`.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if not self._is_seeded:
            raise gym.error.ResetNeeded("call reset() before get_state()")
        return take_snapshot(self.worlds, _ROW) | {"over": np.array([not self._has_episode])}

    def set_state(self, state: Snapshot) -> None:
        """Resume from a state; see :meth:`mmrl_envs.grid.vector_env.GridVectorEnv.set_state`.

        Raises:
            ValueError: no state of one such environment; nothing was changed.
        """
        given = dict(state)
        over = given.pop("over", None)
        if not isinstance(over, np.ndarray) or over.dtype != np.bool_ or over.shape != (1,):
            raise ValueError("'over' of the state must be bool of shape (1,)")
        put_snapshot(self.worlds, given, _ROW)
        self._has_episode = not over[0]
        self._is_seeded = True

    def is_equivalent(self, sentence: str) -> bool:
        """Whether who does what a sentence asks for may do what the own instruction asks for too;
        see :func:`mmrl_envs.grid.alternatives.are_equivalent`.
        """
        return bool(are_equivalent(self.worlds, [sentence])[0])

    def alternative_instructions(self) -> list[str]:
        """Instructions that ask for something else in this scene; see
        :func:`mmrl_envs.grid.alternatives.alternative_instructions`.
        """
        return alternative_instructions(self.worlds, 0)

    def expert_action(self, knowledge: Knowledge = "seen") -> int:
        """The expert's action, 0 to 6; see
        :meth:`~mmrl_envs.grid.worlds.GridWorlds.expert_actions`.
        """
        return int(self.worlds.expert_actions(knowledge)[0])

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def _observation(self, frames: NDArray[np.uint8]) -> Observation:
        return {"image": frames[0], "instruction": self.worlds.sentences[0]}

    def _info(self) -> dict[str, Any]:
        return {name: column[0] for name, column in self.worlds.info().items()}

    def _show(self) -> None:
        if self.render_mode != "human":
            return
        if self._window is None:
            self._window = Window(f"mmrl: {self.worlds.level}", self.metadata["render_fps"])
        self._window.show(self.worlds.image(0), self.worlds.sentences[0])

"""The native batch: ``gym.make_vec("mmrl/GoToLocal-v0", num_envs=64)``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from mmrl_envs.grid import spaces
from mmrl_envs.grid.cells import ACTIONS
from mmrl_envs.grid.spaces import METADATA
from mmrl_envs.grid.streams import check_seed
from mmrl_envs.grid.worlds import FramePool, GridWorlds, as_pictures

Observation = dict[str, Any]


class GridVectorEnv(VectorEnv[Observation, NDArray[np.int64], NDArray[Any]]):
    """Many grid worlds of one level, in one compiled loop.

    Observation: ``image`` uint8 [N, 56, 56, 3], the agent's view, and ``instruction``, a tuple of
    N sentences. Action: int [N], 0 to 6. Reward: 1 - 0.9 · steps / max_steps on success, else 0.
    End: terminated on success (or on failure of a strict instruction), truncated at max_steps.

    At an episode's end the infos hold ``is_success`` (bool [N], with its mask ``_is_success``);
    in autoreset mode "SameStep" they stand in ``final_info``, beside ``final_obs``, as in
    Gymnasium's own vector environments. An episode depends on its environment's seed alone, not
    on the batch around it.

    Args:
        num_envs: how many worlds.
        level: a name from :data:`mmrl_envs.grid.levels.LEVELS`.
        autoreset_mode: "NextStep" (Gymnasium's default), "SameStep" or "Disabled".
        copy: True hands out frames that stay as they are; False hands out views of one buffer
            that the next step overwrites.
        render_mode: None or "rgb_array".
        max_steps: the limit of steps of an episode; None for BabyAI's.
        sizes: the level's parameters, such as ``room_size`` and ``num_dists``.

    Raises:
        ValueError: unknown level, parameter, or mode; impossible sizes.
    """

    metadata = {"render_modes": ["rgb_array"], **METADATA}

    def __init__(
        self,
        num_envs: int,
        level: str = "GoToLocal",
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: str | None = None,
        max_steps: int | None = None,
        **sizes: Any,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode={render_mode!r}: a batch has None and 'rgb_array'")
        self.worlds = GridWorlds(level, num_envs, max_steps=max_steps, **sizes)
        self.num_envs = num_envs
        self.render_mode = render_mode
        modes = [mode.value for mode in AutoresetMode]
        if autoreset_mode not in (*AutoresetMode, *modes):
            raise ValueError(f"autoreset_mode={autoreset_mode!r}: choose from {', '.join(modes)}")
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = spaces.observation_space()
        self.single_action_space = spaces.action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._pool = FramePool(num_envs)
        self._frames = self._pool.take()
        self._copy = copy
        self._over = np.ones(num_envs, np.bool_)  # waiting for a reset
        self._nobody = np.zeros(num_envs, np.bool_)
        self._is_seeded = False

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a new episode everywhere, or where ``options["reset_mask"]`` (bool [N]) says.

        Args:
            seed: environment e gets ``seed + e``, or ``seed[e]``; without one, its random stream
                goes on.
            options: may hold ``reset_mask``.

        Raises:
            ValueError: seeds or mask of another length, a seed below 0 or above 2**63 - 1.
            gymnasium.error.ResetNeeded: a mask in the very first reset that leaves some out.
        """
        rows = np.flatnonzero(self._reset_mask(options))
        self._seed(seed, rows)
        self.worlds.reset(rows, self._next_frames(keep=len(rows) < self.num_envs))
        self._over[rows] = False
        return self._observation(), {}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[
        Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:
        """One step of every environment.

        Args:
            actions: integers [N], 0 to 6.

        Returns:
            Observation, rewards float64 [N], terminated bool [N], truncated bool [N], infos.

        Raises:
            ValueError: actions of another shape, type or range; nothing was changed.
            gymnasium.error.ResetNeeded: before the first reset, or, in mode "Disabled", in an
                environment whose episode is over.
        """
        actions = self._checked(actions)
        frames = self._next_frames()
        restarts_now = self.autoreset_mode is AutoresetMode.NEXT_STEP
        rewards, terminated, truncated, success, ended = self.worlds.step(
            actions, self._nobody, frames, self._over if restarts_now else None
        )
        self._over = terminated | truncated
        infos: dict[str, Any] = {}
        if ended:
            done = self._over.copy()
            infos = {"is_success": success, "_is_success": done}
            if self.autoreset_mode is AutoresetMode.SAME_STEP:
                infos = {
                    "final_obs": self._final_observations(np.flatnonzero(done), frames),
                    "_final_obs": done,
                    "final_info": infos,
                    "_final_info": done,
                }
                self.worlds.reset(np.flatnonzero(done), frames)
                self._over[:] = False
        return self._observation(), rewards, terminated, truncated, infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Every whole grid from above, or None without a ``render_mode``."""
        if self.render_mode is None:
            return None
        return tuple(self.worlds.picture(e) for e in range(self.num_envs))

    def _observation(self) -> Observation:
        return {"image": as_pictures(self._frames), "instruction": tuple(self.worlds.sentences)}

    def _next_frames(self, *, keep: bool = False) -> NDArray[np.uint64]:
        """The buffer to paint into; with the present frames in it where some are to ``keep``."""
        if self._copy:
            last, self._frames = self._frames, self._pool.take()
            if keep:
                self._frames[:] = last
        return self._frames

    def _final_observations(
        self, rows: NDArray[np.int64], frames: NDArray[np.uint64]
    ) -> NDArray[np.object_]:
        finals = np.full(self.num_envs, None, dtype=object)
        for e, image in zip(rows.tolist(), as_pictures(frames[rows]), strict=True):
            finals[e] = {"image": image, "instruction": self.worlds.sentences[e]}
        return finals

    def _checked(self, actions: Any) -> NDArray[np.int64]:
        array = np.asarray(actions)
        if array.shape != (self.num_envs,) or array.dtype.kind not in "iu":
            raise ValueError(
                f"actions must be integers of shape ({self.num_envs},), "
                f"got {array.dtype} of shape {array.shape}"
            )
        array = array.astype(np.int64, copy=False)
        if array.view(np.uint64).max() >= len(ACTIONS):  # unsigned, a negative one is huge
            wrong = array[(array < 0) | (array >= len(ACTIONS))][0]
            raise ValueError(f"action {wrong}: must be 0 to {len(ACTIONS) - 1}")
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP and self._over.any():
            e = int(np.flatnonzero(self._over)[0])
            raise gym.error.ResetNeeded(f"environment {e} has no episode: call reset() first")
        if not self._is_seeded:
            raise gym.error.ResetNeeded("call reset() before step()")
        return array

    def _reset_mask(self, options: dict[str, Any] | None) -> NDArray[np.bool_]:
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise ValueError(
                f"options['reset_mask'] must be bool of shape ({self.num_envs},) with a True in "
                f"it, got {mask.dtype} of shape {mask.shape}"
            )
        if not self._is_seeded and not mask.all():
            raise gym.error.ResetNeeded("the first reset must begin every environment's episode")
        return mask

    def _seed(self, seed: int | Sequence[int | None] | None, rows: NDArray[np.int64]) -> None:
        if seed is None:
            seeds: list[int | None] = [None] * self.num_envs
        elif isinstance(seed, int | np.integer):
            seeds = [int(seed) + e for e in range(self.num_envs)]
        else:
            seeds = [None if s is None else int(s) for s in seed]
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments")
        if not self._is_seeded:
            fresh = np.random.SeedSequence().generate_state(self.num_envs, np.uint32)
            seeds = [int(f) if s is None else s for s, f in zip(seeds, fresh, strict=True)]
        chosen = rows if self._is_seeded else np.arange(self.num_envs)
        chosen = np.array([e for e in chosen.tolist() if seeds[e] is not None], np.int64)
        if len(chosen):
            checked = [check_seed(seeds[e] or 0) for e in chosen.tolist()]
            self.worlds.seed(np.array(checked, np.uint64), chosen)
        self._is_seeded = True

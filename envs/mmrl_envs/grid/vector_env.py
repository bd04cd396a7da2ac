"""The native vector environment: ``gym.make_vec("mmrl/GoToLocal-v0", num_envs=64)``.

START HERE for the interface; the engine behind it, with a reading order, is in ``worlds.py``.
What is notable:

- All environments step in one compiled loop, threads share it; the frames are rendered in the same
  call, into a buffer from a pool (``rendering/frame_pool.py``) or into the caller's own
  (:meth:`GridVectorEnv.write_into`), without a copy.
- All three autoreset modes of Gymnasium, partial resets, and per-environment seeds.
- :meth:`GridVectorEnv.get_state` and ``set_state`` save and restore episodes bit for bit.
- :meth:`GridVectorEnv.expert_actions` gives demonstrations from any state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from mmrl_envs.grid import spaces
from mmrl_envs.grid.alternatives import are_equivalent, give_instructions
from mmrl_envs.grid.core.cells import ACTIONS
from mmrl_envs.grid.core.rng import check_seed
from mmrl_envs.grid.editor import edits_of
from mmrl_envs.grid.language.instructions import Instruction
from mmrl_envs.grid.rendering.frame_pool import FramePool
from mmrl_envs.grid.snapshot import Snapshot, put_snapshot, take_snapshot
from mmrl_envs.grid.spaces import METADATA
from mmrl_envs.grid.worlds import GridWorlds, Knowledge

Observation = dict[str, Any]


class GridVectorEnv(VectorEnv[Observation, NDArray[np.int64], NDArray[Any]]):
    """Many grid worlds of one level, in one compiled loop.

    Observation: ``image`` uint8 [N, 56, 56, 3], the agent's view (others have other shapes), and
    ``instruction``, a tuple of N sentences. Action: int [N], 0 to 6. Reward: 1 - 0.9 · steps /
    max_steps on success, else 0. End: terminated on success (or on failure of a strict
    instruction), truncated at max_steps.

    The infos hold ``clauses_done``, bool [N, 4]: which clauses of the first (columns 0, 1) and of
    the second half (2, 3) of each instruction are done. With ``achieved=True`` they hold
    ``achieved``, what each step has achieved for the first time in its episode, object [N] of
    tuples of sentences of one clause; with ``describe=True``, ``description``, object [N] of
    sentences that describe what the agents see. At an episode's end they hold
    ``is_success`` (bool [N], with its mask ``_is_success``); in autoreset mode "SameStep" it
    stands in ``final_info``, beside ``final_obs``, as in Gymnasium's own vector environments. An
    episode depends on its environment's seed alone, not on the batch around it.

    Args:
        num_envs: how many worlds.
        level: a name from :data:`mmrl_envs.grid.generation.levels.LEVELS`.
        autoreset_mode: "NextStep" (Gymnasium's default), "SameStep" or "Disabled".
        copy: True hands out frames that stay as they are; False hands out views of one buffer
            that the next step overwrites.
        render_mode: None or "rgb_array".
        options: of :class:`~mmrl_envs.grid.worlds.GridWorlds`: ``max_steps``, ``view``, ``obs``,
            ``tile_size``, ``theme``, ``num_threads``, ``language``, ``achieved``, ``describe``,
            ``debug``, ``strict``, and the level's own parameters, such as ``room_size`` and
            ``num_dists``.

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
        **options: Any,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode={render_mode!r}: a batch has None and 'rgb_array'")
        self.worlds = GridWorlds(level, num_envs, **options)
        self.num_envs = num_envs
        self.render_mode = render_mode
        modes = [mode.value for mode in AutoresetMode]
        if autoreset_mode not in (*AutoresetMode, *modes):
            raise ValueError(f"autoreset_mode={autoreset_mode!r}: choose from {', '.join(modes)}")
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        language = self.worlds.language
        modes_and_words = {"autoreset_mode": self.autoreset_mode, **spaces.metadata(language)}
        self.metadata = {**self.metadata, **modes_and_words}
        shape = self.worlds.view.shape
        self.single_observation_space = spaces.observation_space(shape, language)
        self.single_action_space = spaces.action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._pool = FramePool(self.worlds.frames_shape)
        self._frames = self._own = self._pool.take()
        self._given: NDArray[np.uint8] | None = None
        self.copy = copy
        self._over = np.ones(num_envs, np.bool_)  # waiting for a reset
        self._no_env = np.zeros(num_envs, np.bool_)
        self._all = np.ones(num_envs, np.bool_)
        self._is_seeded = False

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a new episode everywhere, or where ``options["reset_mask"]`` (bool [N]) is True.

        Args:
            seed: environment e gets ``seed + e``, or ``seed[e]``; without one, its random
                generator continues.
            options: may hold ``reset_mask``; ``edits``, N sequences of seeds of changes to
                what the environments' seeds generate, see :mod:`mmrl_envs.grid.editor`; and
                ``instruction``, N sentences to replace their own ones, None for none.

        Raises:
            ValueError: seeds, mask, edits or instructions of another length, a seed below 0 or
                above 2**63 - 1, edits without a seed, or instructions that cannot be given in
                these scenes: the episodes have their own then.
            gymnasium.error.ResetNeeded: a mask in the very first reset that leaves some out.
        """
        mask = self._reset_mask(options)
        rows = np.flatnonzero(mask)
        seeds = self._seeds(seed)
        edits = edits_of(options, [one is not None for one in seeds])
        self._seed(seeds, rows)
        frames = self._next_frames(keep=len(rows) < self.num_envs)
        self.worlds.reset(rows, frames)
        if edited := {e: edits[e] for e in rows.tolist() if edits[e]}:
            self.worlds.edit(edited, frames)
        self._over[rows] = False
        given = (options or {}).get("instruction", [None] * self.num_envs)
        if len(given) != self.num_envs:
            raise ValueError(f"{len(given)} instructions for {self.num_envs} environments")
        if chosen := {e: given[e] for e in rows.tolist() if given[e]}:
            give_instructions(self.worlds, chosen)
        return self._observation(), self._info(mask)

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
            actions, self._no_env, frames, self._over if restarts_now else None
        )
        self._over = terminated | truncated
        infos: dict[str, Any] = {}
        if ended:
            done = self._over.copy()
            infos = {"is_success": success, "_is_success": done}
            if self.autoreset_mode is AutoresetMode.SAME_STEP:
                rows = np.flatnonzero(done)
                infos = {
                    "final_obs": self._final_observations(rows, frames),
                    "_final_obs": done,
                    "final_info": infos | self._info(done),
                    "_final_info": done,
                }
                self.worlds.reset(rows, frames)
                self._over[:] = False
        infos |= self._info(self._all)
        return self._observation(), rewards, terminated, truncated, infos

    def write_into(self, buffer: NDArray[np.uint8]) -> None:
        """Have the next reset or step write its frames straight into ``buffer``, which its
        observation's ``image`` then is: a rollout buffer is filled without a copy.

        Args:
            buffer: uint8 [N, H, W, 3] in one piece of memory, such as ``rollout[t]`` or the numpy
                view of a torch tensor. It is used once.

        Raises:
            ValueError: another shape, type or memory layout.
        """
        expected = self.worlds.frames_shape
        if not isinstance(buffer, np.ndarray) or buffer.dtype != np.uint8:
            kind = buffer.dtype if isinstance(buffer, np.ndarray) else type(buffer).__name__
            raise ValueError(f"buffer must be a numpy array of uint8, got {kind}")
        if buffer.shape != expected:
            raise ValueError(f"buffer of shape {buffer.shape}: must be {expected}")
        if not (buffer.flags.c_contiguous and buffer.flags.writeable):
            raise ValueError("buffer must be writeable and C-contiguous, without gaps between rows")
        if buffer.ctypes.data % 8:
            raise ValueError("buffer must begin at a multiple of 8 bytes")
        self._given = buffer

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """The N instructions, parsed."""
        return tuple(self.worlds.instruction(e) for e in range(self.num_envs))

    @property
    def max_steps(self) -> int:
        """The longest limit of steps of these episodes."""
        return int(self.worlds.state.max_steps.max())

    def expert_actions(self, knowledge: Knowledge = "seen") -> NDArray[np.int64]:
        """The expert's actions, int64 [N]; see
        :meth:`~mmrl_envs.grid.worlds.GridWorlds.expert_actions`.
        """
        return self.worlds.expert_actions(knowledge)

    def are_equivalent(self, sentences: Sequence[str]) -> NDArray[np.bool_]:
        """Whether who does what a sentence asks for may do what the own instruction asks for too,
        bool [N]; see :func:`mmrl_envs.grid.alternatives.are_equivalent`.
        """
        return are_equivalent(self.worlds, sentences)

    def observe(self) -> Observation:
        """The present observation, rendered again."""
        self.worlds.paint(self._next_frames())
        return self._observation()

    def get_state(self, rows: Sequence[int] | None = None) -> Snapshot:
        """The exact state of some environments (all, if None), random generators and episodes that
        are over included, as a dictionary of arrays: see :mod:`mmrl_envs.grid.snapshot`.

        Raises:
            ValueError: rows that there are not.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if not self._is_seeded:
            raise gym.error.ResetNeeded("call reset() before get_state()")
        chosen = self._rows(rows)
        return take_snapshot(self.worlds, chosen) | {"over": self._over[chosen]}

    def set_state(self, state: Snapshot, rows: Sequence[int] | None = None) -> None:
        """Resume from a state that :meth:`get_state` of this or another environment of the same
        level and sizes gave; :meth:`observe` shows it.

        Args:
            state: of as many environments as there are ``rows``.
            rows: which to replace; all, if None.

        Raises:
            ValueError: no such state, with the reason; nothing was changed.
            gymnasium.error.ResetNeeded: some rows, before the first reset of the others.
        """
        chosen = self._rows(rows)
        if not self._is_seeded and len(chosen) < self.num_envs:
            raise gym.error.ResetNeeded("call reset() first: some environments have no state yet")
        given = dict(state)
        over = given.pop("over", None)
        fits = isinstance(over, np.ndarray) and over.dtype == np.bool_
        if over is None or not fits or over.shape != chosen.shape:
            raise ValueError(f"'over' of the state must be bool of shape {chosen.shape}")
        put_snapshot(self.worlds, given, chosen)
        self._over[chosen] = over
        self._is_seeded = True

    def close_extras(self, **kwargs: Any) -> None:
        """Shut the threads down."""
        self.worlds.close()

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Every whole grid from above, or None without a ``render_mode``."""
        if self.render_mode is None:
            return None
        return tuple(map(self.render_row, range(self.num_envs)))

    def render_row(self, number: int) -> NDArray[np.uint8]:
        """The whole grid of one environment from above, uint8 [H, W, 3]."""
        return self.worlds.image(number)

    def _observation(self) -> Observation:
        return {"image": self._frames, "instruction": tuple(self.worlds.sentences)}

    def _rows(self, rows: Sequence[int] | None) -> NDArray[np.int64]:
        chosen = np.arange(self.num_envs) if rows is None else np.asarray(rows, np.int64).ravel()
        if len(set(chosen.tolist()) & set(range(self.num_envs))) < len(chosen):
            raise ValueError(f"rows {chosen.tolist()}: each of 0 to {self.num_envs - 1} once")
        return chosen

    def _info(self, mask: NDArray[np.bool_]) -> dict[str, Any]:
        info = self.worlds.info(None if mask is self._all else mask)
        return info | {f"_{name}": mask for name in info}

    def _next_frames(self, *, keep: bool = False) -> NDArray[np.uint8]:
        """The buffer to render into; with the present frames in it where some are to ``keep``."""
        last = self._frames
        if self._given is not None:
            self._frames, self._given = self._given, None
        else:
            self._frames = self._pool.take() if self.copy else self._own
        if keep and self._frames is not last:
            self._frames[:] = last
        return self._frames

    def _final_observations(
        self, rows: NDArray[np.int64], frames: NDArray[np.uint8]
    ) -> NDArray[np.object_]:
        finals = np.full(self.num_envs, None, dtype=object)
        for e, image in zip(rows.tolist(), frames[rows], strict=True):
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

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        """The seed of each environment, None for none."""
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + e for e in range(self.num_envs)]
        seeds = [None if s is None else int(s) for s in seed]
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments")
        return seeds

    def _seed(self, seeds: list[int | None], rows: NDArray[np.int64]) -> None:
        if not self._is_seeded:
            fresh = np.random.SeedSequence().generate_state(self.num_envs, np.uint32)
            seeds = [int(f) if s is None else s for s, f in zip(seeds, fresh, strict=True)]
        chosen = rows if self._is_seeded else np.arange(self.num_envs)
        chosen = np.array([e for e in chosen.tolist() if seeds[e] is not None], np.int64)
        if len(chosen):
            checked = [check_seed(seeds[e] or 0) for e in chosen.tolist()]
            self.worlds.seed(np.array(checked, np.uint64), chosen)
        self._is_seeded = True

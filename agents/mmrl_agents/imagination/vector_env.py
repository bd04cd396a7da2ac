"""A vector environment whose steps are imagined by a world model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from mmrl.action_masks import mask_space
from mmrl.contract import ACTION_MASK, IMAGE, INSTRUCTION, IS_SUCCESS
from mmrl.data import Episode
from mmrl.generative.world_model.simulator import WorldSimulator
from mmrl.generative.world_model.state import State

Observation = dict[str, Any]


@dataclass(frozen=True)
class Starts:
    """Steps of real episodes at which imagined ones begin.

    Attributes:
        state: of the world model there, S rows.
        images: uint8 [S, H, W, 3].
        instructions: S of them.
    """

    state: State
    images: NDArray[np.uint8]
    instructions: Sequence[str]

    def __len__(self) -> int:
        return len(self.instructions)


def sample_starts(
    world: WorldSimulator, rollouts: Sequence[Episode], count: int, generator: np.random.Generator
) -> Starts:
    """Steps drawn uniformly from real episodes: an episode first, then one of its steps but the
    last.

    Args:
        world: the world model.
        rollouts: the episodes.
        count: how many steps.
        generator: the random generator.
    """
    chosen = [rollouts[k] for k in generator.integers(len(rollouts), size=count)]
    steps = np.array([generator.integers(len(one)) for one in chosen])
    longest = int(steps.max())
    images = np.stack([_padded(one.images, longest + 1) for one in chosen])
    actions = np.stack([_padded(one.actions, longest) for one in chosen])
    instructions = [one.instruction for one in chosen]
    state = world.observe(images, actions.astype(np.int64), instructions, steps)
    return Starts(state, images[np.arange(count), steps], instructions)


def _padded(values: NDArray[Any], length: int) -> NDArray[Any]:
    """The first ``length`` values, padded by repeating the last."""
    return values[np.minimum(np.arange(length), len(values) - 1)]


class ImaginedVectorEnv(VectorEnv[Observation, NDArray[np.int64], NDArray[Any]]):
    """A vector environment of N imagined episodes.

    Observation: ``image`` uint8 [N, H, W, 3] and ``instruction``, N sentences. Action: int [N].
    Reward and termination: as the world model predicts. Truncated at the horizon. An episode that
    terminates with a reward is a success. Episodes begin at steps of real ones, and restart within
    the step that ends them.

    Args:
        world: the world model.
        starts: where episodes begin.
        num_envs: N.
        horizon: steps of an episode, at most.
        temperature: of sampling tokens; 0 takes the most probable ones.
        masks: have action masks in the observations, as the real environment does. The world model
            does not predict them: all actions are valid.

    Raises:
        ValueError: no start, or a number that cannot be.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
    _state: State
    _steps: NDArray[np.int64]

    def __init__(
        self,
        world: WorldSimulator,
        starts: Starts,
        num_envs: int,
        *,
        horizon: int = 16,
        temperature: float = 1.0,
        masks: bool = False,
    ) -> None:
        if not len(starts) or num_envs < 1 or horizon < 1 or temperature < 0:
            raise ValueError(
                f"{len(starts)} starts, num_envs={num_envs}, horizon={horizon}: must be at least "
                f"1; temperature={temperature}: at least 0"
            )
        self.world, self.starts, self.num_envs = world.eval(), starts, num_envs
        self.horizon, self.temperature = horizon, temperature
        shape = starts.images.shape[1:]
        longest = max(map(len, starts.instructions))
        charset = "".join(sorted(set("".join(starts.instructions))))
        self.single_action_space = spaces.Discrete(world.model.actions)
        space = mask_space(self.single_action_space) if masks else None
        self.single_observation_space = spaces.Dict(
            {
                IMAGE: spaces.Box(0, 255, shape, np.uint8),
                INSTRUCTION: spaces.Text(longest, charset=charset),
                **({} if space is None else {ACTION_MASK: space}),
            }
        )
        every = np.ones((num_envs, world.model.actions), np.int8)
        self._masks = {ACTION_MASK: every} if masks else {}
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._rng = np.random.default_rng()
        self._generator = torch.Generator(world.model.device)
        self._begin_all()

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Any = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin new episodes everywhere; a seed (the first of several) seeds where they begin and
        the sampling of tokens.
        """
        first = seed if isinstance(seed, int) or seed is None else seed[0]
        if first is not None:
            self._rng = np.random.default_rng(first)
            self._generator.manual_seed(first)
        self._begin_all()
        return self._observation(), {}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[
        Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:
        """One step of every episode: observation, rewards float64 [N], terminated and truncated,
        bool [N], infos.
        """
        imagined, self._state = self.world.imagine(
            self._state,
            np.asarray(actions, np.int64)[:, None],
            temperature=self.temperature,
            generator=self._generator,
        )
        self._images = self.world.decode(self._state.ids)
        self._steps += 1
        rewards = imagined.rewards[:, 0].double().cpu().numpy()
        terminated = imagined.ends[:, 0].cpu().numpy()
        truncated = (self._steps >= self.horizon) & ~terminated
        over = terminated | truncated
        infos: dict[str, Any] = {}
        if over.any():
            infos = self._ended(over, terminated & (rewards > 0))
            self._begin(over)
        return self._observation(), rewards, terminated, truncated, infos

    def get_state(self) -> dict[str, Any]:
        """The exact state, as plain data."""
        return {
            "tensors": [one.cpu().numpy().copy() for one in self._state.leaves()],
            "images": self._images.copy(),
            "sentences": list(self._instructions),
            "steps": self._steps.copy(),
            "draws": self._rng.bit_generator.state,
            "generator": self._generator.get_state().numpy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Resume from a state.

        Raises:
            ValueError: it is another batch's.
        """
        if len(state["steps"]) != self.num_envs:
            raise ValueError(f"a state of {len(state['steps'])} episodes, not {self.num_envs}")
        device = self.world.model.device
        self._state = State.of(torch.from_numpy(one.copy()).to(device) for one in state["tensors"])
        self._images, self._instructions = state["images"].copy(), list(state["sentences"])
        self._steps = state["steps"].copy()
        self._rng.bit_generator.state = state["draws"]
        self._generator.set_state(torch.from_numpy(state["generator"].copy()))

    def _begin_all(self) -> None:
        rows = self._rng.integers(len(self.starts), size=self.num_envs)
        self._state = self.starts.state.rows(torch.from_numpy(rows))
        self._images = self.starts.images[rows]
        self._instructions = [self.starts.instructions[row] for row in rows]
        self._steps = np.zeros(self.num_envs, np.int64)

    def _begin(self, chosen: NDArray[np.bool_]) -> None:
        """New episodes in place of some."""
        rows = self._rng.integers(len(self.starts), size=self.num_envs)
        new = self.starts.state.rows(torch.from_numpy(rows[chosen]))
        self._state.put(torch.from_numpy(np.flatnonzero(chosen)), new)
        self._images = np.where(chosen[:, None, None, None], self.starts.images[rows], self._images)
        for e in np.flatnonzero(chosen).tolist():
            self._instructions[e] = self.starts.instructions[rows[e]]
        self._steps[chosen] = 0

    def _ended(self, over: NDArray[np.bool_], success: NDArray[np.bool_]) -> dict[str, Any]:
        """The infos of episodes that end."""
        final = np.full(self.num_envs, None, object)
        for e in np.flatnonzero(over).tolist():
            final[e] = {
                IMAGE: self._images[e],
                INSTRUCTION: self._instructions[e],
                **{key: one[e] for key, one in self._masks.items()},
            }
        info = {IS_SUCCESS: success, f"_{IS_SUCCESS}": over}
        return {"final_obs": final, "_final_obs": over, "final_info": info, "_final_info": over}

    def _observation(self) -> Observation:
        return {IMAGE: self._images, INSTRUCTION: tuple(self._instructions), **self._masks}

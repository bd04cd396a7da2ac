"""A minigrid environment and one of ours, kept in the same state and compared after every step."""

from __future__ import annotations

import contextlib
import io
from typing import Any, Final

import gymnasium as gym
import numpy as np
from minigrid.wrappers import RGBImgPartialObsWrapper
from numpy.typing import NDArray
from scramble import any_instruction, strew

from mmrl_envs.grid.core import cells
from mmrl_envs.grid.core.state import NOTHING, make_layout, make_state
from mmrl_envs.grid.env import GridEnv
from mmrl_envs.grid.minigrid_state import import_minigrid
from mmrl_envs.grid.rendering.views import make_view
from mmrl_envs.grid.rendering.views.egocentric import EgocentricSymbols

EPISODE_STEPS: Final = 150
"""An episode is broken off here: a lost agent shows nothing new."""
_SYMBOLS: Final = cells.symbols()
_RUNNING: Final = np.zeros(1, np.bool_)


def minigrid_id(level: str) -> str:
    """The id under which minigrid registers a level of ours."""
    return f"BabyAI-{level}-v{1 if level == 'GoToObjS6' else 0}"


class ParityPair:
    """A minigrid environment and one of ours that is kept in the same state.

    Args:
        env_id: what minigrid calls the level.
        level: what ours calls it; None where nothing is to be generated.
    """

    def __init__(self, env_id: str, level: str | None = None) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.source: Any = gym.make(env_id).unwrapped
        self.theirs = RGBImgPartialObsWrapper(self.source, tile_size=8)
        self.ours = GridEnv(level or "GoToObj")
        self._limit = self.source.max_steps
        self._symbols = np.empty((1, 7, 7, 3), np.uint8)
        if level is None:
            worlds, source = self.ours.worlds, self.source
            worlds.layout = make_layout(source.room_size, source.num_cols, source.num_rows, 64)
            worlds.state = make_state(1, worlds.layout)
            worlds.view = make_view(worlds.layout, "egocentric", "pixels", 8, worlds.theme)
            # Nothing is generated: what stands there is what was imported.
            worlds.reset = lambda *_: None  # type: ignore[method-assign]

    def reset(self, seed: int, max_steps: int | None = None) -> list[str]:
        """Begin an episode in minigrid and bring it over; what differs afterwards.

        Args:
            seed: of minigrid's episode.
            max_steps: the limit of steps, if not the level's own.
        """
        self.source.max_steps = self._limit  # some levels keep it, others set it anew at a reset
        with contextlib.redirect_stdout(io.StringIO()):  # minigrid prints every level it rejects
            observation, _ = self.theirs.reset(seed=seed)
        if max_steps is not None:
            self.source.max_steps = max_steps
        self.ours.reset(seed=seed)
        return self.bring_over(observation)

    def scramble(self, rng: np.random.Generator) -> list[str]:
        """Strew minigrid's rooms with whatever there is, give it an instruction of any form, and
        bring it over; what differs afterwards.
        """
        strew(self.source, rng)
        self.source.instrs = any_instruction(self.source, rng)
        self.source.mission = self.source.surface = self.source.instrs.surface(self.source)
        self.source.instrs.reset_verifier(self.source)
        self.source.max_steps = int(rng.integers(20, EPISODE_STEPS))
        return self.bring_over()

    def bring_over(self, observation: dict[str, Any] | None = None) -> list[str]:
        """Import minigrid's present state; what differs afterwards."""
        import_minigrid(self.theirs, self.ours.worlds)
        if observation is None:
            observation = self.theirs.observation(self.source.gen_obs())
        frame = self.ours.worlds.frame(0)
        sentence = self.ours.worlds.sentences[0]
        symbols = self.source.gen_obs()["image"]
        return [
            *self._differences(observation, symbols, frame, sentence),
            *self.image_differences(),
        ]

    def step(self, action: int) -> tuple[list[str], bool, bool, bool]:
        """One action in both.

        Returns:
            What differs, then minigrid's terminated, truncated and success.
        """
        symbols, reward, terminated, truncated, _ = self.source.step(action)
        observation = self.theirs.observation(symbols)
        success = bool(terminated and float(reward) > 0)
        ours, our_reward, our_terminated, our_truncated, info = self.ours.step(action)
        differences = self._differences(
            observation, symbols["image"], ours["image"], ours["instruction"]
        )
        ended = terminated or truncated
        for name, same in {
            "reward": our_reward == float(reward),
            "terminated": our_terminated == terminated,
            "truncated": our_truncated == truncated,
            "success": info.get("is_success") == (success if ended else None),
        }.items():
            if not same:
                differences.append(name)
        return differences, terminated, truncated, success

    def image_differences(self) -> list[str]:
        """Whether the whole grids, drawn from above, differ."""
        theirs = self.source.get_frame(highlight=True, tile_size=32)
        return [] if np.array_equal(theirs, self.ours.worlds.image(0)) else ["image"]

    def symbols(self) -> NDArray[np.uint8]:
        """Our symbols of what the agent sees, uint8 [7, 7, 3]."""
        worlds = self.ours.worlds
        view = EgocentricSymbols(worlds.layout)
        view.paint(worlds.state, 0, 1, _RUNNING, self._symbols)
        return self._symbols[0]

    def _differences(
        self,
        observation: dict[str, Any],
        symbols: NDArray[np.uint8],
        frame: NDArray[np.uint8],
        sentence: str,
    ) -> list[str]:
        source, state, layout = self.source, self.ours.worlds.state, self.ours.worlds.layout
        x, y = layout.position(int(state.agent_cell[0]))
        held = int(state.carried[0])
        carried = None if held == NOTHING else _SYMBOLS[state.object_code[0, held]].tolist()
        grid = state.grid[0].reshape(-1, layout.stride)
        margin = (layout.stride - layout.width) // 2
        inside = grid[margin : margin + layout.height, margin : margin + layout.width]
        hands = source.carrying and list(source.carrying.encode())
        pairs = {
            "frame": np.array_equal(observation["image"], frame),
            "symbols": np.array_equal(symbols, self.symbols()),
            "sentence": observation["mission"] == sentence,
            "position": tuple(map(int, source.agent_pos)) == (x, y),
            "direction": int(source.agent_dir) == int(state.agent_direction[0]),
            "carried": hands == carried,
            "grid": np.array_equal(source.grid.encode().swapaxes(0, 1), _SYMBOLS[inside]),
            "step_count": (source.step_count, source.max_steps)
            == (int(state.step_count[0]), int(state.max_steps[0])),
        }
        return [name for name, same in pairs.items() if not same]

"""A parallel multi-agent environment for the tests, with the methods of PettingZoo's ParallelEnv.

It imports Gymnasium and NumPy alone. Three walkers start at places that the seed chooses, and each
ends after a number of steps of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

LENGTHS = {"ann": 2, "bob": 4, "eve": 3}


class Walkers:
    """Each walker sees its place and the step, and walks by its action; its reward is its place.

    Observation: ``place`` float32 [2] and ``task``; action: Discrete(3). "eve" is truncated, the
    others terminate; "ann" and "eve" succeed. With ``late``, "eve" appears after the first step.
    With ``odd``, "bob" has more actions. With ``stranger``, an agent appears that is not named.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4, "name": "walkers"}

    def __init__(
        self,
        late: bool = False,
        odd: bool = False,
        stranger: bool = False,
        render_mode: str | None = None,
    ) -> None:
        self.late, self.odd, self.stranger = late, odd, stranger
        self.render_mode = render_mode
        self.possible_agents = list(LENGTHS)
        self.seeds: list[int | None] = []
        self.random = np.random.default_rng()

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return spaces.Dict(
            place=spaces.Box(-99, 99, (2,), np.float32),
            task=spaces.Text(20, charset="abcdefghijklmnopqrstuvwxyz -"),
        )

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return spaces.Discrete(4 if self.odd and agent == "bob" else 3)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.seeds.append(seed)
        if seed is not None:
            self.random = np.random.default_rng(seed)
        self.places = dict(zip(LENGTHS, self.random.integers(1, 9, 3).tolist(), strict=True))
        self.steps = 0
        self.agents = [one for one in LENGTHS if not (self.late and one == "eve")]
        return self._look(self.agents), {one: {"name": one} for one in self.agents}

    def step(self, actions: dict[str, int]) -> Any:
        assert list(actions) == self.agents, (list(actions), self.agents)
        self.steps += 1
        acted = self.agents
        for agent, action in actions.items():
            self.places[agent] += int(action) - 1
        ends = {one: self.steps >= LENGTHS[one] for one in acted}
        self.agents = [one for one in acted if not ends[one]]
        if self.late and self.steps == 1:
            self.agents.append("eve")
        seen = [*acted, *(one for one in self.agents if one not in acted)]
        if self.stranger:
            seen.append("zoe")
        return (
            self._look(seen),
            {one: float(self.places[one]) for one in acted},
            {one: ends[one] and one != "eve" for one in acted},
            {one: ends[one] and one == "eve" for one in acted},
            {one: {"name": one, "is_success": one != "bob"} for one in acted},
        )

    def render(self) -> Any:
        return np.full((8, 8, 3), self.steps, np.uint8)

    def close(self) -> None:
        pass

    def _look(self, agents: list[str]) -> dict[str, Any]:
        return {
            one: {
                "place": np.array([self.places.get(one, 0), self.steps], np.float32),
                "task": f"walk {one}",
            }
            for one in agents
        }


class SavedWalkers(Walkers):
    """Walkers whose exact state can be saved and restored."""

    @property
    def np_random(self) -> np.random.Generator:
        """Of the places; whoever saves the state saves it, too."""
        return self.random

    def get_state(self) -> dict[str, Any]:
        return {"places": dict(self.places), "steps": self.steps, "agents": list(self.agents)}

    def set_state(self, state: dict[str, Any]) -> None:
        self.places, self.steps = dict(state["places"]), state["steps"]
        self.agents = list(state["agents"])

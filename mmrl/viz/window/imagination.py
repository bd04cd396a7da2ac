"""An imagined environment: a session whose steps a world model predicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mmrl.generative.world_model.simulator import WorldSimulator
from mmrl.generative.world_model.state import State
from mmrl.viz.window.session import Session


class ImaginedSession(Session):
    """Episodes that begin in an environment, and are imagined from there on.

    Args:
        world: the world model.
        env_id, env_args: where they begin.
        seed: of the first episode, and of the sampling in it; the next ones follow.
        temperature: of the sampling of tokens.
        instruction: another one than the environment's.

    Raises:
        UserError: as :class:`Session`; or another image, action or word than the world model
            was fitted for.
    """

    def __init__(
        self,
        world: WorldSimulator,
        env_id: str,
        env_args: dict[str, Any],
        seed: int,
        temperature: float = 1.0,
        instruction: str | None = None,
    ) -> None:
        self._world, self._temperature, self._given = world, temperature, instruction
        super().__init__(env_id, env_args, seed)
        self.require_discrete()
        world.check_actions(len(self.actions))

    def restart(self) -> None:
        """The same episode from its beginning; the same actions have the same consequences."""
        super().restart()
        self.instruction = self._given or self.instruction
        self.overview, self.clauses_done = None, None
        nothing = np.zeros((1, 0), np.int64)
        self._state: State = self._world.observe(self.view[None, None], nothing, [self.instruction])
        self._generator = torch.Generator(self._world.model.device).manual_seed(self.seed)

    def act(self, action: int) -> None:
        """Imagine a step; nothing happens once the episode is over."""
        if self.is_over:
            return
        imagined, self._state = self._world.imagine(
            self._state,
            np.array([[action]]),
            temperature=self._temperature,
            generator=self._generator,
        )
        self.view = self._world.decode(imagined.ids[0])[0]
        self.steps += 1
        self.reward += float(imagined.rewards)
        self.last_action = self.actions[action]
        if bool(imagined.ends):
            self.is_over, self.success = True, float(imagined.rewards) > 0
        elif self.limit is not None and self.steps >= self.limit:
            self.is_over, self.success = True, False

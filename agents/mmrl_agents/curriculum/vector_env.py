"""A vector environment whose episodes play the levels of a curriculum."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from mmrl.wrappers.single_environments import are_single
from mmrl.wrappers.state import State, batch_state, set_batch_state
from mmrl_agents.curriculum.curriculum import Curriculum
from mmrl_agents.curriculum.levels import Level

EDITS: Final = "edits"
"""What an environment that can begin from edited scenes has in its metadata, and takes as an option
of ``reset``: for each environment a sequence of seeds of changes, which follow its own seed.
"""


def edits_levels(env: VectorEnv[Any, Any, Any]) -> bool:
    """Whether a batch can begin each episode from a scene that is edited otherwise."""
    return EDITS in env.metadata and not are_single(env)


class CurriculumVector(VectorWrapper):
    """Begins every episode from the seed, and with the edits, of the level that a curriculum
    chooses, by ``reset`` with a mask. Infos are those of the episodes that ended; those of
    ``reset`` are merged in.

    Args:
        env: a batch that restarts within the step that ends an episode, and takes a list of seeds
            and ``options["reset_mask"]``, as Gymnasium's do.
        curriculum: for as many environments.

    Raises:
        ValueError: the batch restarts otherwise, or cannot edit levels as the curriculum does.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], curriculum: Curriculum) -> None:
        if env.metadata.get("autoreset_mode") is not AutoresetMode.SAME_STEP:
            raise ValueError("the batch must restart with autoreset_mode='SameStep'")
        if curriculum.kind.edits and not edits_levels(env):
            raise ValueError(
                f"{env} cannot begin from edited scenes: it has no metadata['{EDITS}'], or it is a "
                "batch of single environments, which all get the same options"
            )
        super().__init__(env)
        self.curriculum = curriculum

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin everywhere. The levels are the curriculum's: ``seed`` and ``options`` are not
        used.
        """
        levels = self.curriculum.begin_all()
        return self._begin(dict(enumerate(levels)))

    def step(
        self, actions: Any
    ) -> tuple[dict[str, Any], NDArray[Any], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One step everywhere; where an episode ends, another level begins."""
        observation, rewards, terminated, truncated, infos = self.env.step(actions)
        ended = self.curriculum.step(rewards, terminated | truncated)
        if ended:
            levels = {e: self.curriculum.begin(e) for e in ended}
            observation, reset_infos = self._begin(levels)
            _merge(reset_infos, into=infos, rows=ended)
        return observation, rewards, terminated, truncated, infos

    def _begin(self, levels: dict[int, Level]) -> tuple[dict[str, Any], dict[str, Any]]:
        seeds: list[int | None] = [None] * self.num_envs
        edits: list[Level] = [()] * self.num_envs
        for e, (seed, *changes) in levels.items():
            seeds[e], edits[e] = seed, tuple(changes)
        options: dict[str, Any] = {} if not any(edits) else {EDITS: edits}
        if len(levels) < self.num_envs:
            options["reset_mask"] = np.isin(np.arange(self.num_envs), list(levels))
        return self.env.reset(seed=seeds, options=options or None)  # type: ignore[arg-type]  # a list is allowed

    def get_state(self) -> State | None:
        """The batch's, see :mod:`mmrl.wrappers.state`; the curriculum has its own."""
        return batch_state(self.env)

    def set_state(self, state: State) -> None:
        """Resume from a state that :meth:`get_state` of a batch like this one gave.

        Raises:
            ValueError: it is another batch's.
        """
        set_batch_state(self.env, state)


def _merge(infos: dict[str, Any], *, into: dict[str, Any], rows: list[int]) -> None:
    """Copy some rows of the arrays in infos into those of the whole batch."""
    for name, column in infos.items():
        if isinstance(column, np.ndarray) and isinstance(into.get(name), np.ndarray):
            into[name][rows] = column[rows]

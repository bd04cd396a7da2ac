"""Edited initial states: ``reset(seed=7, options={"edits": [3, 11]})``.

An edit is a number, too: the seed of what it changes. So a scene is named by the seed that
generated it and the edits that followed, and is the same wherever it is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import DONE
from mmrl_envs.grid.core.rng import check_seed, seed_rng
from mmrl_envs.grid.core.state import Layout, State, make_scratch, make_state
from mmrl_envs.grid.expert.expert import decide
from mmrl_envs.grid.expert.pathfinding import make_chart
from mmrl_envs.grid.generation.edits import edit_env
from mmrl_envs.grid.generation.level_builder import REQUIRE_REACHABLE
from mmrl_envs.grid.language.instructions import STRICT_RULES
from mmrl_envs.grid.stepping import step_envs

OPTION: Final = "edits"
"""The key of ``reset``'s options, and of the metadata of environments that know it."""

Edits = tuple[int, ...]
_TRIES: Final = 20  # of one edit
_KEPT: Final = 4096  # scenes; one takes about 2 kB
_STILL: Final = np.zeros(1, np.bool_)


class Editor:
    """Edits initial states, one after the other; an edit is kept only if the expert, given full
    knowledge, can still solve the episode.

    An edit that finds nothing to do after some tries leaves the scene as it is. Levels that require
    every object to be reachable without moving another keep that property.

    Args:
        layout: of the level's grids.
        program: the level program, int32 [ops, 8].
        fixed_max_steps: their limit of steps; 0 for BabyAI's own.
    """

    def __init__(self, layout: Layout, program: NDArray[np.int32], fixed_max_steps: int) -> None:
        self._layout, self._program, self._fixed_max_steps = layout, program, fixed_max_steps
        self._reachable = bool(((program[:, 0] == REQUIRE_REACHABLE) & (program[:, 1] != 0)).any())
        self._trial, self._proof = make_state(1, layout), make_state(1, layout)
        self._scratch, self._chart = make_scratch(layout), make_chart(layout)
        self._rng = np.zeros(1, np.uint64)
        self._scenes: OrderedDict[Edits, State] = OrderedDict()

    def edited(self, begun: State, seed: int, edits: Edits) -> State:
        """The beginning of an episode after edits.

        Args:
            begun: the episode of the seed, just begun; of one environment.
            seed: of ``begun``.
            edits: seeds of what is changed, in this order.

        Returns:
            A state of one environment, not to be written to; its random generator is that of
            ``begun``.
        """
        known = next(k for k in range(len(edits), -1, -1) if not k or (seed, *edits[:k]) in self)
        scene = self._scenes[seed, *edits[:known]] if known else begun
        for k in range(known, len(edits)):
            scene = self._edit(scene, edits[k])
            self._keep((seed, *edits[: k + 1]), scene)
        return scene

    def __contains__(self, name: Edits) -> bool:
        return name in self._scenes

    def _keep(self, name: Edits, scene: State) -> None:
        self._scenes[name] = scene
        if len(self._scenes) > _KEPT:
            self._scenes.popitem(last=False)

    def _edit(self, scene: State, edit: int) -> State:
        """A scene after an edit; itself where none was found."""
        seed_rng(self._rng, np.array([edit], np.uint64))
        for _ in range(_TRIES):
            _copy(scene, self._trial)
            self._trial.rng[:] = self._rng
            makes_sense = edit_env(self._trial, self._layout, 0, self._scratch, self._reachable)
            self._rng[:] = self._trial.rng
            if makes_sense and self._is_solvable():
                self._trial.rng[:] = scene.rng
                return State._make(array.copy() for array in self._trial)
        return scene

    def _is_solvable(self) -> bool:
        """Whether the expert achieves the instruction of the trial in time."""
        _copy(self._trial, self._proof)
        actions, reward = np.empty(1, np.int64), np.empty(1)
        terminated, truncated, success = np.empty((3, 1), np.bool_)
        is_strict = self._proof.instruction[0, 0] & STRICT_RULES != 0
        while True:
            decide(self._proof, self._layout, self._chart, True, 0, 1, actions)
            if actions[0] == DONE and not is_strict:  # where "done" decides, it is an action
                return False
            ended = step_envs(
                self._proof,
                self._layout,
                self._program,
                self._scratch,
                self._fixed_max_steps,
                0,
                1,
                actions,
                _STILL,
                _STILL,
                reward,
                terminated,
                truncated,
                success,
            )
            if ended:
                return bool(success[0])


def _copy(scene: State, into: State) -> None:
    """Copy a state but what was seen."""
    for name, array in into._asdict().items():
        if name != "seen":
            array[:] = getattr(scene, name)


def edits_of(options: dict[str, Any] | None, has_seed: Sequence[bool]) -> list[Edits]:
    """The edits that ``reset`` was asked for, by environment.

    Args:
        options: of ``reset``; may hold ``edits``, for each environment a sequence of seeds.
        has_seed: of each environment, whether ``reset`` was given one.

    Raises:
        ValueError: edits of another number of environments, no seeds, or without a seed of the
            scene that is edited.
    """
    given = (options or {}).get(OPTION)
    if given is None:
        return [()] * len(has_seed)
    if len(given) != len(has_seed):
        raise ValueError(f"options['edits'] of {len(given)} for {len(has_seed)} environments")
    edits = [tuple(check_seed(int(one)) for one in each) for each in given]
    for e, (each, seeded) in enumerate(zip(edits, has_seed, strict=True)):
        if each and not seeded:
            raise ValueError(f"options['edits'] of environment {e} need its seed beside them")
    return edits

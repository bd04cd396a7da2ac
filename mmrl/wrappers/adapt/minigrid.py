"""The adapter of the ``minigrid`` package, whose observations are symbols without an image."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from typing import Any, Final

import gymnasium as gym

from mmrl.wrappers.adapt.adapter import ContractAdapter
from mmrl.wrappers.adapt.config import TERMINATED, AdapterConfig
from mmrl.wrappers.adapt.plan import AdapterPlan

_PIXELS: Final = 8  # a side of a cell
_COMPASS: Final = "direction"


def is_minigrid(env: gym.Env[Any, Any]) -> bool:
    """Whether an environment is of the package, or of a class of a user's own from it."""
    return any(one.__module__.startswith("minigrid.") for one in type(env.unwrapped).__mro__)


class MinigridAdapter(ContractAdapter):
    """Minigrid: pixels (8 a cell) in place of symbols, and the mission as the instruction.

    The compass direction is left out, as in BabyAI, and an episode that terminates with a reward is
    a success, unless the configuration says otherwise. Nothing is printed about rejected layouts.

    Args:
        env: an environment of the ``minigrid`` package.
        config: of the adapter.
        plan: of another environment of the same kind, which is made use of again.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        config: AdapterConfig | None = None,
        plan: AdapterPlan | None = None,
    ) -> None:
        from minigrid.wrappers import RGBImgPartialObsWrapper

        given = config or AdapterConfig()
        config = replace(
            given,
            leave_out=given.leave_out or (_COMPASS,),
            success=TERMINATED if given.success is None else given.success,
        )
        with contextlib.redirect_stdout(io.StringIO()):  # the plan may need a reset
            super().__init__(RGBImgPartialObsWrapper(env, tile_size=_PIXELS), plan, config)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode."""
        with contextlib.redirect_stdout(io.StringIO()):
            return super().reset(seed=seed, options=options)

"""The success rate of training episodes: of all, counted from the first episode of each environment
on, of each kind of instruction, and of each of several environments.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from mmrl.contract import INSTRUCTION, IS_SUCCESS
from mmrl.language import kind_of
from mmrl_agents.team import ALONE, Team
from mmrl_agents.vec_env import LEVEL, MultimodalVecEnv

ROW: Final = "row"
"""Key of an episode's info: its environment's number among those of all workers."""


class SuccessStatistics(BaseAlgorithm):
    """Counts successes once the first episode of every environment has ended.

    At first only short episodes have ended, and those that end early are the successful ones
    (survivorship bias). The outcomes of all first episodes are counted together when the last one
    has ended; from then on every outcome counts.

    Where the environment's language knows kinds of instructions (see :mod:`mmrl.language`), the
    success rate of each kind is logged as ``success/<kind>``, over the episodes since the last
    entry; where there are several environments, that of each, as ``rollout/success/<id>``.
    """

    team: Team = ALONE
    _first_outcomes: dict[int, bool] | None = None  # by environment; None where all have ended

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: Any = None,
        reset_num_timesteps: bool = True,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if reset_num_timesteps or self.ep_info_buffer is None:
            self._first_outcomes = {}
        return super()._setup_learn(total_timesteps, callback, reset_num_timesteps, *args, **kwargs)

    def _update_info_buffer(
        self, infos: list[dict[str, Any]], dones: NDArray[np.bool_] | None = None
    ) -> None:
        self._log_shares(infos, dones)
        first = self._first_outcomes
        if first is None or self.ep_success_buffer is None:
            return super()._update_info_buffer(infos, dones)
        counted, self.ep_success_buffer = self.ep_success_buffer, deque()
        super()._update_info_buffer(infos, dones)
        self.ep_success_buffer = counted
        for e in np.flatnonzero([] if dones is None else dones).tolist():
            if IS_SUCCESS in infos[e]:  # it is not known everywhere
                first.setdefault(infos[e].get(ROW, e), bool(infos[e][IS_SUCCESS]))
        if len(first) >= self.n_envs * self.team.size:
            counted.extend(first[row] for row in sorted(first))
            self._first_outcomes = None
        return None

    def _log_shares(self, infos: list[dict[str, Any]], dones: NDArray[np.bool_] | None) -> None:
        """Log the outcomes of episodes by their environments and their kinds of instructions."""
        env = self.env
        for e in np.flatnonzero([] if dones is None else dones).tolist():
            text, success = infos[e].get(INSTRUCTION), infos[e].get(IS_SUCCESS)
            if success is not None and LEVEL in infos[e]:
                self.logger.record_mean(f"rollout/success/{infos[e][LEVEL]}", float(success))
            if not text or success is None or not isinstance(env, MultimodalVecEnv):
                continue
            kind = kind_of(env.env.metadata, text)
            if kind:
                self.logger.record_mean(f"success/{kind}", float(success))

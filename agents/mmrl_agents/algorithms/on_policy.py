"""Collecting rollouts: SB3's loop, with observations stored in place, and a memory."""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from mmrl.contract import INSTRUCTION, IS_SUCCESS
from mmrl_agents.algorithms.reward_scale import RewardScale
from mmrl_agents.algorithms.success import ROW
from mmrl_agents.buffers.rollout import MultimodalRolloutBuffer
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.team import ALONE, Team
from mmrl_agents.vec_env import LEVEL

_SHARED: Final = (
    "episode",
    INSTRUCTION,
    IS_SUCCESS,
    LEVEL,
)  # of an episode, with the other workers
Episodes = list[dict[str, Any]]
"""Episodes that ended: ``episode``, with return, length and time, ``instruction``, ``is_success``,
and the ``row`` of their environment.
"""


class RolloutCollection(OnPolicyAlgorithm):
    """The rollout collection of SB3's on-policy algorithms.

    Frames are stored once, when they are made; truncated episodes are bootstrapped together; the
    state of the policy's memory is handed from step to step.

    Attributes:
        team: the workers that train together; steps are counted over all of them.
        scale_rewards: whether rewards are divided by :attr:`reward_scale`.
        reward_scale: of the rollouts so far.
    """

    team: Team = ALONE
    scale_rewards: bool = False
    reward_scale: RewardScale
    policy: MultimodalPolicy
    rollout_buffer: MultimodalRolloutBuffer
    _state: Tensor

    def _setup_model(self) -> None:
        super()._setup_model()
        self._state = self.policy.begin(self.n_envs)
        self.reward_scale = RewardScale(self.n_envs, self.gamma, self.team)
        self.team.agree(self.policy)

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the buffer; False if a callback stops the training. As in SB3, callbacks get the
        local variables by their names.
        """
        rollout = cast("MultimodalRolloutBuffer", rollout_buffer)
        starts = cast("NDArray[np.bool_]", self._last_episode_starts)
        new_obs: Any = self._last_obs
        self.policy.set_training_mode(False)
        rollout.reset()
        rollout.state = self._state
        earned, ends = np.empty_like(rollout.rewards), np.empty_like(rollout.cut)
        ended: list[Episodes] = []
        callback.on_rollout_start()
        for _ in range(n_rollout_steps):
            obs_tensor, state = rollout.observe(new_obs), self._state
            with torch.no_grad():
                chosen, values, log_probs, self._state = self.policy.act(
                    obs_tensor, state, self._on_device(starts), team=self.team
                )
            actions = chosen.cpu().numpy()
            new_obs, rewards, dones, infos = env.step(self._clipped(actions))
            self.num_timesteps += env.num_envs * self.team.size
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            ended.append(self._record_episodes(infos, dones))
            earned[rollout.pos], ends[rollout.pos] = rewards, dones
            rollout.cut[rollout.pos] = self._bootstrap_truncated(rewards, dones, infos)
            rollout.add(None, actions, rewards, starts, values, log_probs)
            self._last_obs = new_obs
            self._last_episode_starts = starts = dones
        if self.scale_rewards:
            self._scale(rollout, earned, ends)
        with torch.no_grad():
            values = self.policy.values(
                obs_as_tensor(new_obs, self.device), self._state, self._on_device(starts)
            )
        self._penalize(rollout)
        rollout.compute_returns_and_advantage(last_values=values, dones=dones)
        self._exchange_episodes(ended)
        self.logger.record("time/episodes", self._episode_num)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _scale(
        self,
        rollout: MultimodalRolloutBuffer,
        earned: NDArray[np.float32],
        ends: NDArray[np.bool_],
    ) -> None:
        """Count the rewards of a rollout, and divide all that is in their unit by the new scale.
        The critic begins at the mean return.
        """
        before, is_first = self.reward_scale.value, not self.reward_scale.has_begun
        self.reward_scale.update(earned, ends)
        now = self.reward_scale.value
        rollout.rewards /= now
        if now != before:
            mean = self.reward_scale.mean if is_first else 0.0
            rollout.values[:] = rollout.values * (before / now) + mean
            self.policy.rescale_values(before / now, mean)
        self.logger.record("train/reward_scale", now)

    def _penalize(self, rollout: MultimodalRolloutBuffer) -> None:
        """Change the rewards of a rollout before returns are computed."""

    def _record_episodes(self, infos: list[dict[str, Any]], dones: NDArray[np.bool_]) -> Episodes:
        """Record the episodes that end with this step; return those of a team for later."""
        if self.team.size == 1:
            self._update_info_buffer(infos, dones)
            self._episode_num += int(dones.sum())
            return []
        start = self.team.rows(self.n_envs).start
        return [
            {ROW: start + e, **{key: infos[e][key] for key in _SHARED if key in infos[e]}}
            for e in np.flatnonzero(dones).tolist()
        ]

    def _exchange_episodes(self, ended: list[Episodes]) -> None:
        """Record all workers' episodes at the first one, in the order in which they ended.

        Args:
            ended: of this worker, for each step.
        """
        if self.team.size == 1:
            return
        gathered = self.team.gather(ended)
        for workers in zip(*gathered or [], strict=True):
            for episodes in workers:
                self._update_info_buffer(episodes, np.ones(len(episodes), np.bool_))
                self._episode_num += len(episodes)

    def _bootstrap_truncated(
        self, rewards: NDArray[np.float32], dones: NDArray[np.bool_], infos: list[dict[str, Any]]
    ) -> NDArray[np.bool_]:
        """Add the discounted value of the last observation to the reward, where a time limit ended
        the episode; returns in which environments it did, bool [N].
        """
        ended = np.flatnonzero(dones).tolist()
        rows = [e for e in ended if infos[e].get("TimeLimit.truncated", False)]
        cut = np.zeros(len(dones), np.bool_)
        cut[rows] = True
        if not rows:
            return cut
        last = [infos[e]["terminal_observation"] for e in rows]
        stacked = {key: np.stack([one[key] for one in last]) for key in last[0]}
        with torch.no_grad():
            values = self.policy.values(
                obs_as_tensor(stacked, self.device),
                self._state[torch.tensor(rows)],
                torch.zeros(len(rows), dtype=torch.bool, device=self.device),
            )
        rewards[rows] += self.gamma * self.reward_scale.value * values.cpu().numpy()
        return cut

    def _clipped(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Actions within the environment's bounds, beyond which samples of a Gaussian may lie."""
        if isinstance(self.action_space, spaces.Box):
            return np.clip(actions, self.action_space.low, self.action_space.high)
        return actions

    def _on_device(self, starts: NDArray[np.bool_]) -> Tensor:
        return torch.from_numpy(starts).to(self.device)

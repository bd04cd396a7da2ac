"""Collecting a rollout: SB3's loop, with data where it is used, and a memory."""

from __future__ import annotations

from typing import Any, cast

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

from mmrl.contract import IS_SUCCESS
from mmrl_agents.buffers.rollout import Rollout
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.team import ALONE, Team

Episodes = list[dict[str, Any]]
"""Of episodes that ended: ``episode``, with return, length and time, and ``is_success``."""


class Collecting(OnPolicyAlgorithm):
    """The part of SB3's on-policy algorithms that acts.

    Frames go into one buffer when they are made; what episodes cut short would have earned is
    estimated for all of them at once; the state of the policy's memory is handed from step to step.

    Attributes:
        team: the workers that learn as one with this one; steps are counted over all of them.
    """

    team: Team = ALONE
    policy: MultimodalPolicy
    rollout_buffer: Rollout
    _state: Tensor

    def _setup_model(self) -> None:
        super()._setup_model()
        self._state = self.policy.begin(self.n_envs)
        self.team.agree(self.policy)

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the buffer; False if a callback wants no more. As in SB3, callbacks find the local
        variables by their names.
        """
        rollout = cast("Rollout", rollout_buffer)
        starts = cast("NDArray[np.bool_]", self._last_episode_starts)
        new_obs: Any = self._last_obs
        self.policy.set_training_mode(False)
        rollout.reset()
        rollout.state = self._state
        ended: list[Episodes] = []
        callback.on_rollout_start()
        for _ in range(n_rollout_steps):
            obs_tensor = rollout.observe(new_obs)
            with torch.no_grad():
                chosen, values, log_probs, self._state = self.policy.act(
                    obs_tensor, self._state, self._on_device(starts), team=self.team
                )
            actions = chosen.cpu().numpy()
            new_obs, rewards, dones, infos = env.step(self._bounded(actions))
            self.num_timesteps += env.num_envs * self.team.size
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            ended.append(self._note_episodes(infos, dones))
            rollout.cut[rollout.pos] = self._add_what_was_cut(rewards, dones, infos)
            rollout.add(None, actions, rewards, starts, values, log_probs)
            self._last_obs = new_obs
            self._last_episode_starts = starts = dones
        with torch.no_grad():
            values = self.policy.values(
                obs_as_tensor(new_obs, self.device), self._state, self._on_device(starts)
            )
        rollout.compute_returns_and_advantage(last_values=values, dones=dones)
        self._exchange_episodes(ended)
        self.logger.record("time/episodes", self._episode_num)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _note_episodes(self, infos: list[dict[str, Any]], dones: NDArray[np.bool_]) -> Episodes:
        """What is to be told of the episodes that end with this step; alone, it is told at once."""
        if self.team.size == 1:
            self._update_info_buffer(infos, dones)
            self._episode_num += int(dones.sum())
            return []
        return [
            {key: infos[e][key] for key in ("episode", IS_SUCCESS)} for e in np.flatnonzero(dones)
        ]

    def _exchange_episodes(self, ended: list[Episodes]) -> None:
        """Tell the first worker of everybody's episodes, in the order in which they ended.

        Args:
            ended: of this worker, for each step.
        """
        if self.team.size == 1:
            return
        everybody = self.team.gather(ended)
        for workers in zip(*everybody or [], strict=True):
            for episodes in workers:
                self._update_info_buffer(episodes, np.ones(len(episodes), np.bool_))
                self._episode_num += len(episodes)

    def _add_what_was_cut(
        self, rewards: NDArray[np.float32], dones: NDArray[np.bool_], infos: list[dict[str, Any]]
    ) -> NDArray[np.bool_]:
        """The discounted value of the last observation, where a time limit ended the episode; in
        which environments it did, bool [N].
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
        rewards[rows] += self.gamma * values.cpu().numpy()
        return cut

    def _bounded(self, actions: NDArray[Any]) -> NDArray[Any]:
        """What the environment gets: samples of a Gaussian may lie beyond its bounds."""
        if isinstance(self.action_space, spaces.Box):
            return np.clip(actions, self.action_space.low, self.action_space.high)
        return actions

    def _on_device(self, starts: NDArray[np.bool_]) -> Tensor:
        return torch.from_numpy(starts).to(self.device)

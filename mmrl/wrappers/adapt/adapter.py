"""The contract's adapter: any Gymnasium environment, made to fulfil :mod:`mmrl.contract`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import TimeLimit

from mmrl.contract import ACTION_MASK, IMAGE, INSTRUCTION, IS_SUCCESS, scalar
from mmrl.wrappers.adapt.config import AdapterConfig
from mmrl.wrappers.adapt.images import Resize
from mmrl.wrappers.adapt.instruction import Moment
from mmrl.wrappers.adapt.plan import AdapterPlan, make_plan, named
from mmrl.wrappers.adapt.success import EpisodeEnd
from mmrl.wrappers.nested_spaces import leaves

Observation = dict[str, Any]


class ContractAdapter(gym.Wrapper[Observation, Any, Any, Any]):
    """Images become uint8 [H, W, 3], numbers float32 [K], text the instruction; at an episode's
    end, ``info["is_success"]`` is there, None where it is not known. Action masks become int8 [n].

    Args:
        env: any environment.
        plan: what becomes of its observations; made for it, if None, see
            :func:`mmrl.wrappers.adapt.plan.make_plan`.
        config: of a plan that is made.

    Raises:
        UserError: nothing of the observations can be used.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        plan: AdapterPlan | None = None,
        config: AdapterConfig | None = None,
    ) -> None:
        self.plan = make_plan(env, config or AdapterConfig()) if plan is None else plan
        limit = self.plan.config.time_limit
        super().__init__(env if limit is None else TimeLimit(env, limit))
        self.observation_space = self.plan.observation_space
        self._scale = self.plan.config.reward_scale
        size = self.plan.config.image_size
        self._resize = None if size is None else Resize(size)
        self._total = 0.0
        self._instruction = ""
        self._entries = [one for one in self.plan.entries if one.key is not None]
        found = {named(leaf): leaf for leaf in leaves(env.observation_space)}
        instruction, masks = self.plan.instruction, self.plan.masks
        self._texts = {name: found[name] for name in (instruction.entries if instruction else ())}
        self._read_mask = masks.read if masks else None
        self._mask_entries = {name: found[name] for name in (masks.entries if masks else ())}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._total, self._instruction = 0.0, ""
        return self._convert(observation, info), info

    def step(self, action: Any) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._total += scalar(reward) or 0.0
        if terminated or truncated:
            end = EpisodeEnd(info, bool(terminated), reward, self._total)
            info = {**info, IS_SUCCESS: self.plan.success.read(end)}
        if self._scale is not None:
            reward = float(reward) * self._scale
        adapted = self._convert(observation, info, is_over=bool(terminated or truncated))
        return adapted, reward, terminated, truncated, info

    def wrapper_state(self) -> list[Any]:
        """What it remembers of the episode: the return, and the instruction."""
        return [self._total, self._instruction]

    def set_wrapper_state(self, state: list[Any]) -> None:
        """Restore what :meth:`wrapper_state` gave."""
        self._total, self._instruction = state

    def _convert(
        self, observation: Any, info: Mapping[str, Any], *, is_over: bool = False
    ) -> Observation:
        made: Observation = {
            str(key): leaf.value(observation)
            if convert is None
            else convert(leaf.value(observation))
            for leaf, key, _, convert, _ in self._entries
        }
        if self.plan.renders is not None:
            frame = np.array(self.env.render())
            made[IMAGE] = frame if self._resize is None else self._resize(frame)
        if self.plan.instruction is not None:
            texts = {name: leaf.value(observation) for name, leaf in self._texts.items()}
            read = self.plan.instruction.read(Moment(texts, info, self.env))
            self._instruction = self._instruction if read is None else read
            made[INSTRUCTION] = self._instruction
        if self._read_mask is not None:
            entries = {name: leaf.value(observation) for name, leaf in self._mask_entries.items()}
            made[ACTION_MASK] = self._read_mask(Moment(entries, info, self.env), is_over)
        return made

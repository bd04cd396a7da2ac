"""A Gymnasium vector environment as the VecEnv of stable-baselines3."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices, VecEnvStepReturn

from mmrl.contract import (
    ACHIEVED,
    ACTION_MASK,
    INSTRUCTION,
    IS_SUCCESS,
    contract_violation,
    sensors,
)
from mmrl.experiment.plain_data import round_trip
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.preprocessing.text import Tokenizer
from mmrl.wrappers.error_context import CheckedBatch
from mmrl.wrappers.joined_vector_env import JoinedVectorEnv
from mmrl.wrappers.state import batch_state, set_batch_state, try_state
from mmrl_agents.earlier import entry, in_order
from mmrl_agents.team import ALONE, Team

LEVEL: Final = "level"
"""Key of an ended episode's info: the id of its environment, where there are several."""
Observation = dict[str, NDArray[Any]]


class MultimodalVecEnv(VecEnv):
    """Passes images and vectors on untouched, and encodes an instruction when an episode begins and
    whenever it changes within an episode.

    Observations: images uint8 [N, H, W, 3] and vectors float32 [N, K] by their keys; and
    ``instruction`` int32 [N, L] where there is a tokenizer, ``speech`` float16 [N, …] where there
    is preprocessing for it, ``goal`` uint8 [N, 1, H, W, 3] where there are goal images,
    ``action_mask`` int8 [N, n] where the environments have masks. At an
    episode's end the info holds what SB3 expects (``terminal_observation``,
    ``TimeLimit.truncated``, ``episode`` with return ``r``, length ``l`` and seconds since the start
    ``t``), its last ``instruction``, ``is_success`` where it is known, ``achieved`` where the
    environment reports it, and ``level``, the id of its environment, where there are several.

    Args:
        env: a batch that restarts within the step that ends an episode.
        preprocessing: of the instructions: text, speech, images of goals; or a tokenizer, where
            they are written; None without instructions.
        team: of workers with as many environments each: each is seeded by its number among all.
        masks: whether action masks, where there are some, are among the observations.

    Attributes:
        levels: the id of each row's environment, where there are several; else None.

    Raises:
        ValueError: ``env`` does not fulfil the contract, or restarts otherwise.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        preprocessing: Preprocessing | Tokenizer | None,
        *,
        team: Team = ALONE,
        masks: bool = True,
    ) -> None:
        space = env.single_observation_space
        if (wrong := contract_violation(space)) is not None:
            raise ValueError(wrong)
        if env.metadata.get("autoreset_mode") is not AutoresetMode.SAME_STEP:
            raise ValueError("the batch must restart with autoreset_mode='SameStep'")
        assert isinstance(space, spaces.Dict)
        self.env, self.team = env, team
        self._batch = CheckedBatch(env)
        # Gymnasium's batches and ours declare by ``copy`` that each step has arrays of its own
        self._has_own_frames = bool(getattr(env.unwrapped, "copy", False))
        if not isinstance(preprocessing, Preprocessing):
            preprocessing = Preprocessing(preprocessing)
        self.preprocessing = preprocessing
        encoded = self.preprocessing.spaces
        self._sensors = sensors(space)
        if masks and ACTION_MASK in space.spaces:
            self._sensors[ACTION_MASK] = cast("spaces.Box", space[ACTION_MASK])
        self._has_instructions = INSTRUCTION in space.spaces
        inner = env.unwrapped
        self.levels = inner.levels if isinstance(inner, JoinedVectorEnv) else None
        super().__init__(
            env.num_envs,
            spaces.Dict({**self._sensors, **encoded}),
            env.single_action_space,
        )
        self._started = time.time()
        self._has_state = True
        self._has_warned = False
        self._actions: NDArray[Any] | None = None
        self._encoded = {
            key: np.zeros((env.num_envs, *one.shape), one.dtype) for key, one in encoded.items()
        }
        self._instructions: tuple[str | None, ...] = (None,) * env.num_envs
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, np.int64)

    @property
    def instructions(self) -> tuple[str | None, ...]:
        """The present instruction of each environment; None before there is one."""
        return self._instructions

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds of the next reset, as in SB3: ``seed`` + the environment's number."""
        return super().seed(None if seed is None else seed + self.team.rows(self.num_envs).start)

    def reset(self) -> Observation:
        """Begin a new episode everywhere, from the seeds given to :meth:`seed`, if any."""
        seeds = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        observation, _ = self._batch.reset(seeds)
        self._reset_seeds()
        self._returns[:] = 0
        self._lengths[:] = 0
        self._read(observation, range(self.num_envs))
        return self._observe(observation)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Note the actions; the step is made by :meth:`step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """One step of every environment: observation, rewards float32 [N], dones, infos.

        Raises:
            EnvironmentFailedError: as :class:`mmrl.wrappers.error_context.CheckedBatch`.
        """
        observation, rewards, terminated, truncated, infos = self._batch.step(self._actions)
        self._returns += rewards
        self._lengths += 1
        dones = terminated | truncated
        episodes: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(dones)
        if len(ended):
            success, known = self._batch.were_successful(infos)
            for e in ended.tolist():
                episodes[e] = self._summary(e, infos["final_obs"][e])
                if self.levels is not None:
                    episodes[e][LEVEL] = self.levels[e]
                if self._instructions[e]:
                    episodes[e][INSTRUCTION] = self._instructions[e]
                if known[e]:
                    episodes[e][IS_SUCCESS] = bool(success[e])
                episodes[e]["TimeLimit.truncated"] = bool(truncated[e] and not terminated[e])
                if ACHIEVED in infos["final_info"]:
                    episodes[e][ACHIEVED] = infos["final_info"][ACHIEVED][e]
            self._returns[ended] = 0
            self._lengths[ended] = 0
        self._read(observation, ended.tolist())
        return self._observe(observation), rewards.astype(np.float32), dones, episodes

    def _summary(self, e: int, final: dict[str, Any]) -> dict[str, Any]:
        if final.get(INSTRUCTION) == self._instructions[e]:
            encoded = {key: one[e].copy() for key, one in self._encoded.items()}
        else:
            encoded = self.preprocessing.encode({key: [one] for key, one in final.items()}, 0)
        return {
            "terminal_observation": {**{key: final[key] for key in self._sensors}, **encoded},
            "episode": {
                "r": float(self._returns[e]),
                "l": int(self._lengths[e]),
                "t": time.time() - self._started,
            },
        }

    def _read(self, observation: dict[str, Any], begun: Sequence[int]) -> None:
        """Encode the instructions of episodes that begin, and those that changed."""
        if not self._has_instructions:
            return
        instructions = tuple(observation[INSTRUCTION])
        if instructions == self._instructions and not begun:
            return
        pairs = enumerate(zip(instructions, self._instructions, strict=True))
        changed = {e for e, (now, before) in pairs if now is not before and now != before}
        self._instructions = instructions
        # copied, as the last observation keeps the earlier ones
        self._encoded = {key: one.copy() for key, one in self._encoded.items()}
        for e in sorted(changed.union(begun)):
            if not instructions[e].strip():
                self._warn_of_empty(e)
            for key, encoded in self.preprocessing.encode(observation, e).items():
                self._encoded[key][e] = encoded

    def _warn_of_empty(self, number: int) -> None:
        """Warn of the first empty instruction: it may be meant, or be an entry never filled."""
        if not self._has_warned and self.preprocessing.tokenizer is not None:
            self._has_warned = True
            warnings.warn(
                f"an instruction is empty (environment number {number} of the batch, step "
                f"{self._lengths[number]} of its episode): the agent reads no words there",
                stacklevel=2,
            )

    def _observe(self, observation: dict[str, Any]) -> Observation:
        own = self._has_own_frames
        seen = {key: observation[key] if own else observation[key].copy() for key in self._sensors}
        return {**seen, **self._encoded}

    def try_state(self) -> str | None:
        """Try whether the exact state can be saved and restored, before anything depends on it; one
        environment is reset for that.

        Returns:
            Why it cannot, and :meth:`get_state` gives None from now on; None where it can.
        """
        reason = try_state(self.env, round_trip)
        self._has_state = reason is None
        return reason

    def get_state(self) -> dict[str, Any] | None:
        """The exact state, for :meth:`set_state`, as plain data; None where the environments
        have none, see :mod:`mmrl.wrappers.state`.
        """
        batch = batch_state(self.env) if self._has_state else None
        if batch is None:
            return None
        return {
            "batch": batch,
            "encoded": {key: one.copy() for key, one in self._encoded.items()},
            "instructions": list(self._instructions),
            "returns": self._returns.copy(),
            "lengths": self._lengths.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Resume from a state.

        Raises:
            ValueError: it is another batch's.
        """
        set_batch_state(self.env, state["batch"])
        self._encoded = in_order(entry(state, "encoded"), self.observation_space)
        unknown = (None,) * self.num_envs  # of states that were saved without: encoded again
        self._instructions = tuple(state.get("instructions", unknown))
        self._returns, self._lengths = state["returns"].copy(), state["lengths"].copy()
        self._batch.steps[:] = self._lengths

    def close(self) -> None:
        """Close the batch."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the batch, once for each index."""
        return [getattr(self.env.unwrapped, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the whole batch.

        Raises:
            ValueError: for some of the environments only.
        """
        if indices is not None:
            raise ValueError("a native batch shares its attributes: indices must be None")
        setattr(self.env.unwrapped, attr_name, value)

    def env_method(
        self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Call a method of the batch once, and repeat what it returns for each index."""
        result = getattr(self.env.unwrapped, method_name)(*args, **kwargs)
        return [result] * len(list(self._get_indices(indices)))

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """No environment of a native batch is wrapped; its episodes are monitored here."""
        from stable_baselines3.common.monitor import Monitor

        return [wrapper_class is Monitor] * len(list(self._get_indices(indices)))

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """An image of every environment, where the batch can render."""
        images: Any = self.env.render()
        return images or [None] * self.num_envs

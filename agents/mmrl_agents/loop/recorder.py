"""Records episodes of a training while it goes on, of any algorithm of stable-baselines3."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import TensorBoardOutputFormat
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from torch import Tensor

from mmrl.action_labels import action_label, action_names, all_labels
from mmrl.contract import IS_SUCCESS
from mmrl.errors import UserError
from mmrl.evaluation.predictor import INSTRUCTIONS
from mmrl.language import kind_of
from mmrl.records import (
    EPISODES_FOLDER,
    MEGABYTES,
    TRAINING,
    EpisodeBuilder,
    EpisodeRecord,
    RecordFolder,
)
from mmrl.records.folder import WAITING
from mmrl.text_output import shortened
from mmrl_agents.networks.outputs import compute_outputs
from mmrl_agents.vec_env import MultimodalVecEnv

_SHARE: Final = 0.01  # of the time
_ALLOWANCE: Final = 0.5  # seconds at the beginning
_GRACE: Final = 2.0  # seconds more, before a slow episode is given up
_BATCH: Final = 64  # steps whose outputs are computed together


class RolloutRecorder(BaseCallback):
    """An SB3 callback that records episodes of the training for TensorBoard's tab "Rollouts".

    It works with any algorithm, policy and environment; one environment at a time is recorded from
    the beginning of an episode to its end, with the critic's values, the probabilities of actions
    and, after a rollout, the advantages, where the algorithm has them. It takes at most a hundredth
    of the time: where that is used up, the next episode is not recorded. ::

        model = PPO("CnnPolicy", env, tensorboard_log="runs")
        model.learn(100_000, callback=RolloutRecorder())

    Args:
        out: folder of the run; that of TensorBoard's event files, if None. Records go to
            ``episodes`` in it.
        megabytes: of records at most, see :class:`~mmrl.records.RecordFolder`.
        env_id, env_args: the environment's; found by itself, if None.
        render: also record what ``render()`` of the environment gives, which may take long.
        instruction: the attribute of the environment that holds its instruction; found by itself,
            if None.
        purge_step: as of :class:`~mmrl.records.RecordFolder`.

    Raises:
        UserError: less than 1 megabyte; at the beginning of the training, no folder.
    """

    def __init__(
        self,
        out: str | os.PathLike[str] | None = None,
        *,
        megabytes: float = MEGABYTES,
        env_id: str | None = None,
        env_args: Mapping[str, Any] | None = None,
        render: bool = False,
        instruction: str | None = None,
        purge_step: int | None = None,
    ) -> None:
        super().__init__()
        self._out = None if out is None else Path(out)
        self._how: dict[str, Any] = {"megabytes": megabytes, "purge_step": purge_step}
        RecordFolder(Path(), **self._how)  # refuses what cannot be
        self._env_id, self._env_args = env_id, env_args
        self._renders, self._attribute = render, instruction
        self._folder: RecordFolder | None = None
        self._episode: _Episode | None = None
        self._waiting: list[_Episode] = []
        self._spent = 0.0
        self._has_failed = False

    def _on_training_start(self) -> None:
        outputs = self.logger.output_formats
        has_events = any(isinstance(one, TensorBoardOutputFormat) for one in outputs)
        out = self._out
        if out is None and has_events and self.logger.dir:
            out = Path(self.logger.dir)
        if out is None:
            raise UserError(
                "RolloutRecorder: the model has no tensorboard_log; give it one, or "
                "RolloutRecorder(out) a folder"
            )
        self._folder = RecordFolder(out / EPISODES_FOLDER, **self._how)
        self._episode, self._waiting = None, []
        self._started, self._spent = time.perf_counter(), 0.0
        self._env = _innermost(self.training_env)
        self._names = _first(self._env, _action_names) or {}
        self._metadata = self._first_attribute("metadata") or {}
        if self._env_id is None:
            spec = self._first_attribute("spec")
            name = _first(self._env, lambda env: type(env.unwrapped).__name__)
            self._env_id = str(spec.id) if spec is not None else name or type(self._env).__name__
        if self._attribute is None and not isinstance(self._env, MultimodalVecEnv):
            self._attribute = next(
                (one for one in INSTRUCTIONS if isinstance(self._first_attribute(one), str)), None
            )

    def _on_step(self) -> bool:
        self._guarded(self._record)
        return True

    def _on_rollout_end(self) -> None:
        self._guarded(self._end_rollout)

    def _guarded(self, function: Callable[[float], None]) -> None:
        """Call a function with the present time; where it fails, nothing is recorded any more."""
        if self._folder is None or self._has_failed:
            return
        started = time.perf_counter()
        try:
            function(started)
        except Exception as error:  # records are for people: the training does not need them
            self._has_failed = True
            reason = shortened(f"{type(error).__name__}: {error}")
            warnings.warn(
                f"episodes are not recorded any more: {reason}; the training continues",
                stacklevel=3,
            )
        self._spent += time.perf_counter() - started

    def _record(self, now: float) -> None:
        """Record this step, and choose an episode that begins with it where none is recorded."""
        self._write_labelled()
        dones = np.asarray(self.locals["dones"])
        written = 0.0 if self._folder is None else self._folder.seconds
        episode = self._episode
        budget = _SHARE * (now - self._started) + _ALLOWANCE - written
        if episode is not None:
            self._add(episode)
            if dones[episode.row]:
                self._finish(episode)
            elif self._spent > budget + _GRACE:
                self._episode = None  # too slow
        begun = np.flatnonzero(dones)
        if self._episode is None and len(begun) and self._spent <= budget:
            self._begin(int(begun[self.n_calls % len(begun)]))

    def _begin(self, row: int) -> None:
        if self._folder is None or self._folder.is_busy or len(self._waiting) >= WAITING // 2:
            return
        levels = self._env.levels if isinstance(self._env, MultimodalVecEnv) else None
        env_id = (self._env_id or "") if levels is None else levels[row]
        builder = EpisodeBuilder(
            TRAINING, env_id, env_args=self._env_args, checkpoint=self.num_timesteps
        )
        builder.actions = all_labels(self.training_env.action_space, self._names)
        self._episode = _Episode(row, builder)
        seen = _row_of(self.locals["new_obs"], row)
        builder.add_observation(seen, self._scene(row), self._instruction(row))

    def _add(self, episode: _Episode) -> None:
        """Add this step to an episode."""
        row, builder = episode.row, episode.builder
        actions, info = self.locals.get("actions"), self.locals["infos"][row]
        action = np.zeros(0) if actions is None else np.array(actions[row])
        before = _row_of(self.model._last_obs, row)
        builder.add_step(
            action,
            float(self.locals["rewards"][row]),
            label=action_label(action, self.training_env.action_space, self._names),
            info=info,
        )
        episode.seen.append((before, *self._memory_of(row)))
        buffer = getattr(self.model, "rollout_buffer", None)
        if buffer is not None:
            episode.places.append(int(buffer.pos))
        if self.locals["dones"][row]:
            last = info.get("terminal_observation")
            builder.add_observation(before if last is None else last, None, builder.instruction)
        else:
            seen = _row_of(self.locals["new_obs"], row)
            builder.add_observation(seen, self._scene(row), self._instruction(row))
        if len(episode.seen) >= _BATCH:
            self._compute(episode)

    def _memory_of(self, row: int) -> tuple[Tensor | None, bool]:
        """The state of the policy's memory before this step, and whether the episode began."""
        state, starts = self.locals.get("state"), self.locals.get("starts")
        if not isinstance(state, Tensor) or starts is None:
            return None, False
        return state[row], bool(starts[row])

    def _compute(self, episode: _Episode) -> None:
        """Compute the policy's outputs for the steps that have none yet, before it learns."""
        if not episode.seen:
            return
        seen, states, starts = zip(*episode.seen, strict=True)
        episode.seen = []
        if isinstance(seen[0], dict):
            batch: Any = {key: np.stack([one[key] for one in seen]) for key in seen[0]}
        else:
            batch = np.stack(seen)
        policy = self.model.policy
        encoded, _ = policy.obs_to_tensor(batch)
        memory: dict[str, Tensor] = {}
        if states[0] is not None:
            memory = {
                "state": torch.stack(states),
                "starts": torch.tensor(starts, device=states[0].device),
            }
        env = self._env
        tokenizer = env.preprocessing.tokenizer if isinstance(env, MultimodalVecEnv) else None
        outputs = compute_outputs(policy, cast("Any", encoded), **memory, tokenizer=tokenizer)
        episode.builder.add_outputs(outputs, range(len(seen)))

    def _finish(self, episode: _Episode) -> None:
        """The episode has ended; it is written when advantages or hindsight's label are known."""
        self._episode = None
        self._compute(episode)
        success = self.locals["infos"][episode.row].get(IS_SUCCESS)
        episode.success = None if success is None else bool(success)
        self._waiting.append(episode)

    def _write_labelled(self) -> None:
        """Write what waits for no advantages: the replay buffer has relabelled it by now."""
        if not self._waiting or self._waiting[0].places:
            return
        labels = getattr(getattr(self.model, "replay_buffer", None), "labels", {})
        for one in self._waiting:
            self._write(one, labels.get(one.row))
        self._waiting = []

    def _end_rollout(self, now: float) -> None:
        if self._episode is not None:
            self._compute(self._episode)
        buffer = getattr(self.model, "rollout_buffer", None)
        if buffer is None:
            self._write_labelled()
            return
        advantages = np.asarray(torch.as_tensor(buffer.advantages).cpu())
        present = [] if self._episode is None else [self._episode]
        for one in [*self._waiting, *present]:
            one.builder.add_numbers({"advantage": advantages[one.places, one.row]})
            one.places = []
        for one in self._waiting:
            self._write(one)
        self._waiting = []

    def _write(self, episode: _Episode, label: str | None = None) -> None:
        builder = episode.builder
        kind = kind_of(self._metadata, builder.instruction)
        about = {"relabelled_instruction": label} if label else {}
        self.add(partial(builder.build, episode.success, instruction_kind=kind, about=about))

    def add(self, record: EpisodeRecord | Callable[[], EpisodeRecord]) -> None:
        """Write a record beside those of the training; as :meth:`RecordFolder.add`."""
        if self._folder is not None:
            self._folder.add(record)

    def _on_training_end(self) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits to be written; called where a training has failed, too."""
        if self._folder is not None:
            self._folder.close()

    def _scene(self, row: int) -> NDArray[np.uint8] | None:
        if not self._renders:
            return None
        scene = self.training_env.env_method("render", indices=[row])[0]
        fits = isinstance(scene, np.ndarray) and scene.dtype == np.uint8 and scene.ndim == 3
        return scene if fits and scene.shape[2] == 3 else None

    def _instruction(self, row: int) -> str:
        if isinstance(self._env, MultimodalVecEnv):
            return self._env.instructions[row] or ""
        if self._attribute is None:
            return ""
        value = self.training_env.get_attr(self._attribute, [row])[0]
        return value if isinstance(value, str) else ""

    def _first_attribute(self, name: str) -> Any:
        try:
            return self.training_env.get_attr(name, [0])[0]
        except Exception:  # it has none, or is in a process that cannot send it
            return None


@dataclass
class _Episode:
    """An episode that is being recorded.

    Attributes:
        row: of its environment.
        builder: of the record.
        seen: of the steps whose outputs are not computed yet, the observation, the state of the
            memory, and whether the episode began.
        places: of the steps whose advantages are not known yet, in the rollout buffer.
        success: at its end; None where it is not known.
    """

    row: int
    builder: EpisodeBuilder
    seen: list[tuple[Any, Tensor | None, bool]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    success: bool | None = None


def _row_of(observations: Any, row: int) -> Any:
    """A copy of the observation of one environment."""
    if isinstance(observations, dict):
        return {key: np.array(one[row]) for key, one in observations.items()}
    return np.array(observations[row])


def _innermost(env: VecEnv) -> VecEnv:
    while isinstance(env, VecEnvWrapper):
        env = env.venv
    return env


def _first(env: VecEnv, function: Callable[[Any], Any]) -> Any:
    """What a function gives of the first environment in this process; None where none is."""
    if isinstance(env, MultimodalVecEnv):
        return function(env.env)
    envs = getattr(env, "envs", None)
    return function(envs[0]) if envs else None


def _action_names(env: Any) -> dict[int, Any]:
    try:
        return action_names(env)
    except Exception:  # an attribute "actions" of another kind
        return {}

"""Callbacks of the training loop: progress, clips for TensorBoard, checkpoints, metrics."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import TensorBoardOutputFormat

from mmrl.agent import Actor
from mmrl.env_sets import short_name
from mmrl.errors import UserError
from mmrl.evaluation.player import EpisodePlayer
from mmrl.experiment.checkpoint import Checkpoint, Tree
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl.records import TRAINING
from mmrl.text_output import shortened
from mmrl.viz.clips import draw_clip, write_clip
from mmrl.viz.tensorboard import write_hyperparameters
from mmrl_agents.actor import SB3Actor
from mmrl_agents.loop.progress import Progress, Show
from mmrl_agents.loop.recorder import RolloutRecorder
from mmrl_agents.loop.state import caches, get_learned_state, get_training_state
from mmrl_agents.parts import Part
from mmrl_agents.team import ALONE, Team


class ProgressCallback(BaseCallback):
    """Reports progress at the end of each rollout.

    Args:
        show: what it is reported to; it may ask the training to stop.
        checkpoints: stops the training then; without it, it does not stop.
    """

    def __init__(self, show: Show, checkpoints: CheckpointCallback | None = None) -> None:
        super().__init__()
        self._show, self._checkpoints = show, checkpoints

    def _on_step(self) -> bool:
        return True

    def _on_training_start(self) -> None:
        self._show(Progress(self.num_timesteps, success_rate(self.model), 0))

    def _on_rollout_end(self) -> None:
        now = Progress(
            self.num_timesteps,
            success_rate(self.model),
            steps_per_second(self.model),
            mean_return(self.model),
        )
        if self._show(now) and self._checkpoints is not None:
            self._checkpoints.stop()


def success_rate(model: Any) -> float | None:
    """The share of successes among the last training episodes, or None before the first."""
    recent = model.ep_success_buffer
    return float(np.mean(recent)) if recent else None


def mean_return(model: Any) -> float | None:
    """The mean return of the last training episodes, or None before the first."""
    recent = model.ep_info_buffer
    return float(np.mean([one["r"] for one in recent])) if recent else None


def steps_per_second(model: Any) -> int:
    """Environment steps a second since ``learn`` began."""
    seconds = max((time.time_ns() - model.start_time) / 1e9, 1e-9)
    return int((model.num_timesteps - model._num_timesteps_at_start) / seconds)


class ClipCallback(BaseCallback):
    """Plays one episode every ``clip_every`` steps, writes it as an animated image to TensorBoard,
    and records it.

    A clip that fails is warned about once, and the training continues.

    Args:
        config: names the environment and how often.
        actor: that plays the episode.
        recorder: takes the records; None keeps none.
    """

    def __init__(
        self, config: TrainConfig, actor: Actor, recorder: RolloutRecorder | None = None
    ) -> None:
        super().__init__()
        self._config = config
        self._actor = actor
        self._next = 0
        self._player = EpisodePlayer(config.env, config.env_args, source=TRAINING)
        self._recorder = recorder
        self._has_failed = False

    def get_state(self) -> int:
        """The step from which the next clip is due."""
        return self._next

    def set_state(self, state: int) -> None:
        """Resume from a state."""
        self._next = state

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        every = self._config.clip_every
        if every and self.num_timesteps >= self._next:
            self._next = self.num_timesteps + every
            self._write()

    def _on_training_end(self) -> None:
        if self._config.clip_every:
            self._write()
        self._player.close()

    def _write(self) -> None:
        try:
            steps = self.num_timesteps
            record = self._player.play(self._actor, seed=steps, checkpoint=steps)
            if self._recorder is not None:
                self._recorder.add(record)
            clip = draw_clip(record)
            for output in self.logger.output_formats:
                if isinstance(output, TensorBoardOutputFormat):
                    write_clip(output.writer, "rollout", clip, self.num_timesteps)
        except Exception as error:  # a clip is for people: the training does not need it
            if not self._has_failed:
                self._has_failed = True
                reason = shortened(f"{type(error).__name__}: {error}")
                warnings.warn(
                    f"no clips: environment {short_name(self._config.env)}: {reason}; the training "
                    "continues",
                    stacklevel=2,
                )


class CheckpointCallback(BaseCallback):
    """Saves the training after its first update, then by steps or by time, as it is between two
    updates.

    A training that is stopped in the middle of a rollout is saved as it was at its beginning.

    Args:
        config: how often, and how many are kept.
        run: where to.
        team: of workers; all of them call this, and the first one writes.
        fingerprints: of the preprocessing.
        parts: of the agent, whose states are saved with it.
        clips: whose state is saved with it.
    """

    def __init__(
        self,
        config: TrainConfig,
        run: Run,
        team: Team = ALONE,
        *,
        fingerprints: Mapping[str, str],
        parts: Sequence[Part] = (),
        clips: ClipCallback,
    ) -> None:
        super().__init__()
        self.team = team
        self._fingerprints, self._parts, self._clips = dict(fingerprints), parts, clips
        self._every, self._keep = config.checkpoint_every, config.keep_checkpoints
        self._next = self._every
        self._minutes = config.checkpoint_minutes
        self._saved_at = time.monotonic()
        self._is_first = True
        self._run = run
        self._training_state: Tree = None  # of the rollout that is being collected
        self.stop_asked = False

    def get_state(self) -> Tree:
        """The steps from which the next clip and the next checkpoint are due."""
        return {"clip": self._clips.get_state(), "checkpoint": self._next}

    def set_state(self, state: Tree) -> None:
        """Resume from a state."""
        self._clips.set_state(state["clip"])
        self._next = state["checkpoint"]

    def _on_step(self) -> bool:
        return not self.stop_asked

    def stop(self) -> None:
        """Have the training end after the present update."""
        self.stop_asked = True

    def _on_training_start(self) -> None:
        self._is_first = not self.model._n_updates
        if caches(self.model):  # each checkpoint empties them, and is to be at the same steps again
            self._minutes = 0.0
        if self.team.is_first:
            self._run.begin()

    def _on_rollout_start(self) -> None:
        due = self._is_due()
        if due:
            self._is_first, self._saved_at = False, time.monotonic()
            if self._every and self.num_timesteps >= self._next:
                self._next = self.num_timesteps + self._every
        self._training_state = self._now()
        self.stop_asked = self.team.any(self.stop_asked)
        if due:
            try:
                self.save()
            except UserError as error:  # the disk is full: it may be better next time
                warnings.warn(f"{error}; the training continues", stacklevel=2)

    def _is_due(self) -> bool:
        """Whether it is time for a checkpoint; the workers of a team agree on it."""
        by_steps = self._every > 0 and self.num_timesteps >= self._next
        first = self._is_first and self.model._n_updates > 0
        if by_steps or first or not self._minutes:
            return by_steps or first
        return self.team.any(time.monotonic() - self._saved_at >= 60 * self._minutes)

    def _on_rollout_end(self) -> None:
        self._training_state = None

    def _on_training_end(self) -> None:
        if self._training_state is None:
            self._training_state = self._now()

    @property
    def can_save(self) -> bool:
        """Whether weights and optimiser are between two updates."""
        return self._training_state is not None

    @property
    def steps(self) -> int:
        """Environment steps of what :meth:`save` would write."""
        return int(self._training_state["counters"]["num_timesteps"])

    def save(self) -> None:
        """Save the training as it was when the present rollout began, to which the replay buffer
        returns.

        Raises:
            UserError: it cannot be written.
        """
        undo_rollout = getattr(self.model, "undo_rollout", None)
        if undo_rollout is not None:  # its replay buffer has steps that the counters do not
            undo_rollout()
        weights, learned = get_learned_state(self.model)
        states = self.team.gather(self._training_state)
        if states is None:
            return
        first, *others = states
        state = {
            **first, "others": others, "learned": learned, "fingerprints": self._fingerprints
        }  # fmt: skip
        self._run.save_checkpoint(Checkpoint(self.steps, weights, state), self._keep)

    def _now(self) -> Tree:
        return {**get_training_state(self.model, self._parts), "callbacks": self.get_state()}


class CacheCallback(BaseCallback):
    """Logs the hit rate and memory of the caches of frozen encoders, how many instructions were
    truncated, and how many of their words are outside the vocabulary.
    """

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        model = getattr(self.model.policy.features_extractor, "model", None)
        for name, encoder in getattr(model, "encoders", {}).items():
            if encoder.cache is not None:
                self.logger.record(f"cache/{name}_hit_rate", encoder.cache.hit_rate)
                self.logger.record(f"cache/{name}_mb", encoder.cache.nbytes / 2**20)
        preprocessing = getattr(self.training_env, "preprocessing", None)
        tokenizer = getattr(preprocessing, "tokenizer", None)
        if tokenizer is not None and tokenizer.counts.truncated:
            self.logger.record("instructions/truncated", tokenizer.counts.truncated)
        if tokenizer is not None and tokenizer.counts.unknown:
            self.logger.record("instructions/unknown_words", len(tokenizer.counts.unknown))


class BufferCallback(BaseCallback):
    """Logs the metrics of a buffer with hindsight or a curriculum, and the number of episodes,
    which SB3's off-policy algorithms keep from TensorBoard.
    """

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if getattr(self.model, "replay_buffer", None) is not None:
            self.logger.record("rollout/episodes", self.model._episode_num)
        for section, name in (("hindsight", "replay_buffer"), ("curriculum", "rollout_buffer")):
            metrics = getattr(getattr(self.model, name, None), "metrics", dict)
            for metric, value in metrics().items():
                self.logger.record(f"{section}/{metric}", value)


class HyperparameterCallback(BaseCallback):
    """Writes the configuration into TensorBoard's hyperparameter table.

    Args:
        values: the configuration, by dotted names.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        self._values = values

    def _on_training_start(self) -> None:
        for output in self.logger.output_formats:
            if isinstance(output, TensorBoardOutputFormat):
                write_hyperparameters(output.writer, self._values, ["rollout/success_rate"])

    def _on_step(self) -> bool:
        return True


class StandardCallbacks(CallbackList):
    """The callbacks of every training; in a team, most are the first worker's alone.

    Args:
        config: of the training.
        run: where it is kept.
        actor: that learns.
        show: what progress is reported to.
        team: of workers.
        parts: of the agent, whose states are saved in checkpoints.

    Attributes:
        checkpoints: saves the training.
    """

    def __init__(
        self,
        config: TrainConfig,
        run: Run,
        actor: SB3Actor,
        show: Show,
        team: Team = ALONE,
        parts: Sequence[Part] = (),
    ) -> None:
        recorder = _recorder(config, run) if config.record_mb and team.is_first else None
        self._close = [] if recorder is None else [recorder.close]
        clips = ClipCallback(config, actor, recorder)
        self.checkpoints = CheckpointCallback(
            config,
            run,
            team,
            fingerprints=actor.preprocessing.fingerprints,
            parts=parts,
            clips=clips,
        )
        seen = [
            HyperparameterCallback(run.flat_config()),
            ProgressCallback(show, self.checkpoints),
            CacheCallback(),
            BufferCallback(),
            clips,
            *([] if recorder is None else [recorder]),
        ]
        super().__init__([*(seen if team.is_first else []), self.checkpoints])

    def set_state(self, state: Tree) -> None:
        """Resume from a state that :class:`CheckpointCallback` saved."""
        self.checkpoints.set_state(state)

    def close(self) -> None:
        """Write what waits to be written, also where the training has failed."""
        for close in self._close:
            close()


def _recorder(config: TrainConfig, run: Run) -> RolloutRecorder:
    return RolloutRecorder(
        run.path,
        megabytes=config.record_mb,
        env_id=config.env,
        env_args=config.env_args,
        purge_step=run.newest_steps() if run.has_checkpoint else 0,
    )

"""A replay buffer that stores failed episodes again, with an instruction that they achieved."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.contract import ACHIEVED, GOAL, IMAGE, INSTRUCTION, IS_SUCCESS
from mmrl.language import NEUTRAL, InstructionLanguage
from mmrl.preprocessing.image import channels_last
from mmrl.preprocessing.pipeline import Goals
from mmrl.preprocessing.text import Tokenizer
from mmrl_agents.buffers.replay import FrameReplay
from mmrl_agents.earlier import entry
from mmrl_agents.hindsight.relabelling import FinalStep, Relabeller

_RECENT: Final = 200  # successes and relabels over which is averaged
_RELABELLED_AGAIN: Final = 2048  # failed episodes, the latest ones, each with two frames
_COUNTS: Final = ("_count", "_relabelled", "_failed", "_rounds")
_RECENTLY: Final = ("_reward", "_correct", "_failures")


@dataclass
class Failure:
    """An episode that failed.

    Attributes:
        episode: the numbers of its transitions.
        final_step: of the episode.
        label: instruction that it achieved, by the relabeller; "" if none so far.
        copy: the number of the first of the transitions that were stored again, if any were.
    """

    episode: list[int]
    final_step: FinalStep
    label: str = ""
    copy: int = -1


class HindsightReplay(FrameReplay):
    """Hindsight relabelling (HIGhER, Cideron et al., 2019) in a
    :class:`~mmrl_agents.buffers.replay.FrameReplay`: a failed episode is stored once more, with an
    instruction that it did achieve, and with the mean reward of recent successes at its end. No
    frame is stored twice. After each training round of the relabeller the latest failures are
    relabelled again: episodes without a label may get one, others a better one.

    Args:
        buffer_size, observation_space, action_space, device, n_envs: as there.
        relabeller: generates the instruction that an episode achieved.
        tokenizer: of the instructions.
        goals: images of what instructions ask for, where the agent observes them.
        language: of the instructions.

    Attributes:
        labels: of the failed episodes that ended with the last transitions, by the number of their
            environment.

    Raises:
        ValueError: the agent does not read its instructions.
    """

    def __init__(
        self,
        *args: Any,
        relabeller: Relabeller,
        tokenizer: Tokenizer,
        goals: Goals | None = None,
        language: InstructionLanguage = NEUTRAL,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if INSTRUCTION not in self._rings:
            raise ValueError("hindsight replaces instructions: the agent has to read them")
        self.relabeller, self._tokenizer, self._goals = relabeller, tokenizer, goals
        relabeller.undo = self.undo
        self._language = language
        self._episodes: list[list[int]] = [[] for _ in range(self.n_envs)]
        self._count = 0  # transitions that were stored, relabelled ones included
        self._reward: deque[float] = deque(maxlen=_RECENT)
        self._correct: deque[bool] = deque(maxlen=_RECENT)
        self._relabelled = self._failed = 0
        self.labels: dict[int, str] = {}
        self._failures: deque[Failure] = deque(maxlen=_RELABELLED_AGAIN)
        self._rounds = relabeller.rounds  # of the relabeller, when failures were last relabelled

    def add(  # type: ignore[override]  # observations are dictionaries
        self,
        obs: Mapping[str, NDArray[Any]],
        next_obs: Mapping[str, NDArray[Any]],
        action: NDArray[Any],
        reward: NDArray[np.float32],
        done: NDArray[np.bool_],
        infos: list[dict[str, Any]],
    ) -> None:
        """As :meth:`FrameReplay.add`; infos have ``is_success`` at an episode's end."""
        super().add(obs, next_obs, action, reward, done, infos)
        self.undo.record_attributes(self, *_COUNTS)
        for e, episode in enumerate(self._episodes):
            self.undo.record(partial(self._episodes.__setitem__, e, episode))
            self.undo.record(episode.pop)
            episode.append(self._count + e)
        self._count += self.n_envs
        ended = np.flatnonzero(done).tolist()
        self.labels = {}
        if not ended:
            return
        for name in _RECENTLY:  # few episodes end: these are copied rather than shared
            self.undo.record_attributes(self, name)
            setattr(self, name, copy(getattr(self, name)))
        final_steps = [_final_step(obs, next_obs, reward, infos, e) for e in ended]
        self._reward.extend(one.reward for one in final_steps if one.success)
        self.relabeller.learn(final_steps)
        failed = [
            Failure(self._episodes[e], one)
            for e, one in zip(ended, final_steps, strict=True)
            if not one.success
        ]
        self._failed += len(failed)
        if self._rounds != self.relabeller.rounds:
            self._rounds = self.relabeller.rounds
            self._relabel([*self._failures, *failed])
        else:
            self._relabel(failed)
        rows = [e for e, one in zip(ended, final_steps, strict=True) if not one.success]
        self.labels = {e: one.label for e, one in zip(rows, failed, strict=True) if one.label}
        if self._rounds is not None:
            self._failures.extend(one for one in failed if not one.final_step.truncated)
        for e in ended:
            self._episodes[e] = []

    def metrics(self) -> dict[str, float]:
        """Metrics: the share of failed episodes that were relabelled, the share of the labels that
        the verifier confirms, and the relabeller's own.
        """
        metrics = {"relabelled": self._relabelled / max(self._failed, 1)}
        if self._correct:
            metrics["accuracy"] = float(np.mean(self._correct))
        return {**metrics, **self.relabeller.metrics()}

    def _relabel(self, failures: list[Failure]) -> None:
        """Relabel episodes, and store them with their labels."""
        if not failures:
            return
        encoded: dict[str, dict[str, NDArray[np.int64]]] = {}
        labels = self.relabeller.label([one.final_step for one in failures])
        for one, label in zip(failures, labels, strict=True):
            if label in ("", one.label):
                continue
            self.undo.record_attributes(one, "label", "copy")
            if label not in encoded:
                encoded[label] = self._store_instruction(label)
            if one.label:
                self._replace_instruction(one, encoded[label])
            else:
                self._store_episode(one, encoded[label])
            one.label = label
            if one.final_step.achieved is not None:
                self._correct.append(one.final_step.has_achieved(label, self._language))

    def _store_instruction(self, sentence: str) -> dict[str, NDArray[np.int64]]:
        """Store the observations of an instruction; their numbers by key, each int64 [1]."""
        kept = {INSTRUCTION: self._rings[INSTRUCTION].put(self._tokenizer.encode(sentence)[None])}
        if self._goals is not None:
            kept[GOAL] = self._rings[GOAL].put(self._goals.encode(sentence)[None])
        return kept

    def _store_episode(self, one: Failure, instruction: dict[str, NDArray[np.int64]]) -> None:
        """Store an episode again with another instruction, unless its beginning is gone."""
        source = self._rows(one.episode)
        if len(source) < len(one.episode) or 2 * len(source) > self.buffer_size:
            return
        self._relabelled += 1
        one.copy = self._count
        rows = self._claim(len(source))
        self._count += len(rows)
        for numbers in self._numbers.values():
            for key, each in numbers.items():
                each[rows] = instruction[key] if key in instruction else each[source]
        for array in (self.actions, self.rewards, self.dones):
            array[rows] = array[source]
        self.rewards[rows[-1]] = np.mean(self._reward) if self._reward else 1.0
        self.dones[rows[-1]] = 1.0

    def _replace_instruction(self, one: Failure, instruction: dict[str, NDArray[np.int64]]) -> None:
        """Replace the instruction of an episode that was stored again, if it is still there."""
        if one.copy < 0:
            return
        rows = self._rows(range(one.copy, one.copy + len(one.episode)))
        for numbers in self._numbers.values():
            for key, number in instruction.items():
                self.undo.record_rows(numbers[key], rows)
                numbers[key][rows] = number

    def _rows(self, transitions: Iterable[int]) -> NDArray[np.int64]:
        """The rows of the transitions that are still there, by their numbers."""
        there = [n for n in transitions if n >= self._count - self.buffer_size]
        return np.array(there, np.int64) % self.buffer_size

    def get_state(self) -> dict[str, Any]:
        """The content, as plain data."""
        return {
            **super().get_state(),
            "hindsight": {
                "episodes": [list(one) for one in self._episodes],
                "counts": [self._count, self._relabelled, self._failed],
                "reward": list(self._reward),
                "right": list(self._correct),
                "rounds": self._rounds,
                "failures": [asdict(one) for one in self._failures],
                "relabeller": self.relabeller.get_state(),
            },
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Resume from a state."""
        super().set_state(state)
        ours = state["hindsight"]
        self._episodes = [list(one) for one in ours["episodes"]]
        self._count, self._relabelled, self._failed = ours["counts"]
        self._reward = deque(ours["reward"], maxlen=_RECENT)
        self._correct = deque(ours["right"], maxlen=_RECENT)
        self._rounds = ours["rounds"]
        failures = map(_failure_from_state, ours["failures"])
        self._failures = deque(failures, maxlen=_RELABELLED_AGAIN)
        self.relabeller.set_state(ours["relabeller"])


def _failure_from_state(state: dict[str, Any]) -> Failure:
    """A failure from plain data."""
    step = entry(state, "final_step")
    final_step = FinalStep(
        images=np.ascontiguousarray(channels_last(step["images"])),
        instruction=step["instruction"],
        success=step["success"],
        truncated=entry(step, "truncated"),
        reward=step["reward"],
        achieved=None if step["achieved"] is None else tuple(step["achieved"]),
    )
    return Failure(state["episode"], final_step, entry(state, "label"), state["copy"])


def _final_step(
    obs: Mapping[str, NDArray[Any]],
    next_obs: Mapping[str, NDArray[Any]],
    reward: NDArray[np.float32],
    infos: list[dict[str, Any]],
    e: int,
) -> FinalStep:
    achieved = infos[e].get(ACHIEVED)
    return FinalStep(
        np.stack([channels_last(one[IMAGE][e]) for one in (obs, next_obs)]),
        obs[INSTRUCTION][e].copy(),
        bool(infos[e].get(IS_SUCCESS, False)),
        bool(infos[e].get("TimeLimit.truncated", False)),
        float(reward[e]),
        None if achieved is None else tuple(achieved),
    )

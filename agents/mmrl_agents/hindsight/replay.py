"""A replay buffer that stores failed episodes again, with an instruction that they carried out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.contract import ACHIEVED, GOAL, IMAGE, INSTRUCTION, IS_SUCCESS
from mmrl.language import NEUTRAL, InstructionLanguage
from mmrl.preprocessing.pipeline import Goals
from mmrl.preprocessing.text import Tokenizer
from mmrl_agents.buffers.replay import FrameReplay
from mmrl_agents.hindsight.relabelling import Ending, Relabeller

_RECENT: Final = 200  # successes and relabels that averages are taken over
_ASKED_AGAIN: Final = 2048  # failed episodes, the latest ones, each with two frames


@dataclass
class Failure:
    """An episode that failed.

    Attributes:
        episode: the numbers of its transitions.
        ending: its last step.
        said: what the relabeller says that it has carried out; "" if nothing so far.
        copy: the number of the first of the transitions that were stored again, if any were.
    """

    episode: list[int]
    ending: Ending
    said: str = ""
    copy: int = -1


class HindsightReplay(FrameReplay):
    """:class:`~mmrl_agents.buffers.replay.FrameReplay`, to which every failed episode of which a
    relabeller knows what its end has carried out is added once more: with that instruction, and
    with the reward of the recent successes at its end. No frame is kept twice. When the relabeller
    has learnt more, it is asked again about the latest failures: those of which it knows more are
    added now, and those that it would call otherwise are called so.

    Args:
        buffer_size, observation_space, action_space, device, n_envs: as there.
        relabeller: says what an episode's end has carried out.
        tokenizer: of the instructions.
        goals: shows what instructions ask for, where the agent is shown it.
        language: of the instructions.

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
            raise ValueError("hindsight puts other instructions in: the agent has to read them")
        self.relabeller, self._tokenizer, self._goals = relabeller, tokenizer, goals
        self._language = language
        self._episodes: list[list[int]] = [[] for _ in range(self.n_envs)]
        self._count = 0  # transitions that were put in, relabelled ones included
        self._reward: deque[float] = deque(maxlen=_RECENT)
        self._right: deque[bool] = deque(maxlen=_RECENT)
        self._relabelled = self._failed = 0
        self._failures: deque[Failure] = deque(maxlen=_ASKED_AGAIN)
        self._rounds = relabeller.rounds  # of the relabeller, when it was last asked

    def add(  # type: ignore[override]  # observations are dictionaries
        self,
        obs: Mapping[str, NDArray[Any]],
        next_obs: Mapping[str, NDArray[Any]],
        action: NDArray[Any],
        reward: NDArray[np.float32],
        done: NDArray[np.bool_],
        infos: list[dict[str, Any]],
    ) -> None:
        """As :meth:`FrameReplay.add`; infos say ``is_success`` at an episode's end."""
        super().add(obs, next_obs, action, reward, done, infos)
        for e, episode in enumerate(self._episodes):
            episode.append(self._count + e)
        self._count += self.n_envs
        ended = np.flatnonzero(done).tolist()
        if not ended:
            return
        endings = [_ending(obs, next_obs, reward, infos, e) for e in ended]
        self._reward.extend(one.reward for one in endings if one.success)
        self.relabeller.learn(endings)
        failed = [
            Failure(self._episodes[e], one)
            for e, one in zip(ended, endings, strict=True)
            if not one.success
        ]
        self._failed += len(failed)
        if self._rounds != self.relabeller.rounds:
            self._rounds = self.relabeller.rounds
            self._relabel([*self._failures, *failed])
        else:
            self._relabel(failed)
        if self._rounds is not None:
            self._failures.extend(one for one in failed if not one.ending.cut)
        for e in ended:
            self._episodes[e] = []

    def figures(self) -> dict[str, float]:
        """What is to be seen of it: the share of failed episodes that were relabelled, of the
        relabels that the verifier confirms, and what the relabeller tells of itself.
        """
        shown = {"relabelled": self._relabelled / max(self._failed, 1)}
        if self._right:
            shown["accuracy"] = float(np.mean(self._right))
        return {**shown, **self.relabeller.figures()}

    def _relabel(self, failures: list[Failure]) -> None:
        """Ask about episodes, and have them stored as what they were."""
        if not failures:
            return
        words: dict[str, dict[str, NDArray[np.int64]]] = {}
        said = self.relabeller.label([one.ending for one in failures])
        for one, sentence in zip(failures, said, strict=True):
            if sentence in ("", one.said):
                continue
            if sentence not in words:
                words[sentence] = self._put(sentence)
            if one.said:
                self._say_otherwise(one, words[sentence])
            else:
                self._store_again(one, words[sentence])
            one.said = sentence
            if one.ending.achieved is not None:
                self._right.append(one.ending.has_achieved(sentence, self._language))

    def _put(self, sentence: str) -> dict[str, NDArray[np.int64]]:
        """Keep what is seen of an instruction; the number of it by key, each int64 [1]."""
        kept = {INSTRUCTION: self._rings[INSTRUCTION].put(self._tokenizer.encode(sentence)[None])}
        if self._goals is not None:
            kept[GOAL] = self._rings[GOAL].put(self._goals.encode(sentence)[None])
        return kept

    def _store_again(self, one: Failure, words: dict[str, NDArray[np.int64]]) -> None:
        """Add an episode as one of another instruction, unless its beginning is gone."""
        source = self._rows(one.episode)
        if len(source) < len(one.episode) or 2 * len(source) > self.buffer_size:
            return
        self._relabelled += 1
        one.copy = self._count
        rows = self._claim(len(source))
        self._count += len(rows)
        for numbers in self._numbers.values():
            for key, each in numbers.items():
                each[rows] = words[key] if key in words else each[source]
        for array in (self.actions, self.rewards, self.dones):
            array[rows] = array[source]
        self.rewards[rows[-1]] = np.mean(self._reward) if self._reward else 1.0
        self.dones[rows[-1]] = 1.0

    def _say_otherwise(self, one: Failure, words: dict[str, NDArray[np.int64]]) -> None:
        """Give what is left of an episode that was stored again another instruction."""
        if one.copy < 0:
            return
        rows = self._rows(range(one.copy, one.copy + len(one.episode)))
        for numbers in self._numbers.values():
            for key, number in words.items():
                numbers[key][rows] = number

    def _rows(self, transitions: Iterable[int]) -> NDArray[np.int64]:
        """Where those transitions lie that are still there, by their numbers."""
        there = [n for n in transitions if n >= self._count - self.buffer_size]
        return np.array(there, np.int64) % self.buffer_size

    def get_state(self) -> dict[str, Any]:
        """All that is kept, as plain data."""
        return {
            **super().get_state(),
            "hindsight": {
                "episodes": [list(one) for one in self._episodes],
                "counts": [self._count, self._relabelled, self._failed],
                "reward": list(self._reward),
                "right": list(self._right),
                "rounds": self._rounds,
                "failures": [asdict(one) for one in self._failures],
                "relabeller": self.relabeller.get_state(),
            },
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        super().set_state(state)
        ours = state["hindsight"]
        self._episodes = [list(one) for one in ours["episodes"]]
        self._count, self._relabelled, self._failed = ours["counts"]
        self._reward = deque(ours["reward"], maxlen=_RECENT)
        self._right = deque(ours["right"], maxlen=_RECENT)
        self._rounds = ours["rounds"]
        failures = (
            Failure(**{**one, "ending": _ending_of(one["ending"])}) for one in ours["failures"]
        )
        self._failures = deque(failures, maxlen=_ASKED_AGAIN)
        self.relabeller.set_state(ours["relabeller"])


def _ending_of(state: dict[str, Any]) -> Ending:
    """An ending from plain data."""
    achieved = state["achieved"]
    return Ending(**{**state, "achieved": None if achieved is None else tuple(achieved)})


def _ending(
    obs: Mapping[str, NDArray[Any]],
    next_obs: Mapping[str, NDArray[Any]],
    reward: NDArray[np.float32],
    infos: list[dict[str, Any]],
    e: int,
) -> Ending:
    achieved = infos[e].get(ACHIEVED)
    return Ending(
        np.stack([obs[IMAGE][e], next_obs[IMAGE][e]]),
        obs[INSTRUCTION][e].copy(),
        bool(infos[e][IS_SUCCESS]),
        bool(infos[e].get("TimeLimit.truncated", False)),
        float(reward[e]),
        None if achieved is None else tuple(achieved),
    )

"""A swapped actor gets the instruction of another episode, and the same one to the end."""

import numpy as np
import pytest

from mmrl.contract import INSTRUCTION, SPEECH
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.wrappers import InstructionSwap


class Recorder:
    """Takes note of what it is shown."""

    def __init__(self):
        self.observations = []

    def act(self, observation, *, deterministic):
        self.observations.append(observation)
        return np.zeros(len(observation[INSTRUCTION]), np.int64)


def observe(*sentences, voice=0.0):
    """Speech of a sentence: its length, and the voice."""
    speech = np.array([[len(sentence), voice] for sentence in sentences], np.float32)
    return {INSTRUCTION: sentences, SPEECH: speech, "image": np.zeros((len(sentences), 1))}


def test_another_sentence_which_stays():
    recorder = Recorder()
    actor = InstructionSwap(recorder)
    actor.act(observe("a", "bb", "a", "ccc"), deterministic=True)
    actor.act(observe("a", "dddd", "a", "ccc"), deterministic=True)
    first, second = recorder.observations
    for own, shown in ((("a", "bb", "a", "ccc"), first), (("a", "dddd", "a", "ccc"), second)):
        assert all(one != other for one, other in zip(own, shown[INSTRUCTION], strict=True))
        assert shown[SPEECH][:, 0].tolist() == [len(one) for one in shown[INSTRUCTION]]
    for row in (0, 2, 3):
        assert first[INSTRUCTION][row] == second[INSTRUCTION][row]


def test_only_earlier_instructions():
    recorder = Recorder()
    actor = InstructionSwap(recorder)
    actor.act(observe("a", "bb"), deterministic=True)
    actor.act(observe("ccc"), deterministic=True)
    assert recorder.observations[1][INSTRUCTION][0] in {"a", "bb"}
    assert "image" in recorder.observations[1]


def test_nothing_to_swap_with():
    with pytest.raises(UserError, match="all episodes have the instruction 'a'"):
        InstructionSwap(Recorder()).act(observe("a", "a"), deterministic=True)


def test_who_follows_fails_and_who_does_not_does_not_mind(signals, scripted):
    follows = scripted(lambda image, instruction: int(instruction.endswith("right")))
    assert play_episodes(follows, signals, 20).success.all()
    assert not play_episodes(InstructionSwap(follows), signals, 20).success.any()
    ignores = scripted(lambda image, instruction: 0)
    alone = play_episodes(ignores, signals, 20).success
    assert np.array_equal(play_episodes(InstructionSwap(ignores), signals, 20).success, alone)

"""A swapped actor gets the instruction of another episode, and the same one to the end."""

import numpy as np
import pytest

from mmrl.contract import INSTRUCTION, SPEECH
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.wrappers import EmptyInstruction, InstructionSwap


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


class Reader:
    """In the world of shapes: goes to the shape that it reads of, or the first one of its form."""

    def __init__(self, world):
        self.world, self.read = world, []

    def attach(self, env, seeds):
        self.envs = [one.unwrapped for one in env.unwrapped.envs]
        self.fresh = True

    def act(self, observation, *, deterministic):
        if self.fresh:
            self.read += zip(observation[INSTRUCTION], [one._sentence for one in self.envs],
                             [one._names for one in self.envs], strict=True)  # fmt: skip
            self.fresh = False
        return np.array([self.move(*pair) for pair in
                         zip(self.envs, observation[INSTRUCTION], strict=True)])  # fmt: skip

    def move(self, env, sentence):
        name = sentence.partition(" the ")[2]
        if name not in env._names:
            return 0
        own = env._target
        env._target = env._names.index(name)
        action = self.world.Asked.expert_action(env)
        env._target = own
        return action


@pytest.fixture
def asked(shapes):
    import worlds.shapes as world

    return world, shapes.replace("Touch", "Asked")


def test_a_swapped_sentence_asks_for_something_else(asked):
    world, env = asked
    reader = Reader(world)
    assert play_episodes(reader, env, 32).success.all()
    reader.read.clear()
    swap = InstructionSwap(reader)
    played = play_episodes(swap, env, 32)
    assert len(reader.read) == 32
    for given, own, names in reader.read:
        assert given.partition(" the ")[2] != own.partition(" the ")[2], names
    assert len({given for given, *_ in reader.read}) > 10  # spread
    assert not swap.left_out
    # it goes where it reads, or up: it succeeds only where the named shape is on its way
    assert played.success.mean() < 0.3


def test_without_the_method_any_different_sentence(shapes, scripted):
    """Two verbs for one act: a sentence that differs in the verb alone is taken."""
    recorder = Recorder()
    actor = InstructionSwap(recorder)
    pair = "touch the small teal star", "tap the small teal star"
    actor.act(observe(*pair), deterministic=True)
    assert recorder.observations[0][INSTRUCTION] == pair[::-1]


class Batch:
    """A batched engine to which sentences of one length ask for the same."""

    def __init__(self, own, answers=None):
        self.own, self.answers, self.asked = own, answers, []
        self.num_envs, self.unwrapped = len(own), self

    def are_equivalent(self, sentences):
        self.asked.append(sentences)
        if self.answers is not None:
            return self.answers
        pairs = zip(self.own, sentences, strict=True)
        return np.array([len(one) == len(other) for one, other in pairs])


def test_a_batched_engine_is_asked_row_by_row():
    own = ("aa", "bb", "cc", "ddd")
    recorder, batch = Recorder(), Batch(own)
    actor = InstructionSwap(recorder)
    actor.attach(batch, range(70, 74))
    actor.act(observe(*own), deterministic=True)
    given = recorder.observations[0][INSTRUCTION]
    assert given[:3] == ("ddd",) * 3
    assert given[3] in own[:3]
    assert all(len(sentences) == 4 for sentences in batch.asked)
    actor.act(observe(*own), deterministic=True)
    assert recorder.observations[1][INSTRUCTION] == given
    assert not actor.left_out


def test_episodes_without_another_sentence_are_left_out():
    own = ("aa", "bb", "cc")
    actor = InstructionSwap(Recorder())
    actor.attach(Batch(own), range(70, 73))
    actor.act(observe(*own), deterministic=True)
    assert actor.left_out == {70, 71, 72}
    actor.attach(Batch(("aa", "ddd")), range(73, 75))
    actor.act(observe("aa", "ddd"), deterministic=True)
    assert actor.left_out == {70, 71, 72}


@pytest.mark.parametrize("answers", [np.zeros(2, np.bool_), np.zeros(3), True])
def test_answers_of_another_shape(answers):
    own = ("aa", "bb", "cc")
    actor = InstructionSwap(Recorder())
    actor.attach(Batch(own, answers), range(3))
    with pytest.raises(UserError, match=r"are_equivalent returned .*: it must be bool \[3\]"):
        actor.act(observe(*own), deterministic=True)


def test_an_empty_instruction_is_silent():
    recorder = Recorder()
    EmptyInstruction(recorder).act(observe("a", "bb"), deterministic=True)
    shown = recorder.observations[0]
    assert shown[INSTRUCTION] == ("", "")
    assert not shown[SPEECH].any()
    assert shown["image"].shape == (2, 1)

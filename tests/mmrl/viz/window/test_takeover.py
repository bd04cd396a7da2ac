"""A person takes the keys from an agent and gives them back: scripted keys, what is recorded."""

import importlib
import json

import numpy as np
import pytest

from mmrl.data import find_place, open_dataset
from mmrl.data.episode_writer import EpisodeWriter
from mmrl.viz.window.drawing import draw
from mmrl.viz.window.session import Session
from mmrl.viz.window.takeover import CORRECTED, Takeover

importlib.import_module("worlds.levers")
LEVER = "levers/Lever-v0"


class Wrong:
    """Always pulls the wrong lever of a session, or the right one; counts what it sees."""

    def __init__(self):
        self.calls, self.is_right = 0, True

    def begin(self, count):
        self.calls = 0

    def act(self, observation, *, deterministic):
        self.calls += 1
        side = self.session._env.unwrapped.side
        return np.array([side if self.is_right else 1 - side])


@pytest.fixture
def make(tmp_path):
    """A session that is watched, and what finishes and opens the dataset."""

    def make(**env_args):
        agent, session = Wrong(), Session(LEVER, env_args, 3)
        agent.session = session
        place = find_place(str(tmp_path / "data"))
        writer = EpisodeWriter(place, LEVER, env_args, session.spaces, CORRECTED)
        watcher = Takeover(session, agent, writer)

        def finish():
            watcher.finish()
            session.close()
            return open_dataset(str(tmp_path / "data")) if writer.episodes else None

        return watcher, agent, finish

    return make


def right_key(watcher):
    return "12"[watcher.session._env.unwrapped.side]


def acted_by(dataset, k):
    return dataset.demonstration(k, ["image"]).by_person.tolist()


def test_the_keys_are_taken_and_given_back(make):
    watcher, agent, finish = make(length=5)
    assert watcher.advance()  # the agent
    before = draw(watcher.scene())
    assert watcher.press(right_key(watcher))  # an action takes the keys
    assert watcher.is_person
    assert watcher.scene().notice
    assert not np.array_equal(draw(watcher.scene()), before)
    assert not watcher.advance()  # the agent waits
    assert watcher.session.steps == 2
    assert watcher.press(right_key(watcher))
    assert watcher.press("t")
    assert watcher.advance()
    assert watcher.press("t")
    assert not watcher.advance()
    assert watcher.press(right_key(watcher))
    assert watcher.session.is_over
    assert agent.calls == 5  # it saw the person's steps, too
    dataset = finish()
    assert acted_by(dataset, 0) == [False, True, True, False, True]
    assert dataset.by == CORRECTED
    assert dataset[0].success is True
    assert dataset[0].seed == 3


def test_what_is_kept(make):
    watcher, agent, finish = make(length=3)
    assert not watcher.press("m")  # nothing to keep
    assert watcher.press(right_key(watcher))
    assert watcher.press("n")  # it has not ended
    assert not watcher.is_person
    assert watcher.press(right_key(watcher))
    assert watcher.press("m")  # a success, before its end
    agent.is_right = False
    assert watcher.advance()
    assert watcher.session.is_over
    assert watcher.press("x")  # not this one
    assert watcher.advance()
    while not watcher.advance():  # the end is shown for a while, then the next one begins
        pass
    assert watcher.press("tab")
    dataset = finish()
    assert [dataset[k].seed for k in range(len(dataset))] == [4, 6]
    assert [acted_by(dataset, k) for k in range(2)] == [[True], [False]]
    assert [dataset[k].success for k in range(2)] == [True, False]


def test_nothing_was_kept(make):
    assert make()[2]() is None


def test_datasets_of_others_do_not_know_who_acted(make, tmp_path):
    watcher, _, finish = make(length=1)
    watcher.advance()
    dataset = finish()
    metadata = json.loads(dataset.place.metadata.read_text())
    assert metadata["algorithm_name"] == CORRECTED
    assert acted_by(dataset, 0) == [False]

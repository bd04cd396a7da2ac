"""A person's episodes become a dataset: scripted keys, undo, marks, discards, interruptions."""

import importlib

import numpy as np
import pytest

from mmrl.cli import play as command
from mmrl.data import find_place, open_dataset
from mmrl.data.episode_writer import EpisodeWriter
from mmrl.errors import UserError
from mmrl.viz.window.demonstrator import Demonstrator
from mmrl.viz.window.player import Player
from mmrl.viz.window.session import Session
from mmrl.viz.window.window import CLOSED

importlib.import_module("worlds.levers")
LEVER = "levers/Lever-v0"
LEFT, RIGHT = "1", "2"


@pytest.fixture
def make(tmp_path):
    """A player whose episodes are recorded, and what finishes the dataset and opens it."""

    def make(env=LEVER, **env_args):
        session = Session(env, env_args, 3)
        writer = EpisodeWriter(
            find_place(str(tmp_path / "data")), env, env_args, session.spaces
        )  # fmt: skip
        player = Player(session, demonstrator=Demonstrator(session, writer))

        def finish():
            player.press(CLOSED)
            session.close()
            writer.finish()
            return open_dataset(str(tmp_path / "data")) if writer.episodes else None

        return player, finish

    return make


def right_key(player):
    return (LEFT, RIGHT)[player.session._env.unwrapped.side]


def wrong_key(player):
    return (RIGHT, LEFT)[player.session._env.unwrapped.side]


def press_all(player, count):
    for _ in range(count):
        assert player.press(right_key(player))


def test_episodes_that_end_are_kept(make):
    player, finish = make()
    press_all(player, 2)
    assert player.press("return")  # the next episode
    assert player.press(wrong_key(player))
    assert player.press("n")
    press_all(player, 1)
    dataset = finish()  # in the middle of the third one, which is not kept
    assert len(dataset) == 2
    assert [dataset[k].success for k in range(2)] == [True, False]
    assert [dataset[k].seed for k in range(2)] == [3, 4]
    assert [len(dataset[k]) for k in range(2)] == [2, 1]
    assert dataset[0].rewards.tolist() == [1, 1]
    assert dataset[0].instruction in ("red", "blue")
    assert dataset.by == "human"
    assert ("recorded", "2 episodes") in player.scene().status


def test_the_last_one_is_kept_when_the_window_is_closed(make):
    player, finish = make()
    press_all(player, 2)
    assert len(finish()) == 1


def test_undo_marks_and_discards(make):
    player, finish = make(length=4)
    before = player.session.view
    assert not player.press("backspace")  # nothing to take back
    assert not player.press("m")  # nothing to keep
    assert player.press(wrong_key(player))
    assert player.session.is_over
    assert player.press("backspace")
    assert not player.session.is_over
    assert np.array_equal(player.session.view, before)
    press_all(player, 2)
    assert player.press("backspace")
    assert player.session.steps == 1
    press_all(player, 2)
    assert player.press("m")  # a success, before its end
    press_all(player, 4)
    assert player.press("x")  # not this one
    assert player.press(right_key(player))
    assert player.press("r")  # from the beginning
    press_all(player, 4)
    dataset = finish()
    assert [len(dataset[k]) for k in range(len(dataset))] == [3, 4]
    assert [dataset[k].success for k in range(2)] == [True, True]
    assert not dataset[0].terminated
    assert [dataset[k].seed for k in range(2)] == [3, 5]


def test_what_was_kept_survives_an_interruption(make, tmp_path):
    player, _ = make()
    press_all(player, 2)
    player.press("n")  # kept, and then the process is killed
    player, finish = make()
    assert ("recorded", "1 episodes") in player.scene().status
    press_all(player, 2)
    assert len(finish()) == 2
    with pytest.raises(UserError, match="exists already"):
        make()


def test_another_environment_is_not_added(make):
    player, _ = make()
    press_all(player, 2)
    player.press("n")
    with pytest.raises(UserError, match=r"env_args: \{\} → \{'length': 3\}"):
        make(length=3)


def test_nothing_was_kept(make):
    _, finish = make()
    assert finish() is None


def test_the_command(tmp_path, monkeypatch, capsys):
    class Hands:
        fps = 0

        def __init__(self, *_):
            self.presses = [["1"], ["n"], ["2"], ["n"], [CLOSED]]

        def show(self, image):
            pass

        def pressed(self):
            return self.presses.pop(0)

        def close(self):
            pass

    monkeypatch.setattr(command, "Window", Hands)
    out = tmp_path / "data"
    assert command.run([LEVER, "--env-args", "{length: 1}", "--record", str(out)]) == 0
    assert f"2 episodes → {out}" in capsys.readouterr().out
    dataset = open_dataset(str(out))
    assert [dataset[k].actions.tolist() for k in range(2)] == [[0], [1]]

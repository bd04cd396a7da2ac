"""``mmrl play`` and ``mmrl watch`` from the command line, without a screen."""

import numpy as np
import pytest
from PIL import Image

from mmrl.cli import main
from mmrl.data import open_dataset
from mmrl.evaluation.player import EpisodePlayer
from mmrl.records import read_record
from mmrl.viz.window.window import CLOSED, Window
from mmrl_agents.algorithms.ppo import PPOAgent

GRID = "mmrl/GoToObjS4-v0"


@pytest.fixture
def keys(monkeypatch):
    """Reports which keys are pressed, a list at each call; then the window is closed."""

    def press(*presses):
        waiting = [*presses, [CLOSED]]
        monkeypatch.setattr(Window, "pressed", lambda _: waiting.pop(0))

    return press


@pytest.fixture(scope="module")
def run_folder(make_run, hyper, tmp_path_factory):
    """A run of a few steps."""
    config, run = make_run(tmp_path_factory.mktemp("watch") / "run")
    PPOAgent.train(config, hyper, run)
    return run


def test_play(keys, tmp_path, capsys):
    keys(["up"], ["tab"], ["right", "n"])
    file = tmp_path / "play.gif"
    assert main(["play", GRID, "--seed", "4", "--fps", "500", "--record", str(file)]) == 0
    with Image.open(file) as written:
        assert written.n_frames == 5
    assert f"written to {file}" in capsys.readouterr().out


def test_watch(keys, run_folder, tmp_path):
    keys(*[[]] * 100)
    file = tmp_path / "watch.gif"
    arguments = ["--episodes", "1", "--fps", "500", "--record", str(file)]
    assert main(["watch", str(run_folder.path), *arguments]) == 0
    with Image.open(file) as written:
        assert written.n_frames > 1


def test_watched_episodes_are_recorded(keys, run_folder):
    keys(*[[]] * 100)
    arguments = ["--episodes", "1", "--fps", "500", "--records", "true"]
    assert main(["watch", str(run_folder.path), *arguments]) == 0
    (file,) = run_folder.records.glob("*-watch-*.episode")
    record = read_record(file)
    played = EpisodePlayer(GRID, run_folder.config.get("env_args"))
    steps = len(record.rewards)
    assert record.numbers["probabilities"].shape == (steps, 7)
    assert record.action_names[0] in record.about["actions"]
    assert record.frames["scene"].shape[0] == record.frames["image"].shape[0] == steps + 1
    single = played.play(PPOAgent.load(run_folder), seed=record.seed)
    assert record.instructions[0] == single.instructions[0]
    assert np.array_equal(record.frames["scene"][0], single.frames["scene"][0])


def test_a_person_takes_the_keys(keys, run_folder, tmp_path, capsys):
    keys([], ["left"], [], ["right"], ["t"], *[[]] * 80)
    out = tmp_path / "fixes"
    arguments = ["--episodes", "1", "--fps", "500", "--takeover", str(out)]
    assert main(["watch", str(run_folder.path), *arguments]) == 0
    assert f"1 episodes → {out}" in capsys.readouterr().out
    dataset = open_dataset(str(out))
    by_person = dataset.demonstration(0, ["image"]).by_person
    assert np.flatnonzero(by_person).tolist() == [1, 2]
    assert dataset[0].actions[1:3].tolist() == [0, 1]
    assert dataset[0].seed == 0
    assert main(["watch", str(run_folder.path), *arguments]) == 2
    assert "exists already" in capsys.readouterr().err


def test_probabilities_are_those_of_the_policy(run_folder, observations):
    actor = PPOAgent.load(run_folder)
    observation = observations(GRID, 6)
    probabilities = actor.probabilities(observation)
    assert probabilities.shape == (6, 7)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    best = actor.act(observation, deterministic=True)
    assert probabilities.argmax(axis=1).tolist() == best.tolist()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["play", "mmrl/GoToRedBal-v0"], "mmrl/GoToRedBall-v0"),
        (["play", GRID, "--env_args.room_sise", "5"], "room_size"),
        (["play", GRID, "--seed", "-1"], "--seed -1: must be at least 0"),
        (["play", GRID, "--fps", "0"], "--fps 0"),
        (["play", GRID, "--record", "no/such/x.gif"], "folder does not exist"),
        (["watch", "no/such/run"], "no run folder"),
        (["watch", "RUN", "--env", "mmrl/GoTo"], "mmrl/GoTo-v0"),
        (["watch", "RUN", "--episodes", "-2"], "--episodes -2"),
    ],
)
def test_what_cannot_be_had_is_said(keys, run_folder, capsys, arguments, hint):
    keys()
    path = str(run_folder.path)
    assert main([path if one == "RUN" else one for one in arguments]) == 2
    output = capsys.readouterr().err
    assert hint in output
    assert "Traceback" not in output

"""Run folders are never overwritten, and their checkpoints are whole."""

import numpy as np
import pytest
import torch
import yaml

from mmrl.errors import UserError
from mmrl.experiment.checkpoint import Checkpoint
from mmrl.experiment.run import Run, Status
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.preprocessing.text import WordTokenizer, load_tokenizer

CONFIG = {
    "env": "some/Env-v0",
    "model": {"fusion": "film", "image_args": {"width": 8}, "fusion_args": {}},
}


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "deep" / "run", CONFIG)


def checkpoint(steps, number=0.0):
    return Checkpoint(steps, {"w": torch.full((3,), number)}, {"steps": steps})


def test_create_and_open(run):
    again = Run.open(str(run.path))
    assert again.config == CONFIG
    assert again.path == run.path
    assert run.events.is_dir()
    assert run.checkpoints.is_dir()
    assert yaml.safe_load((run.path / "config.yaml").read_text()) == CONFIG


@pytest.mark.parametrize("kind", ["folder", "run", "file"])
def test_what_exists_is_left_alone(tmp_path, kind):
    path = tmp_path / "there"
    if kind == "folder":
        path.mkdir()
        (path / "precious.txt").write_text("x")
    elif kind == "run":
        Run.create(path, CONFIG).save_checkpoint(checkpoint(5))
    else:
        path.write_text("x")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(UserError, match=r"there (exists already; nothing|is a file).*--out"):
        Run.create(path, {"env": "other"})
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("left", ["nothing", "drafts", "starting", "training", "failed"])
def test_a_folder_without_a_checkpoint_is_used_again(tmp_path, left):
    path = tmp_path / "run"
    path.mkdir()
    if left == "drafts":  # the disk was full, or a kill came at once
        (path / ".draft-abc").mkdir()
        (path / "checkpoints").mkdir()
    elif left != "nothing":
        Run.create(path, CONFIG).set_status(Status(left))
        (path / "checkpoints" / ".draft-abc").mkdir()
        (path / "events.out.tfevents.1").write_text("x")
    run = Run.create(path, {**CONFIG, "steps": 9})
    assert run.begun_again
    assert run.status is Status.STARTING
    assert Run.open(path).config["steps"] == 9
    assert not list(path.rglob(".draft-*"))
    assert (path / "events.out.tfevents.1").exists() == (left in ("starting", "training", "failed"))


@pytest.mark.parametrize(
    ("before", "steps", "ended", "after"),
    [
        ("starting", 0, "failed", None),
        ("training", 0, "interrupted", "interrupted"),
        ("training", 5, "finished", "finished"),
        ("starting", 5, "failed", "failed"),
    ],
)
def test_how_a_training_ends(run, before, steps, ended, after):
    run.set_status(Status(before))
    if steps:
        run.save_checkpoint(checkpoint(steps))
    run.end(Status(ended), "why")
    assert run.path.exists() == (after is not None)
    assert run.status == after


def test_a_refused_resume_changes_nothing(run):
    run.begin()
    run.save_checkpoint(checkpoint(5))
    run.end(Status.FINISHED)
    before = {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()}
    again = Run.open(run.path)
    again.resume({**CONFIG, "steps": 9})
    again.end(Status.FAILED, "these weights are of another model")
    assert {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()} == before


def test_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        Run.create(tmp_path / "file" / "run", CONFIG)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is no run folder"),
        ("a: [", "no YAML"),
        ("", "must be a mapping"),
        ("- 1", "must be a mapping"),
        ("steps: 3", "names no env"),
    ],
)
def test_folder_that_is_no_run(tmp_path, content, words):
    if content is not None:
        (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(UserError, match=words):
        Run.open(tmp_path)


def test_newest_checkpoint_is_by_number(run):
    for steps in (900, 10_000, 2_000):
        run.save_checkpoint(checkpoint(steps))
    (run.checkpoints / "step_99999.part").write_text("x")
    (run.checkpoints / "notes").mkdir()
    assert run.newest_checkpoint().name == "step_10000"
    assert run.read_checkpoint().state == {"steps": 10_000}


def test_the_newest_are_kept(run):
    for steps in range(1, 6):
        run.save_checkpoint(checkpoint(steps), keep=2)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step_4", "step_5"]


@pytest.mark.parametrize("file", ["weights.safetensors", "state.json", "state.npz"])
def test_damaged_checkpoints_are_passed_over(run, file):
    for steps in (1, 2, 3):
        run.save_checkpoint(checkpoint(steps))
    spoilt = run.checkpoints / "step_3" / file
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    (run.checkpoints / "step_2" / file).unlink()
    with pytest.warns(UserWarning, match=f"step_3 is damaged: {file}.*step_2.*using step_1"):
        assert run.read_checkpoint().steps == 1
    for path in run.checkpoints.glob("step_1/*"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="has no whole checkpoint.*step_1 is damaged"):
        run.read_checkpoint()
    run.save_checkpoint(checkpoint(3))  # in the place of the spoilt one
    assert run.read_checkpoint().steps == 3


def test_no_checkpoint_yet(run):
    with pytest.raises(UserError, match="has no checkpoint yet"):
        run.newest_checkpoint()


def test_a_full_disk_leaves_the_old_checkpoints(run, monkeypatch):
    run.save_checkpoint(checkpoint(5), keep=1)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(UserError, match=r"step_6 cannot be written: No space left.*as it was"):
        run.save_checkpoint(checkpoint(6), keep=1)
    assert [path.name for path in run.checkpoints.iterdir()] == ["step_5"]
    assert run.read_checkpoint().steps == 5


def test_resuming_removes_drafts_and_keeps_the_configuration_when_it_begins(run):
    (run.checkpoints / ".draft-abc").mkdir()
    run.resume({**CONFIG, "steps": 9})
    assert not list(run.checkpoints.iterdir())
    assert Run.open(run.path).config == CONFIG
    run.begin()
    assert Run.open(run.path).config == run.config == {**CONFIG, "steps": 9}
    assert run.status is Status.TRAINING


def test_the_oldest_checkpoint_makes_room(run, monkeypatch):
    for steps in (1, 2, 3):
        run.save_checkpoint(checkpoint(steps))
    savez = np.savez

    def room_for_three(*arguments, **arrays):
        if sum(path.name.startswith("step_") for path in run.checkpoints.iterdir()) > 2:
            raise OSError(28, "No space left on device")
        savez(*arguments, **arrays)

    monkeypatch.setattr(np, "savez", room_for_three)
    with pytest.warns(UserWarning, match="No space left.*step_1 is removed to make room"):
        run.save_checkpoint(checkpoint(4), keep=4)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step_2", "step_3", "step_4"]


def test_the_newest_whole_checkpoint_is_never_given_up(run, monkeypatch):
    for steps in (1, 2):
        run.save_checkpoint(checkpoint(steps))
    (run.checkpoints / "step_2" / "state.json").write_text("spoilt")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(UserWarning, match="step_2 is removed"), pytest.raises(UserError):
        run.save_checkpoint(checkpoint(3))
    assert [path.name for path in run.checkpoints.iterdir()] == ["step_1"]


def test_tokenizer_and_result(run):
    run.save_preprocessing(Preprocessing(WordTokenizer(["go"], 4)))
    assert load_tokenizer(run.path).size == 4
    assert run.save_result({"success_rate": 1.0}).read_text() == '{\n  "success_rate": 1.0\n}\n'


def test_flat_configuration(run):
    assert run.flat_config() == {
        "env": "some/Env-v0",
        "model.fusion": "film",
        "model.image_args.width": 8,
    }

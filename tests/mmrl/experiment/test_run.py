"""Run folders are never overwritten, and their checkpoints are whole."""

from pathlib import Path

import pytest
import yaml

from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.preprocessing.inputs import Preprocessing
from mmrl.preprocessing.text import WordTokenizer, load_tokenizer

CONFIG = {"env": "some/Env-v0", "model": {"fusion": "film", "image_args": {"width": 8}}}


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "deep" / "run", CONFIG)


def write(content):
    """A function that saves ``content`` to the path that it is given."""
    return lambda path: Path(path).write_text(content)


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
        Run.create(path, CONFIG)
    else:
        path.write_text("x")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(UserError, match=r"there exists already; nothing was overwritten.*--out"):
        Run.create(path, {"env": "other"})
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        Run.create(tmp_path / "file" / "run", CONFIG)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is no run folder"),
        ("a: [", "cannot be read"),
        ("", "names no env"),
        ("- 1", "names no env"),
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
        run.save_checkpoint(write(str(steps)), steps)
    (run.checkpoints / "step_99999.zip.part").write_text("x")
    (run.checkpoints / "notes.zip").write_text("x")
    assert run.newest_checkpoint().name == "step_10000.zip"
    assert run.newest_checkpoint().read_text() == "10000"


def test_no_checkpoint_yet(run):
    with pytest.raises(UserError, match="has no checkpoint yet"):
        run.newest_checkpoint()


def test_failed_save_leaves_the_old_checkpoint(run):
    path = run.save_checkpoint(write("old"), 5)

    def fail(draft):
        Path(draft).write_text("half")
        raise OSError("disk is full")

    with pytest.raises(OSError, match="disk is full"):
        run.save_checkpoint(fail, 5)
    assert path.read_text() == "old"
    assert [p.name for p in run.checkpoints.iterdir()] == ["step_5.zip"]
    run.save_checkpoint(write("new"), 5)
    assert path.read_text() == "new"


def test_discard_only_what_holds_nothing(run):
    run.save_checkpoint(write("x"), 1)
    run.discard_unless_trained()
    assert run.newest_checkpoint().is_file()
    run.newest_checkpoint().unlink()
    run.discard_unless_trained()
    assert not run.path.exists()


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

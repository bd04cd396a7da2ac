"""``mmrl record``, and records of other commands: written beside the run, and read back."""

import pytest

import mmrl
from mmrl.cli import main
from mmrl.records import read_record

WORLD = "worlds.shapes:shapes/Touch-v0"
SMALL = {
    "device": "cpu", "clip_every": 0, "verbose": False, "eval_episodes": 6, "controls": False,
    "model": {"image_args": {"width": 8}, "text_args": {"width": 8, "layers": 1, "heads": 2},
              "features": 8, "fusion": "cross_attention"},
    "ppo": {"num_envs": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run in an environment of another package."""
    out = tmp_path_factory.mktemp("runs") / "first"
    return mmrl.train(WORLD, env_args={"limit": 9}, steps=64, out=out, **SMALL).path


def records(folder, source="evaluation"):
    return [read_record(one) for one in sorted(folder.glob(f"*-{source}-*.episode"))]


def test_the_evaluation_of_a_training_is_recorded(run):
    found = records(run / "episodes")
    assert len(found) == 6
    for record in found:
        steps = len(record.rewards)
        assert record.checkpoint == 64
        assert record.numbers["attention_image"].shape[0] == steps
        assert record.numbers["attention_image"].ndim == 3
        words = record.about["words"]
        assert record.numbers["attention_words"].shape[1] >= len(words)
        assert set(record.instructions[0].split()) <= set(words)


def test_record_a_run(run, tmp_path, capsys):
    out = tmp_path / "again"
    assert main(["record", str(run), "--episodes", "3", "--out", str(out)]) == 0
    assert f"mmrl dashboard {out}" in capsys.readouterr().out
    found = records(out / "episodes")
    assert [one.seed for one in found] == [1_000_000_000 + k for k in range(3)]
    assert all(one.env_args == {"limit": 9} for one in found)
    assert any(info.get("achieved") for one in found for info in one.infos)


def test_evaluation_with_records(run, capsys):
    before = len(records(run / "episodes"))
    arguments = ["--episodes", "5", "--controls", "false", "--record", "2"]
    assert main(["eval", str(run), *arguments]) == 0
    assert "mmrl dashboard" in capsys.readouterr().out
    assert len(records(run / "episodes")) == before + 2


def test_record_a_dataset(tmp_path, capsys):
    pytest.importorskip("minari")
    data, out = tmp_path / "data", tmp_path / "run"
    collect = ["--episodes", "4", "--by", "random", "--out", str(data)]
    assert main(["collect", WORLD, *collect]) == 0
    assert main(["record", str(data)]) == 2
    assert "--out: give a folder" in capsys.readouterr().err
    assert main(["record", str(data), "--out", str(out), "--episodes", "3"]) == 0
    found = records(out / "episodes", "collection")
    assert len(found) == 3
    dataset = mmrl.data.open_dataset(str(data))
    for record, episode in zip(found, dataset, strict=False):
        assert (record.frames["image"] == episode.images).all()
        assert record.instructions == [episode.instruction] * len(episode.images)
        assert record.actions.tolist() == episode.actions.tolist()
        assert record.seed == episode.seed
        assert record.instruction_kind


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--episodes", "0"], "--episodes 0: must be at least 1"),
        (["--first-seed", "-1"], "--first-seed -1: must be at least 0"),
        (["--env", "NoSuch-v0"], "NoSuch-v0"),
    ],
)
def test_what_cannot_be(run, arguments, words, capsys):
    assert main(["record", str(run), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert main(["record", "nothing/here", "--out", "x"]) == 2
    assert main(["eval", str(run), "--record", "-1"]) == 2


def test_python_says_what_is_missing(run):
    with pytest.raises(mmrl.errors.UserError, match="has no run folder; use mmrl.record"):
        mmrl.evaluate(mmrl.load_agent(run).actor, "CartPole-v1", record=3)

"""Tables of numbers: whole rows, new columns, and no row twice after a resume."""

import csv
import json

import pytest

from mmrl.loggers import files
from mmrl.loggers.files import CsvLogger, JsonlLogger


def table(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


READ = {CsvLogger: table, JsonlLogger: lines}


@pytest.fixture(params=[CsvLogger, JsonlLogger])
def kind(request):
    return request.param


def test_a_row_for_each_call(tmp_path, kind):
    logger = kind(tmp_path, {}, None)
    logger.log({"train/loss": 0.5}, 10)
    logger.log({"train/loss": 0.25, "rollout/success_rate": 1.0}, 20)
    logger.log({"rollout/success_rate": 0.0}, 30)
    logger.close()
    rows = READ[kind](tmp_path)
    assert [int(row["step"]) for row in rows] == [10, 20, 30]
    assert [row.get("train/loss") or None for row in rows] in (
        ["0.5", "0.25", None],
        [0.5, 0.25, None],
    )
    assert float(rows[2]["rollout/success_rate"]) == 0.0


def test_rows_after_the_checkpoint_are_written_again(tmp_path, kind):
    logger = kind(tmp_path, {}, None)
    for step in (10, 20, 30):
        logger.log({"loss": 1.0}, step)
    resumed = kind(tmp_path, {}, 20)
    resumed.log({"loss": 2.0}, 30)
    rows = READ[kind](tmp_path)
    assert [(int(row["step"]), float(row["loss"])) for row in rows] == [(10, 1), (20, 1), (30, 2)]


def test_a_new_training_begins_a_new_table(tmp_path, kind):
    kind(tmp_path, {}, None).log({"loss": 1.0}, 10)
    kind(tmp_path, {}, None)
    assert READ[kind](tmp_path) == []


def test_a_row_that_a_killed_process_has_cut_is_left_out(tmp_path, kind):
    logger = kind(tmp_path, {}, None)
    for step in (10, 20):
        logger.log({"loss": 1.0, "reward": 2.0}, step)
    (file,) = tmp_path.glob("metrics.*")
    file.write_bytes(file.read_bytes()[:-8])
    resumed = kind(tmp_path, {}, 20)
    resumed.log({"loss": 3.0}, 30)
    assert [int(row["step"]) for row in READ[kind](tmp_path)] == [10, 30]


def test_a_full_disk_leaves_whole_rows(tmp_path, kind, monkeypatch):
    logger = kind(tmp_path, {}, None)
    logger.log({"loss": 1.0}, 10)
    (file,) = tmp_path.glob("metrics.*")
    before = file.read_bytes()

    class Full:
        def __init__(self, path):
            self.file = path.open("ab")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def flush(self):
            self.file.flush()
            raise OSError(28, "No space left on device")

    class Disk(type(file)):
        def open(self, mode="r", **kwargs):
            return Full(tmp_path / self.name) if mode == "ab" else super().open(mode, **kwargs)

    monkeypatch.setattr(logger, "_file", Disk(file))
    with pytest.raises(OSError, match="No space"):
        logger.log({"loss": 2.0}, 20)
    assert file.read_bytes() == before


def test_json_has_no_number_that_is_not_finite(tmp_path):
    JsonlLogger(tmp_path, {}, None).log({"loss": float("nan")}, 10)
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()
    assert lines(tmp_path)[0]["loss"] is None


def test_names_with_commas_and_quotes(tmp_path):
    CsvLogger(tmp_path, {}, None).log({'success/go to "x", now': 1.0}, 10)
    assert table(tmp_path)[0]['success/go to "x", now'] == "1.0"
    assert files.STEP == "step"

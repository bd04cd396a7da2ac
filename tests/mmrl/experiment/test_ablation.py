"""Ablations: the plan is what was asked for, and the table what was measured."""

import csv
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.tensorboard import SummaryWriter

from mmrl.errors import UserError
from mmrl.evaluation.statistics import mean_interval
from mmrl.experiment.ablation import (
    BASE,
    Arm,
    Row,
    area_under_curve,
    parse_axis,
    plan,
    read_row,
    write_tables,
)


def test_an_axis():
    arms = parse_axis("optimizer.name=adam,sgd[ppo.learning_rate=0.05;ppo.n_epochs=2]")
    assert arms == [
        Arm("optimizer.name=adam", (("optimizer.name", "adam"),)),
        Arm(
            "optimizer.name=sgd",
            (("optimizer.name", "sgd"), ("ppo.learning_rate", "0.05"), ("ppo.n_epochs", "2")),
        ),
    ]
    assert arms[1].options[1] == "--ppo.learning_rate=0.05"


@pytest.mark.parametrize("text", ["", "key", "key=", "=a", "key=a,,b", "key=a[b]", "key=a[b=1"])
def test_what_is_no_axis(text):
    with pytest.raises(UserError, match="--over"):
        parse_axis(text)


NAMES = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=4, unique=True)


@given(NAMES, NAMES)
def test_one_at_a_time_and_all_together(first, second):
    axes = [f"x={','.join(first)}", f"y={','.join(second)}"]
    single = plan(axes, product=False)
    assert single[0] == Arm(BASE, ())
    assert len(single) == 1 + len(first) + len(second)
    every = plan(axes, product=True)
    assert len(every) == len(first) * len(second)
    assert all(len(arm.overrides) == 2 for arm in every)
    assert len({arm.folder for arm in every}) == len(every)


def test_the_same_arm_twice():
    with pytest.raises(UserError, match="twice"):
        plan(["x=a,a"], product=False)


def run_folder(path, success, curve):
    path.mkdir(parents=True)
    (path / "result.json").write_text(
        json.dumps({"success_rate": success, "training_seconds": 5.0})
    )
    writer = SummaryWriter(path)
    for step, value in curve:
        writer.add_scalar("rollout/success_rate", value, step)
    writer.close()


def test_rows_and_tables(tmp_path):
    arm = plan(["x=a"], product=False)[1]
    assert read_row(arm, tmp_path, range(3)) is None
    run_folder(tmp_path / arm.folder / "seed-0", 0.5, [(0, 0.0), (100, 0.5), (200, 0.5)])
    run_folder(tmp_path / arm.folder / "seed-1", 0.7, [(0, 1.0), (200, 1.0)])
    assert area_under_curve(tmp_path / arm.folder / "seed-0") == pytest.approx(0.375)
    row = read_row(arm, tmp_path, range(3))
    assert row == Row("x=a", [0.5, 0.7], [pytest.approx(0.375), 1.0], [5.0, 5.0])
    assert [one.suffix for one in write_tables(tmp_path, [row], "a task")] == [
        ".md", ".csv", ".json", ".png",
    ]  # fmt: skip
    (line,) = csv.DictReader((tmp_path / "ablation.csv").open())
    low, high = mean_interval([0.5, 0.7], 0.0, 1.0)
    assert (line["arm"], line["seeds"], line["success"]) == ("x=a", "2", "0.6")
    assert (float(line["success_low"]), float(line["success_high"])) == (low, high)
    assert "| x=a | 2 | 60.0% |" in (tmp_path / "ablation.md").read_text()
    assert (tmp_path / "ablation.png").read_bytes().startswith(b"\x89PNG")


def test_tables_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    row = Row("x=a", [0.5, 0.7], [0.4, 1.0], [5.0, 5.0])
    written = write_tables(tmp_path, [row], "a task")
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert {one.suffix for one in written} == {".md", ".csv", ".json"}


def test_intervals_of_shares_stay_within_0_and_1():
    summary = Row("x=a", [0.02, 0.3], [0.98, 0.7], [1.0, 1.0]).summary()
    assert summary["success_low"] == 0.0
    assert 0.3 < summary["success_high"] <= 1.0
    assert summary["area_high"] == 1.0
    assert 0.0 <= summary["area_low"] < 0.7

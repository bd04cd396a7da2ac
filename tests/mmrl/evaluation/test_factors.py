"""Factors of variation are read, evaluated one at a time, and shown as a table."""

import pytest

from mmrl.errors import UserError
from mmrl.evaluation.factors import evaluate_factors, format_factors, read_factors


def test_values_are_those_of_yaml():
    assert read_factors(["light=dim,bright", "num_dists=4, 12", "strict=true", "size=[2, 3]"]) == [
        ("light", "dim"), ("light", "bright"), ("num_dists", 4), ("num_dists", 12),
        ("strict", True), ("size", [2, 3]),
    ]  # fmt: skip


def test_a_name_alone_has_the_declared_values():
    declared = {"light": ("dim", "bright")}
    assert read_factors(["light", "wind=2"], declared) == [
        ("light", "dim"), ("light", "bright"), ("wind", 2),
    ]  # fmt: skip
    with pytest.raises(UserError, match="or one of light"):
        read_factors(["wind"], declared)


@pytest.mark.parametrize("text", ["light", "=dim", "light=", "light=[", ""])
def test_what_cannot_be_read(text):
    with pytest.raises(UserError, match="write name=value,value"):
        read_factors([text])


def test_one_is_changed_at_a_time():
    asked = []

    def evaluate(changed):
        asked.append(changed)
        known = "wind" not in changed
        return {
            "success_rate": 0.5 if known else None,
            "success_rate_95": [0.4, 0.6] if known else None,
            "mean_return": -1.25,
            "mean_length": 3.0,
        }

    reports = evaluate_factors([("light", "dim"), ("wind", 2)], evaluate)
    assert asked == [{}, {"light": "dim"}, {"wind": 2}]
    assert format_factors(reports).splitlines()[2:] == [
        "| as trained |  | 50.0% | 40.0% to 60.0% | -1.25 | 3.0 |",
        "| light | dim | 50.0% | 40.0% to 60.0% | -1.25 | 3.0 |",
        "| wind | 2 | – | – | -1.25 | 3.0 |",
    ]

"""The search space as it is written, and the table and plot of the trials."""

import pytest
from PIL import Image

from mmrl.errors import UserError
from mmrl.experiment.tuning import FinishedTrial, markdown, parse_search, plot


class Recorder:
    """A trial that answers with what it was asked."""

    def suggest_float(self, name, low, high, *, log=False):
        return ("float", name, low, high, log)

    def suggest_int(self, name, low, high):
        return ("int", name, low, high)

    def suggest_categorical(self, name, choices):
        return ("one of", name, choices)


@pytest.mark.parametrize(
    ("text", "asked", "samples"),
    [
        ("a.b=0.5..2", ("float", "a.b", 0.5, 2.0, False), ["0.5", "2"]),
        ("lr=1e-4..3e-3:log", ("float", "lr", 1e-4, 3e-3, True), ["1e-4", "3e-3"]),
        ("x=-1..1", ("float", "x", -1.0, 1.0, False), ["-1", "1"]),
        ("n=1..8:int", ("int", "n", 1, 8), ["1", "8"]),
        ("model.fusion=film, concat", ("one of", "model.fusion", ("film", "concat")), None),
        ("n=16,32,64", ("one of", "n", ("16", "32", "64")), ["16", "32", "64"]),
    ],
)
def test_what_is_written(text, asked, samples):
    axis = parse_search(text)
    assert axis.suggest(Recorder()) == asked
    assert axis.key == asked[1]
    assert samples is None or axis.samples == samples


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a", "write key=low..high"),
        ("=1..2", "write key=low..high"),
        ("a=", "write key=low..high"),
        ("a=film", "two values or more"),
        ("a=film,", "two values or more"),
        ("a=2..1", "2.0 is not below 1.0"),
        ("a=1..1:int", "1 is not below 1"),
        ("a=0..1:log", "a logarithm needs numbers above 0"),
        ("a=one..two", "could not convert"),
        ("a=1..2.5:int", "invalid literal"),
    ],
)
def test_what_cannot_be(text, words):
    with pytest.raises(UserError, match=words):
        parse_search(text)


def test_table_and_plot(tmp_path):
    axes = [parse_search("lr=1e-4..1:log"), parse_search("fusion=film,concat")]
    tried = [
        FinishedTrial(0, {"lr": 0.001234567, "fusion": "film"}, 0.5, False),
        FinishedTrial(1, {"lr": 0.01, "fusion": "concat"}, 0.75, False),
        FinishedTrial(2, {"lr": 0.1, "fusion": "film"}, 0.9, True),
    ]
    lines = markdown(tried, "a level").splitlines()
    rows = [line for line in lines if line.startswith("| ") and "%" in line]
    assert [row.split(" | ")[0] for row in rows] == ["| 1", "| 0", "| 2"]
    assert "0.00123" in rows[1]
    assert rows[2].endswith("| stopped early |")
    plot(tried, axes, tmp_path / "tune.png", "a level")
    with Image.open(tmp_path / "tune.png") as image:
        assert image.width > 400

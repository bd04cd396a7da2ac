"""``mmrl compare`` on run folders: arms, what is written, refusals."""

import json

import pytest
import yaml
from PIL import Image

from mmrl.cli import main


@pytest.fixture
def make(tmp_path):
    """Makes an evaluated run; its folder."""

    def make(name, seed, success, *, fusion="film", env="test/One-v0", **result):
        folder = tmp_path / name
        folder.mkdir()
        config = {"env": env, "seed": seed, "out": str(folder), "model": {"fusion": fusion}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        report = {"success_rate": success, "mean_return": 1.0, "episodes": 8, "seeds": [9, 16]}
        (folder / "result.json").write_text(json.dumps({**report, **result}))
        return str(folder)

    return make


def test_runs_are_sorted_into_arms(make, tmp_path, capsys):
    runs = [make("a", 0, 0.5), make("b", 1, 0.7), make("c", 0, 1.0, fusion="concat")]
    out = tmp_path / "out"
    assert main(["compare", *runs, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "| model.fusion=film | 2 | 60.0% (50.0% to 70.0%)" in printed
    assert "| model.fusion=concat | 1 | 100.0%" in printed
    assert (out / "comparison.md").read_text() in printed
    arms = json.loads((out / "comparison.json").read_text())["arms"]
    assert arms[1]["probability_of_improvement"]["value"] == 1
    with Image.open(out / "comparison.png") as image:
        assert image.width > 600
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert main(["compare", str(tmp_path), "--out", str(out)]) == 0  # all runs of a folder
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_returns_where_success_is_not_known(make, capsys):
    assert main(["compare", make("a", 0, None), make("b", 1, 0.5, mean_return=2.0)]) == 0
    assert "| as configured | 2 | 1.50 (1.00 to 2.00)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"seed": 0}, "are the same training: seed 0 of test/One-v0"),
        ({"seed": 1, "episodes": 64}, "were evaluated differently: episodes: 8 and 64"),
        ({"seed": 1, "fusion": "concat", "env": "test/Two-v0"}, "only runs of the same environ"),
    ],
)
def test_what_cannot_be_compared(make, capsys, second, message):
    assert main(["compare", make("a", 0, 0.5), make("b", success=0.5, **second)]) == 2
    assert message in capsys.readouterr().err


def test_other_evaluations_are_compared_by_force(make):
    runs = [make("a", 0, 0.5), make("b", 1, 0.5, episodes=64)]
    assert main(["compare", *runs, "--force"]) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "was not evaluated"),
        ("{", "result.json: "),
        ("[]", "result.json: "),
        ('{"success_rate": 1.0}', "lacks 'mean_return'"),
        ('{"mean_return": "much"}', "mean_return"),
    ],
)
def test_damaged_results(make, tmp_path, capsys, content, message):
    run = make("a", 0, 0.5)
    file = tmp_path / "a" / "result.json"
    file.unlink() if content is None else file.write_text(content)
    assert main(["compare", run]) == 2
    assert message in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "nowhere")]) == 2
    assert "there is no evaluated run" in capsys.readouterr().err

"""``mmrl recipes``, and recipes where a configuration is taken."""

import sys

import pytest

from mmrl.recipes import all_recipes


def test_list(call):
    status, out, _ = call("recipes")
    assert status == 0
    row = next(line for line in out.splitlines() if line.startswith("  demo "))
    assert "ppo" in row
    assert "100,000" in row
    assert sum(line.startswith("  ") for line in out.splitlines()) == len(all_recipes()) + 1


def test_list_some(call):
    out = call("recipes", "list", "local_small")[1]
    assert "levels/go_to_local_small" in out
    assert "demo" not in out
    assert call("recipes", "list", "zzz")[1] == "there are none\n"


def test_show(call):
    status, out, _ = call("recipes", "show", "demo")
    assert status == 0
    assert out.startswith("# ")
    assert "env: mmrl/" in out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["recipes", "show"], "name the recipe to show"),
        (["recipes", "shwo"], "give list or show"),
        (["recipes", "show", "demoo"], "did you mean 'demo'"),
        (["train", "--config", "demoo", "--out", "x"], "did you mean 'demo'"),
        (["fit", "captioner", "--config", "captionr", "--out", "x"], "did you mean 'captioner'"),
        (["ablate", "demoo", "--over", "seed=1,2", "--out", "x"], "did you mean 'demo'"),
        (["tune", "demoo", "--trials", "1", "--out", "x"], "did you mean 'demo'"),
    ],
)
def test_wrong_names(call, tmp_path, monkeypatch, arguments, hint):
    monkeypatch.chdir(tmp_path)
    status, _, err = call(*arguments)
    assert status == 2
    assert hint in err
    assert not list(tmp_path.iterdir())


def test_a_search_without_a_plot_does_not_begin(call, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, _, err = call("tune", "demo", "--trials", "1", "--out", tmp_path / "search")
    assert status == 2
    assert "needs the package 'matplotlib': pip install 'multimodal-rl[tune]'" in err
    assert not (tmp_path / "search").exists()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["train", "--config", "demo", "--steps", "0", "--out", "x"], "steps=0"),
        (["train", "--config=go_to_local", "--steps", "0", "--out", "x"], "steps=0"),
        (["fit", "tokenizer", "--config", "tokenizer", "--out", "x"], "no dataset './boss'"),
        (["ablate", "demo", "--over", "model.fusion=flim", "--out", "x"], "'film'"),
        (["tune", "demo", "--trials", "1", "--over", "ppo.lr=1..2", "--out", "x"], "ppo.lr"),
    ],
)
def test_a_recipe_is_read(call, tmp_path, monkeypatch, arguments, hint):
    monkeypatch.chdir(tmp_path)
    status, _, err = call(*arguments)
    assert status == 2
    assert hint in err

"""``mmrl benchmark`` trains what is missing, resumes, writes and checks tables, and refuses."""

import json
import re

import pytest

from mmrl.cli import main
from mmrl.experiment.benchmark import read_suite, read_table, with_table
from mmrl.recipes import SUITES, all_recipes

SMALL = "{model: {features: 8, text: bag_of_words}, clip_every: 0, record_mb: 0, steps: 64}"
SUITE = """\
# Two tiny trainings.
entries:
  - config: small.yaml
    name: grid
    overrides: {env: mmrl/GoToObjS4-v0, env_args: {max_steps: 9}, ppo.num_envs: 8, ppo.n_steps: 8}
  - config: small.yaml
    name: both
    overrides:
      env: {worlds.words:Sides: 2, worlds.words:Heights: 1}
      ppo: {num_envs: 8, n_steps: 8}
    seeds: [3]
evaluation: {episodes: 4, controls: false}
"""
PAGE = "# Page\n\n<!-- benchmark:tiny -->\nold\n<!-- /benchmark -->\n\nThe end.\n"


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    file = tmp_path / "tiny.yaml"
    file.write_text(SUITE)
    return file


def test_trains_resumes_and_writes(suite, tmp_path, warm, capsys):
    out, page = tmp_path / "out", tmp_path / "page.md"
    page.write_text(PAGE)
    words = ["benchmark", str(suite), "--out", str(out), "--markdown", str(page), "--trust-code"]
    assert main([*words, "--jobs", "2"]) == 0
    printed = capsys.readouterr()
    assert "grid, seed 0: success " in printed.err
    assert "both, seed 3: success " in printed.err
    results = json.loads((out / "results.json").read_text())
    assert results["suite"] == "tiny"
    assert results["command"].startswith("mmrl benchmark ")
    assert {"versions", "machine", "wall_seconds", "date"} <= results.keys()
    grid, both = results["entries"]
    assert (grid["env"], grid["agent"], grid["steps"]) == ("mmrl/GoToObjS4-v0", "ppo", 64)
    assert [run["seed"] for run in both["runs"]] == [3]
    assert set(both["runs"][0]["environments"]) == {"worlds.words:Heights", "worlds.words:Sides"}
    table = (out / "results.md").read_text()
    assert table in printed.out
    assert "| both | worlds.words:Heights, worlds.words:Sides | ppo | 64 | " in table
    assert page.read_text() == PAGE.replace("old\n", f"\n{table}\n")
    before = {file: file.stat().st_mtime_ns for file in out.rglob("result.json")}
    (out / "grid/seed-0/result.json").unlink()  # as if it was interrupted
    assert main(words) == 0
    after = {file: file.stat().st_mtime_ns for file in out.rglob("result.json")}
    assert [file for file in before if before[file] != after[file]] == [
        out / "grid/seed-0/result.json"
    ]
    check = ["benchmark", str(suite), "--json", str(out / "results.json"), "--markdown", str(page),
             "--check"]  # fmt: skip
    assert main(check) == 0
    page.write_text(page.read_text().replace("| 64 |", "| 65 |"))
    capsys.readouterr()
    assert main(check) == 1
    assert "has another table than" in capsys.readouterr().out
    (tmp_path / "small.yaml").write_text(SMALL.replace("64", "128"))
    assert main(words) == 2
    assert "another configuration or budget" in capsys.readouterr().err


def test_an_evaluation_elsewhere(suite, tmp_path, warm):
    more = (
        "entries:\n  - {config: small.yaml, overrides: {env: mmrl/GoToObjS4-v0, ppo.num_envs: 8, "
    )
    more += "ppo.n_steps: 8, eval_episodes: 2, controls: false}}\n"
    suite.write_text(
        f"{more}evaluation: {{env: 'mmrl/GoToObjS*-v0', episodes: 2, controls: false}}\n"
    )
    assert main(["benchmark", str(suite), "--out", str(tmp_path / "out")]) == 0
    (entry,) = json.loads((tmp_path / "out/results.json").read_text())["entries"]
    assert {"mmrl/GoToObjS4-v0", "mmrl/GoToObjS6-v0"} <= entry["runs"][0]["environments"].keys()
    assert entry["name"] == "small"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("entries: []", "entries is empty"),
        ("entries: [{seeds: [0]}]", "neither a config nor a name"),
        ("entries: [{config: demo}, {config: demo}]", "two entries are called 'demo'"),
        ("entries: [{config: demo, sedes: [0]}]", "sedes"),
        ("entries: [{config: demo, seeds: [x]}]", "must be"),
        ("jobs: 0\nentries: [{config: demo}]", "jobs is 0"),
        ("entries: [{config: demoo}]", "did you mean"),
        ("entries: [{config: demo, overrides: {model.fusion: flim}}]", "did you mean 'film'"),
        ("entries: [{config: demo, overrides: {stepz: 3}}]", "stepz"),
        ("entries: [{config: demo, overrides: {eval_episodes: 0}}]", "nothing would be compared"),
        ("entries: [{name: x, overrides: {env: nosuch_module:Env-v0}}]", "nosuch_module"),
        ("entries: {", "no YAML"),
    ],
)
def test_wrong_suites_are_refused_in_one_line(suite, tmp_path, capsys, content, message):
    suite.write_text(content)
    assert main(["benchmark", str(suite), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_suite_names_no_code_unasked(suite, tmp_path, capsys, monkeypatch):
    (tmp_path / "payload.py").write_text("raise SystemExit('it ran')\n")
    monkeypatch.chdir(tmp_path)
    suite.write_text("entries: [{name: x, overrides: {env: 'payload:Env-v0'}}]")
    assert main(["benchmark", str(suite), "--out", str(tmp_path / "out")]) == 2
    assert "Code that a file names runs only if you say so" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "name a suite"),
        (["smoke"], "--out is missing"),
        (["smokee", "--out", "x"], "did you mean 'smoke'"),
        (["smoke", "--out", "x", "--check"], "give --markdown"),
        (["smoke", "--out", "x", "--jobs", "-1"], "--jobs -1"),
        (["smoke", "--out", "x", "--json", "nowhere/x.json"], "its folder does not exist"),
    ],
)
def test_wrong_options(more, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", *more]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_our_suites_are_listed_and_can_be_trained(capsys):
    assert main(["benchmark", "--list"]) == 0
    printed = capsys.readouterr().out
    assert [one.name for one in all_recipes(SUITES)] == ["full", "small", "smoke"]
    assert re.search(r"smoke +4 trainings +Four trainings of seconds", printed)
    for name in ("smoke", "small", "full"):
        suite = read_suite(name)
        assert all(suite.config_file(entry) or entry.overrides for entry in suite.content.entries)


def test_tables_of_other_suites_stay():
    page = PAGE + PAGE.replace("tiny", "other")
    assert with_table(page, "tiny", "new\n").count("old") == 1


def test_returns_where_success_is_not_known(tmp_path):
    run = {"seed": 0, "training_seconds": 2.0, "mean_return": 7.5}
    entry = {
        "name": "a|b",
        "env": "x",
        "agent": "ppo",
        "steps": 9,
        "runs": [run, {**run, "seed": 1}],
    }
    file = tmp_path / "results.json"
    file.write_text(json.dumps({"suite": "s", "entries": [entry]}))
    name, table = read_table(file)
    assert (name, table.splitlines()[-1]) == (
        "s", "| a/b | x | ppo | 9 | return 7.50, 7.50 | 7.50 (7.50 to 7.50) | – | 2 s |",
    )  # fmt: skip

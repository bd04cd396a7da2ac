"""``mmrl collect``: collects, resumes, shows, and reports errors."""

import json

import pytest
from PIL import Image

from mmrl.data import ExpertSource, open_dataset

ENV = "mmrl/GoToObjS4-v0"
EXPERT = ("collect", ENV, "--episodes", 9, "--num_envs", 4, "--by", "expert")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Datasets of Minari's ids, and what is written by its name alone, in a folder of its own."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.chdir(tmp_path)


def test_collect_and_show(call, tmp_path):
    status, out, _ = call(*EXPERT, "--out", "group/name-v1", "--env_args", "{language: zh}")
    assert status == 0
    assert out.startswith(f"9 episodes of {ENV} by expert → {tmp_path}/minari/group/name-v1\n")
    assert "show it: mmrl collect show group/name-v1" in out
    rollouts = open_dataset("group/name-v1")
    assert (rollouts.env_args, rollouts.by) == ({"language": "zh"}, "expert")
    status, out, _ = call("collect", "show", "group/name-v1", "--image", "sheet.png")
    assert status == 0
    steps = sum(map(len, rollouts))
    for words in (
        f"environment   {ENV} {{'language': 'zh'}}",
        "episodes      9, seeds 0 to 8",
        f"steps         {steps:,}, {steps / 9:.1f} an episode",
        "success       100.0%",
        f"achieved      {sum(len(s) for one in rollouts for s in one.achieved):,} instructions",
        f"descriptions  {steps + 9:,}",
        f"        9  100.0%  {rollouts.language.kind(rollouts[0].instruction)}\n",
        "written to sheet.png",
    ):
        assert words in out
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > sheet.height > 300  # three rows of four
        assert len(set(sheet.convert("RGB").getdata())) > 20


def test_many_kinds_are_counted(call):
    arguments = ("--episodes", 30, "--by", "random", "--env_args", "{max_steps: 3}")
    assert call("collect", "mmrl/BossLevel-v0", *arguments, "--out", "./boss")[0] == 0
    out = call("collect", "show", "./boss")[1]
    assert "kind of instruction" in out
    assert "dataset       ./boss in " in out
    assert " more\n" in out  # instructions that there is no room for
    counts = [int(line.split()[0]) for line in out.splitlines() if line.endswith("%  go to")]
    instructions = open_dataset("./boss").columns(images=False).instructions
    assert counts == [sum(text.startswith("go to") and not any(
        link in text for link in (" and ", "then", "after")
    ) for text in instructions)]  # fmt: skip


def test_an_interrupted_collection_goes_on(call, monkeypatch):
    act, calls = ExpertSource.actions, iter(range(6))

    def stops(self, env, observation):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return act(self, env, observation)

    with monkeypatch.context() as patch:
        patch.setattr(ExpertSource, "actions", stops)
        status, out, err = call(*EXPERT, "--out", "./some")
    assert status == 130
    assert "call the same command again to resume" in out
    assert "mmrl collect: interrupted" in err
    assert "'./some' is not complete: call 'mmrl collect'" in call("collect", "show", "./some")[2]
    status, out, _ = call(*EXPERT, "--out", "./some")
    assert status == 0
    assert "by expert, 4 of them from before → " in out
    assert [one.seed for one in open_dataset("./some")] == list(range(9))
    status, _, err = call(*EXPERT, "--out", "./some", "--seed", 5)
    assert status == 2
    assert "collected with other arguments; nothing was changed:\n  seed: 0 → 5" in err


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"--episodes": 0}, "--episodes 0: must be at least 1"),
        ({"--num_envs": 0}, "--num-envs 0: must be at least 1"),
        ({"--seed": -1}, "--seed -1: seeds -1 to 7 are used, and must be 0 to 999999999"),
        ({"--seed": 999_999_992}, "seeds 999999992 to 1000000000 are used"),
        ({"--by": "exprt"}, "--by exprt: expert, random, or a run folder, and there is no such"),
        ({"--by": "."}, ". is no run folder: it has no config.yaml"),
        ({"--out": "name"}, "dataset 'name': neither a Minari id, such as gotolocal/expert-v0"),
        ({"--env_args": "{room: 5}"}, "environment 'mmrl/GoToObjS4-v0': "),
        ({"--env_args": "5"}, "env_args"),
    ],
)
def test_bad_input(call, tmp_path, changes, reason):
    options = {"--episodes": 9, "--by": "expert", "--out": "name-v0"} | changes
    status, _, err = call("collect", ENV, *(word for pair in options.items() for word in pair))
    assert status == 2
    assert reason in err
    assert "Traceback" not in err
    assert not (tmp_path / "minari" / "name-v0").exists()


def test_an_unknown_environment(call, tmp_path):
    status, _, err = call("collect", "mmrl/GoToLocla-v0", *EXPERT[2:], "--out", "./some")
    assert status == 2
    assert "did you mean 'mmrl/GoToLocal-v0'" in err
    assert not (tmp_path / "some").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["none-v0"], "there is no dataset 'none-v0'"),
        (["./some", "--image", "no/where.png"], "--image no/where.png: its folder does not"),
        (["./some", "--image", "."], "--image .: is a folder"),
        (["./torn"], "lacks 'total_episodes'"),
    ],
)
def test_showing_what_cannot_be_shown(call, tmp_path, arguments, reason):
    call(*EXPERT, "--out", "./some")
    (tmp_path / "torn" / "data").mkdir(parents=True)
    (tmp_path / "torn" / "data" / "metadata.json").write_text(json.dumps({"total_steps": 1}))
    status, _, err = call("collect", "show", *arguments)
    assert status == 2
    assert reason in err

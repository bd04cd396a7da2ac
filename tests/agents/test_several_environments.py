"""Trainings on several environments at once: curves, results, exact resume, imitation, refusals."""

import importlib
import json

import pytest
import torch
from worlds.words import Heights, Sides

import mmrl
from mmrl.cli import main
from mmrl.data import Request
from mmrl.errors import UserError
from mmrl.evaluation.environments import mean_of_means
from mmrl.experiment.run import Run
from mmrl.records import EVALUATION, TRAINING
from mmrl.records.file import read_summary

importlib.import_module("worlds.levers")
SETS = "[worlds.words:Heights, worlds.words:Sides]"
IDS = ["worlds.words:Heights", "worlds.words:Sides"]
SMALL = [
    "--model.features", "16", "--model.text", "bag_of_words", "--model.image-args.width", "8",
    "--device", "cpu", "--clip-every", "0", "--seed", "3",
]  # fmt: skip
PPO = ["--ppo.num-envs", "6", "--ppo.n-steps", "16", "--ppo.batch-size", "32",
       "--ppo.learning-rate", "0.005"]  # fmt: skip


def train(path, *more, env=SETS):
    return main(["train", "--env", env, "--out", str(path), *SMALL, *map(str, more)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("several") / "run"
    weighted = "{worlds.words:Sides: 1, worlds.words:Heights: 2}"
    assert train(path, *PPO, "--steps", 768, "--eval-episodes", 32, env=weighted) == 0
    return path


def test_one_policy_learns_both(trained):
    result = json.loads((trained / "result.json").read_text())
    assert result["env"] == "{'worlds.words:Heights': 2, 'worlds.words:Sides': 1}"
    each = result["environments"]
    assert list(each) == IDS
    rates = [one["success_rate"] for one in each.values()]
    assert min(rates) > 0.8
    assert (result["success_rate"], result["episodes"]) == (sum(rates) / 2, 64)
    low, high = result["success_rate_95"]
    assert (
        min(one["success_rate_95"][0] for one in each.values()) < low < sum(rates) / 2 < high <= 1
    )
    controls = result["controls"]
    assert 0.3 < controls["random_policy"]["success_rate"] < 0.7
    assert controls["swapped_instructions"]["success_rate"] < 0.5
    assert controls["expert"]["normalized_success"] == controls["expert"]["spl"] == sum(rates) / 2


def test_curves_of_each_environment(trained, curves):
    tags = curves(Run.open(trained))
    for env in IDS:
        assert tags[f"rollout/success/{env}"][-1][1] > 0.7
        assert tags[f"eval/success/{env}"][-1][1] > 0.8
    assert {"rollout/success_rate", "eval/success_rate"} <= tags.keys()


def test_records_name_the_environment(trained):
    records = [read_summary(file) for file in (trained / "episodes").glob("*.episode")]
    for source in (TRAINING, EVALUATION):
        assert {one.env for one in records if one.source == source} == set(IDS)


def test_evaluated_in_others_with_a_table(trained, capsys, tmp_path):
    out = tmp_path / "result.json"
    both = ["--env", SETS, "--episodes", "8", "--json", str(out)]
    assert main(["eval", str(trained), *both]) == 0
    lines = capsys.readouterr().out.splitlines()
    head = next(line for line in lines if line.lstrip().startswith("environment"))
    assert head.endswith("of the expert's success")
    rows = [line.split() for line in lines[lines.index(head) + 1 :][:3]]
    assert [row[0] for row in rows] == [*IDS, "mean"]
    assert all(row[1] == row[-1] for row in rows)  # the expert always succeeds
    report = json.loads(out.read_text())
    assert report["environments"][IDS[1]]["seeds"] == report["environments"][IDS[0]]["seeds"]
    swapped = mmrl.evaluate(trained, SETS, episodes=8, swap_instructions=True)
    assert swapped["success_rate"] < 0.3
    assert mmrl.evaluate(trained, Sides, episodes=8, controls=False)["env"] == IDS[1]


def test_resumes_exactly(tmp_path, stop):
    more = [*PPO, "--steps", 288, "--eval-episodes", 0, "--ppo.memory", "gru"]
    grids = "[worlds.words:SizedSides, mmrl/GoToObjS4-v0, mmrl/OpenRedDoor-v0]"
    assert train(tmp_path / "whole", *more, env=grids) == 0
    stop(20, KeyboardInterrupt())  # within the second rollout
    assert train(tmp_path / "stopped", *more, env=grids) != 0
    assert main(["train", "--resume", str(tmp_path / "stopped")]) == 0
    whole, stopped = (Run.open(tmp_path / name).read_checkpoint() for name in ("whole", "stopped"))
    assert whole.steps == stopped.steps == 288
    assert all(torch.equal(one, stopped.weights[name]) for name, one in whole.weights.items())


@pytest.mark.parametrize("agent", ["bc", "dagger"])
def test_imitates_the_experts_of_both(tmp_path, agent, capsys):
    more = [
        f"--{agent}.demonstrations", 60, "--steps", 60, f"--{agent}.batch-size", 64,
        f"--{agent}.learning-rate", "0.01", "--eval-episodes", 16, "--controls", "false",
    ]  # fmt: skip
    if agent == "dagger":
        more += ["--dagger.rounds", 2]
    assert train(tmp_path / "run", "--agent", agent, *more) == 0
    place = tmp_path / "run" / ("demonstrations" if agent == "bc" else "rounds/1")
    assert {one.name for one in place.iterdir()} == {
        "worlds.words_Heights", "worlds.words_Sides",
    }  # fmt: skip
    assert json.loads((tmp_path / "run/result.json").read_text())["success_rate"] == 1
    if agent == "dagger":
        assert "round 2: 30 episodes of the agent, success " in capsys.readouterr().out
        assert train(tmp_path / "few", "--agent", agent, *more, "--dagger.rounds", 60) == 2
        assert "there are 2 environments" in capsys.readouterr().err


def test_many_algorithms_and_lists_in_yaml(tmp_path):
    file = tmp_path / "both.yaml"
    file.write_text("env: [worlds.words:Sides, worlds.words:Heights]\nsteps: 60\n")
    small = [*SMALL, "--agent", "dqn", "--dqn.learning-starts", "20", "--eval-episodes", "2",
             "--controls", "false"]  # fmt: skip
    assert main(["train", "--config", str(file), *small, "--out", str(tmp_path / "dqn")]) == 0
    assert (
        Run.open(tmp_path / "dqn").config["env"] == "['worlds.words:Heights', 'worlds.words:Sides']"
    )
    run = mmrl.train({Sides: 1, Heights: 3}, steps=32, out=tmp_path / "python", verbose=False,
                     model={"features": 8, "text": "bag_of_words"}, clip_every=0, eval_episodes=0,
                     ppo={"num_envs": 4, "n_steps": 8, "batch_size": 16})  # fmt: skip
    assert run.config["env"] == "{'worlds.words:Heights': 3, 'worlds.words:Sides': 1}"
    clip = run.agent.clip(seed=1)
    assert clip.instruction.split()[0] in ("go", "climb")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--ppo.num-envs", "1"], "num_envs=1: there are 2 environments"),
        (["--ppo.curriculum", "plr"], "knows the scenes of one environment"),
        (["--agent", "imagination"], "a world model of one environment"),
        (["--env", "[worlds.words:Sides, CartPole-v1]"], "cannot be played by one policy"),
        (["--env", "[worlds.words:Sides, worlds.words:Sides]"], "is there twice"),
        (["--env", "[worlds.words:Sides"], "is damaged, or no YAML"),
    ],
)
def test_refused_in_one_line(tmp_path, capsys, more, message):
    assert train(tmp_path / "run", "--steps", 32, *more) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_dataset_is_of_one_environment(tmp_path, capsys):
    collect = ["collect", SETS, "--episodes", "2", "--by", "random", "--out", str(tmp_path / "d")]
    play = ["play", SETS, "--record", str(tmp_path / "d")]
    for command, message in ((collect, "one is needed"), (play, "is of one environment")):
        assert main(command) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(UserError, match="a dataset is of one environment"):
        Request([Sides, Heights], 2, "test")
    assert not list(tmp_path.iterdir())


def test_runs_of_other_sets_are_not_compared(tmp_path, capsys):
    result = {"success_rate": 0.5, "mean_return": 0.5, "episodes": 8}
    for name, env, seed in (("a", "[x, y]", 0), ("b", "[x, z]", 0)):
        run = tmp_path / name
        run.mkdir()
        config = f"env: '{env}'\nseed: {seed}\nmodel: {{features: {len(name + env) + ord(name)}}}\n"
        (run / "config.yaml").write_text(config)
        (run / "result.json").write_text(json.dumps(result))
    assert main(["compare", str(tmp_path)]) == 2
    assert "only runs of the same environments can be compared" in capsys.readouterr().err


def test_intervals_of_means_are_those_of_independent_estimates():
    mean, low, high = mean_of_means([(0.5, 0.4, 0.6), (0.7, 0.6, 0.8)])
    assert mean == pytest.approx(0.6)
    assert (mean - low, high - mean) == pytest.approx((0.02**0.5 / 2, 0.02**0.5 / 2))
    assert mean_of_means([(1.0, 0.9, 1.0)]) == (1.0, pytest.approx(0.9), 1.0)

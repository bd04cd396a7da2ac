"""``import mmrl``: what a notebook needs, by the same code as the command line."""

import base64
import json
import re
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import mmrl
from mmrl.cli import main
from mmrl.errors import UserError
from mmrl.evaluation.report import scalars
from mmrl.experiment.checkpoint import weights_checksum
from mmrl.experiment.env_info import FILE
from mmrl.experiment.run import Run
from mmrl.models.config import ModelConfig

GRID = "mmrl/GoToObjS4-v0"
SMALL = {
    "device": "cpu",
    "clip_every": 0,
    "eval_episodes": 4,
    "model": {
        "image_args": {"width": 8},
        "text_args": {"width": 8, "layers": 1, "heads": 2},
        "features": 8,
    },
    "ppo": {"num_envs": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 1},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short training on a grid world."""
    out = tmp_path_factory.mktemp("runs") / "first"
    return mmrl.train(GRID, steps=64, out=out, seed=3, verbose=False, **SMALL)


def weights(path):
    return weights_checksum(Run.open(path).newest_checkpoint())


def test_import_loads_no_torch():
    code = (
        "import sys, mmrl; loaded = sorted({'torch', 'gymnasium', 'numpy'} & set(sys.modules)); "
        "assert not loaded, loaded; assert set(mmrl.__all__) <= set(dir(mmrl))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names():
    assert mmrl.ModelConfig is ModelConfig
    for name in mmrl.__all__:
        assert callable(getattr(mmrl, name))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        mmrl.trian  # noqa: B018


def test_the_function_and_the_command_train_alike(trained, tmp_path, capsys):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({**SMALL, "env": GRID, "steps": 64, "seed": 3}))
    assert main(["train", "--config", str(file), "--out", str(tmp_path / "run")]) == 0
    assert "4 held-out episodes" in capsys.readouterr().out
    assert weights(tmp_path / "run") == weights(trained.path)
    ours, theirs = (sorted(p.name for p in run.iterdir() if "events" not in p.name)
                    for run in (trained.path, tmp_path / "run"))  # fmt: skip
    assert ours == theirs
    configs = [Run.open(run).config for run in (trained.path, tmp_path / "run")]
    assert {**configs[0], "out": ""} == {**configs[1], "out": ""}
    results = [json.loads((run / "result.json").read_text())
               for run in (trained.path, tmp_path / "run")]  # fmt: skip
    for key in ("success_rate", "success_rate_95", "mean_length", "seeds", "steps", "seed"):
        assert results[0][key] == results[1][key]


def test_a_training_is_quiet_on_demand(tmp_path, capsys):
    config = {**SMALL, "eval_episodes": 0, "model": ModelConfig(**SMALL["model"])}
    run = mmrl.train(GRID, steps=64, out=tmp_path / "run", seed=3, verbose=False, **config)
    assert capsys.readouterr().out == ""
    assert run.result is None
    assert run.config["model"]["features"] == 8


def test_ten_lines_on_an_environment_that_is_not_ours(counter, tmp_path):
    run = mmrl.train(counter, steps=64, out=tmp_path / "run", verbose=False, **SMALL)
    low, high = run.result["success_rate_95"]
    assert 0 <= low <= run.result["success_rate"] <= high <= 1
    agent = mmrl.load_agent(run)
    report = mmrl.evaluate(agent, episodes=4)
    assert report["episodes"] == 4
    assert report["env"] == counter
    env = mmrl.make_env(counter)
    observation, _ = env.reset(seed=0)
    action = agent.predict(observation)
    assert action in env.action_space
    page = agent.clip(seed=7)._repr_html_()
    image = re.search(r'src="data:image/gif;base64,([^"]+)"', page)
    assert base64.b64decode(image[1]).startswith(b"GIF")
    assert "count to" in page


def test_predictions_of_one_and_of_several(trained):
    agent, env = trained.agent, mmrl.make_vec_env(GRID, 3)
    observation, _ = env.reset(seed=5)
    actions = agent.predict(observation, deterministic=True)
    assert actions.shape == (3,)
    for e in range(3):
        one = {key: observation[key][e] for key in ("image", "instruction")}
        action = agent.predict(one, deterministic=True)
        assert type(action) is int
        assert action == actions[e]
    assert agent.probabilities(observation).shape == (3, 7)
    env.close()


def test_evaluation_takes_runs_agents_and_actors(trained):
    reports = [
        mmrl.evaluate(one, episodes=4, device="cpu", controls=False)
        for one in (trained, str(trained.path), trained.path, trained.agent)
    ]
    for report in reports:
        assert report["success_rate"] == trained.result["success_rate"]
        assert report["checkpoint"] == "step_64"
    report = mmrl.evaluate(trained.agent.actor, GRID, episodes=4, controls=False)
    assert report["success_rate"] == trained.result["success_rate"]
    swapped = mmrl.evaluate(trained, episodes=4, swap_instructions=True)
    assert swapped["swap_instructions"] is True
    other = mmrl.evaluate(trained, GRID, env_args={"max_steps": 3}, episodes=4)
    assert other["mean_length"] <= 3


def test_controls_of_an_evaluation(trained):
    """Of the trained agent: in its result, and for TensorBoard at the last step."""
    controls = trained.result["controls"]
    assert {"random_policy", "empty_instruction", "expert"} <= controls.keys()
    assert controls["expert"]["success_rate"] == 1
    assert 0 <= controls["expert"]["spl"] <= 1
    accumulator = EventAccumulator(str(trained.path)).Reload()
    for tag, value in scalars(trained.result).items():
        ((event),) = accumulator.Scalars(tag)
        assert (event.step, event.value) == (64, pytest.approx(value))
    assert {"eval/success_rate", "eval/random_policy", "eval/spl", "eval/expert_steps"} <= (
        scalars(trained.result).keys()
    )
    assert "random policy" in str(accumulator.Tensors("eval/report/text_summary")[0])
    again = mmrl.evaluate(trained, episodes=4)
    greedy = again["controls"].pop("greedy_actions")  # those are of evaluations by themselves
    assert greedy["episodes"] == 4
    assert again["controls"] == controls
    for alone in ({"controls": False}, {"swap_instructions": True}):
        assert "controls" not in mmrl.evaluate(trained, episodes=4, **alone)


def test_a_clip_is_written(trained, tmp_path):
    clip = trained.agent.clip(seed=3, max_episode_steps=40)
    clip.save(tmp_path / "clip.gif")
    assert (tmp_path / "clip.gif").read_bytes() == clip.gif()
    assert clip._repr_png_().startswith(b"\x89PNG")


def test_an_agent_is_loaded_without_its_environment(trained, monkeypatch, capsys):
    info = json.loads((trained.path / FILE).read_text())
    assert info["env"] == GRID
    assert info["actions"]["0"] == "left"
    assert "achieved" in info["info_keys"]
    assert {"go", "ball"} <= set(info["instruction_words"])

    def refuse(*args, **kwargs):
        raise AssertionError("the environment was built")

    monkeypatch.setattr(gym, "make", refuse)
    monkeypatch.setattr(gym, "make_vec", refuse)
    agent = mmrl.load_agent(trained.path, "cpu")
    image = np.zeros((56, 56, 3), np.uint8)
    assert 0 <= agent.predict({"image": image, "instruction": "go to the red ball"}) < 7


def test_a_run_without_the_file_builds_its_environment(trained, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(trained.path, tmp_path / "old")
    (tmp_path / "old" / FILE).unlink()
    built = []
    make = gym.make
    monkeypatch.setattr(gym, "make", lambda *a, **k: built.append(a) or make(*a, **k))
    assert (
        mmrl.evaluate(tmp_path / "old", episodes=4, controls=False)["success_rate"]
        == (trained.result["success_rate"])
    )
    assert len(built) == 1


def test_the_environment_is_built_once_before_training(counter, tmp_path, monkeypatch):
    from mmrl_agents.vec_env import MultimodalVecEnv

    built, before = [], []
    make, init = gym.make, MultimodalVecEnv.__init__

    def training(self, *args, **kwargs):
        before.append(len(built))
        init(self, *args, **kwargs)

    monkeypatch.setattr(gym, "make", lambda *a, **k: built.append(a) or make(*a, **k))
    monkeypatch.setattr(MultimodalVecEnv, "__init__", training)
    small = {**SMALL, "eval_episodes": 0}
    mmrl.train(counter, steps=64, out=tmp_path / "run", verbose=False, **small)
    assert before == [1 + SMALL["ppo"]["num_envs"]]  # the probe, and those of the batch


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env": "mmrl/GoToRedBal-v0"}, "did you mean 'mmrl/GoToRedBall-v0'"),
        ({"setps": 3}, "setps"),
        ({"model": {"fusoin": "film"}}, "fusoin"),
        ({"model": {"fusion": "flim"}}, "'film'"),
        ({"ppo": {"num_envs": "many"}}, "num_envs"),
        ({"ppo": {"batch_size": 100}}, "must divide"),
        ({"agent": "pppo"}, "did you mean 'ppo'"),
        ({"steps": 0}, "at least 1"),
        ({"resume": "runs/first"}, "is an option of 'mmrl train'"),
    ],
)
def test_what_cannot_be_trained(tmp_path, changes, message):
    given = {"env": GRID, "steps": 64, "out": tmp_path / "run", **SMALL, **changes}
    with pytest.raises(UserError, match=message):
        mmrl.train(given.pop("env"), **given)
    assert not (tmp_path / "run").exists()


def test_other_errors_name_the_fix(trained, tmp_path):
    with pytest.raises(UserError, match="is no run folder"):
        mmrl.load_agent(tmp_path)
    (tmp_path / "config.yaml").write_text("task: captioner\n")
    with pytest.raises(UserError, match="holds no agent"):
        mmrl.load_agent(tmp_path)
    with pytest.raises(UserError, match="episodes=0: must be at least 1"):
        mmrl.evaluate(trained, episodes=0)
    with pytest.raises(UserError, match="env is missing"):
        mmrl.evaluate(trained.agent.actor)
    with pytest.raises(UserError, match="lacks 'instruction': it has image"):
        trained.agent.predict({"image": np.zeros((56, 56, 3), np.uint8)})
    with pytest.raises(UserError, match="give a mapping, as an environment of mmrl.make_env"):
        trained.agent.predict({})
    with pytest.raises(UserError, match=r"float64 \[56, 56, 3\]: it must be uint8"):
        trained.agent.predict({"image": np.zeros((56, 56, 3)), "instruction": "go"})

"""Exported runs: small run folders that act alike, with a card that the hub reads."""

import json
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from PIL import Image
from safetensors import safe_open

import mmrl
from mmrl import registry
from mmrl.cli import main
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import Checkpoint
from mmrl.experiment.run import Run, Status
from mmrl.files import write_json
from mmrl.sharing import zoo
from mmrl.sharing.export import half_precision
from mmrl_agents.algorithms.dqn import DQNAgent
from tests.worlds.lamps import Lamps

FILES = {
    "README.md", "checkpoints", "code.json", "config.yaml", "encoders", "env_info.json",
    "preview.gif", "result.json", "status.json", "tokenizer.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "lamps"
    return mmrl.export(trained, folder, licence="mit")


def weights_of(folder):
    file = Run.open(folder).newest_checkpoint() / "weights.safetensors"
    with safe_open(file, "np") as tensors:
        return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118


def observations():
    images = np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), dtype=np.uint8)
    return {"image": images, "instruction": ["press left", "press right"] * 4}


def test_acts_alike_without_what_training_needs(trained, exported):
    assert {one.name for one in exported.iterdir()} <= FILES
    assert not any("auxiliary" in name for name in weights_of(exported))
    assert any("auxiliary" in name for name in weights_of(trained.path))
    agent = mmrl.load_agent(exported)
    ours = trained.agent.probabilities(observations())
    np.testing.assert_array_equal(agent.probabilities(observations()), ours)
    size = sum(one.stat().st_size for one in exported.rglob("*") if one.is_file())
    assert size < 0.5 * sum(one.stat().st_size for one in trained.path.rglob("*") if one.is_file())
    assert str(trained.path) not in "".join(
        one.read_text() for one in exported.iterdir() if one.suffix in (".md", ".json", ".yaml")
    )


def test_card(exported, trained):
    card = ModelCard.load(exported / "README.md")
    data = card.data.to_dict()
    assert data["license"] == "mit"
    assert data["library_name"] == "mmrl"
    assert data["pipeline_tag"] == "reinforcement-learning"
    assert {"reinforcement-learning", "multimodal", "gymnasium", "ppo"} <= set(data["tags"])
    success, reward = card.data.eval_results
    assert success.metric_type == "success_rate"
    assert reward.metric_type == "mean_reward"
    assert success.task_type == "reinforcement-learning"
    assert success.dataset_name == trained.config["env"]
    report = trained.result
    assert success.metric_value == pytest.approx(report["success_rate"], abs=1e-3)
    low, high = report["success_rate_95"]
    assert f"95% interval {low:.3g} to {high:.3g}" in success.metric_name
    random = report["controls"]["random_policy"]
    for shown in (f"| random policy | {random['success_rate']:.1%} |", "| swapped instructions |",
                  "image: small_resnet, instruction: small_bert", "mmrl watch NAME"):  # fmt: skip
        assert shown in card.content
    with Image.open(exported / "preview.gif") as image:
        assert image.n_frames >= 2


def test_half_rounds_the_weights(trained, tmp_path):
    folder = mmrl.export(trained, tmp_path / "half", half=True, preview=False)
    rounded = weights_of(folder)
    floats = [one for one in rounded.values() if one.dtype.kind == "f"]
    assert {one.dtype for one in floats if one.ndim > 1} == {np.dtype("f2")}
    assert {one.dtype for one in floats if one.ndim < 2} == {np.dtype("f4")}
    halved = mmrl.load_agent(folder).probabilities(observations())
    np.testing.assert_allclose(halved, trained.agent.probabilities(observations()), atol=5e-3)
    assert (
        "Measured before the weights were rounded to float16." in (folder / "README.md").read_text()
    )


def test_half_keeps_running_statistics_and_counts():
    weights = {
        "body.weight": torch.full((2, 3), 0.1),
        "running_mean": torch.tensor([70_000.0, 0.1]),
        "count": torch.tensor([1e6]),
        "steps": torch.tensor(70_000),
    }
    rounded = half_precision(weights)
    assert rounded["body.weight"].dtype == torch.float16
    for name in ("running_mean", "count", "steps"):
        assert rounded[name].dtype == weights[name].dtype
        torch.testing.assert_close(rounded[name], weights[name], rtol=0, atol=0)
    with pytest.raises(UserError, match=r"--half: body.weight has numbers above 65504"):
        half_precision({"body.weight": torch.full((2, 3), 1e5)})


def test_the_command_and_what_it_refuses(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(trained.path), "there", "--preview", "false"]) == 0
    assert "exported to there (0." in capsys.readouterr().out
    before = (tmp_path / "there" / "README.md").read_text()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    for name, text in (("README.md", "no JSON"), ("list.json", "[1]"), ("other.json", '{"a": 1}')):
        (tmp_path / name).write_text(text)
    for arguments, message in (
        (["there"], "there exists already: give another folder, or --force"),
        (
            ["mine", "--force"],
            "mine is neither an exported run nor a dataset: --force replaces nothing",
        ),
        ([str(trained.path), "--force"], "is the run itself"),
        (["no/where"], "no/where: its folder does not exist"),
        (["new", "--result", "README.md"], "README.md cannot be read"),
        (["new", "--result", "list.json"], "list.json is no result of an evaluation"),
        (["new", "--result", "other.json"], "other.json is no result of an evaluation: KeyError"),
        (["new", "--result", "none.json"], "--result none.json: there is no such file"),
    ):
        assert main(["export", str(trained.path), *arguments]) == 2
        assert message in capsys.readouterr().err
    assert (tmp_path / "there" / "README.md").read_text() == before
    assert not (tmp_path / "new").exists()
    result = tmp_path / "result.json"
    result.write_text(json.dumps({**trained.result, "success_rate": 0.123, "run": "/home/ann"}))
    assert main(["export", str(trained.path), "there", "--force", "--result", str(result),
                 "--preview", "false"]) == 0  # fmt: skip
    assert "12.3%" in (tmp_path / "there" / "README.md").read_text()
    assert "/home/ann" not in (tmp_path / "there" / "result.json").read_text()


def test_cannot_be_resumed(exported, capsys):
    assert Run.open(exported).status is Status.EXPORTED
    assert main(["train", "--resume", str(exported)]) == 2
    assert "was exported, without what resuming needs" in capsys.readouterr().err
    with pytest.raises(UserError, match="begin a training like it by 'mmrl train --config"):
        mmrl.resume(exported)


def test_goal_images_are_refused(trained, tmp_path):
    run = Run(trained.path, {**trained.config, "model": {"goal_image": "runs/painter"}})
    with pytest.raises(UserError, match="the painter runs/painter, which is not part of the run"):
        mmrl.export(run, tmp_path / "there")


def test_an_environment_that_cannot_be_shown(trained, tmp_path, monkeypatch):
    def fail(self, **_):
        raise OSError("no screen")

    monkeypatch.setattr(Lamps, "reset", fail)
    lines = []
    folder = mmrl.export(trained, tmp_path / "there", log=lines.append)
    assert not (folder / "preview.gif").exists()
    assert "preview.gif" not in (folder / "README.md").read_text()
    assert "no preview.gif" in lines[0]


def test_weights_of_target_networks_are_left_out():
    weights = {"q_net.a": 1, "q_net_target.a": 2}
    state = {"fingerprints": {"instruction": "x"}, "learned": {"replay": [0]}}
    reduced = DQNAgent.for_inference(Checkpoint(5, weights, state))
    assert reduced == Checkpoint(5, {"q_net.a": 1}, {"fingerprints": {"instruction": "x"}})


def test_zoo_of_a_package(exported, tmp_path, monkeypatch, capsys):
    package = tmp_path / "shop_zoo"
    package.mkdir()
    (package / "__init__.py").touch()
    mmrl.export(exported, package / "lamp-presser", preview=False)
    monkeypatch.syspath_prepend(tmp_path)
    entries = {"shop": EntryPoint("shop", "shop_zoo", registry.ZOO),
               "gone": EntryPoint("gone", "no_such_zoo", registry.ZOO)}  # fmt: skip
    monkeypatch.setattr(zoo, "entry_points", lambda _: entries)
    with pytest.warns(UserWarning, match="'gone' \\(no_such_zoo\\) cannot be found"):
        assert main(["zoo"]) == 0
    assert "zoo:lamp-presser  " in capsys.readouterr().out
    del entries["gone"]
    result = package / "lamp-presser" / "result.json"
    measured = json.loads(result.read_text())
    write_json(result, {**measured, "success_rate": None, "mean_return": -1234.5})
    assert main(["zoo"]) == 0
    assert "return -1,234.5  " in capsys.readouterr().out
    ours = mmrl.load_agent("zoo:lamp-presser").probabilities(observations())
    np.testing.assert_array_equal(ours, mmrl.load_agent(exported).probabilities(observations()))
    assert main(["eval", "zoo:lamp-presser", "--episodes", "2", "--controls", "false"]) == 0
    assert main(["eval", "zoo:lamp-preser"]) == 2
    assert "did you mean 'lamp-presser'?" in capsys.readouterr().err


def test_config_is_that_of_the_run(trained, exported):
    config = yaml.safe_load((exported / "config.yaml").read_text())
    assert {**config, "out": ""} == {**trained.config, "out": ""}
    assert config["out"] == "lamps"

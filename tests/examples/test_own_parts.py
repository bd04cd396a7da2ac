"""The examples of own parts: an encoder of each kind, a fusion and an agent, by their paths."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import mmrl
from mmrl import trust
from mmrl.cli import main
from mmrl.errors import UserError
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.inputs import ModelInputs
from mmrl.models.io import load_model, save_model

EXAMPLES = Path(__file__).parents[2] / "examples"
OURS = ("own_encoder", "own_fusion", "own_agent")
ENV = "worlds.bits:bits/Bit-v0"
PARTS = {
    "text": "own_encoder.PositionalWords",
    "text_args": {"width": 16},
    "image": "own_encoder:coord_conv",
    "image_args": {"width": 8},
    "fusion": "own_fusion.WhereAndWhat",
    "features": 16,
}
OPTIONS = [
    "--env", ENV, "--env-args", "{observations: text}", "--device", "cpu", "--clip-every", "0",
    "--agent", "own_agent.Reinforce", "--Reinforce.num-envs", "8", "--Reinforce.n-steps", "4",
    "--Reinforce.learning-rate", "0.02", "--eval-episodes", "32",
    *(f"--model.{key.replace('_', '-')}={value}" for key, value in PARTS.items()),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def examples(tmp_path_factory):
    """The examples can be imported; runs are signed by a key of the test's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(EXAMPLES)])
        patch.setattr(trust, "_command_line", trust._CommandLine())
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield
    for name in OURS:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A training by the command, all of whose parts are the examples'."""
    out = tmp_path_factory.mktemp("runs") / "own"
    assert main(["train", *OPTIONS, "--steps", "1024", "--out", str(out)]) == 0
    return out


def inputs(height: int = 24, width: int = 32) -> ModelInputs:
    return ModelInputs.standard((height, width), ("", "press", "the", "left", "right"))


def batch(rows: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (rows, 24, 32, 3), dtype=torch.uint8, generator=generator)
    ids = torch.tensor([[1, 2, 3], [3, 2, 1], [1, 4, 0]], dtype=torch.int32)
    return {"image": images, "instruction": ids[:rows]}


def test_each_is_short_and_has_its_command():
    for name in OURS:
        text = (EXAMPLES / f"{name}.py").read_text()
        assert len(text.splitlines()) <= 128
        assert f" {name}." in text.split('"""')[1]


def test_the_agent_learns_to_read(run):
    result = mmrl.evaluate(run, episodes=32)
    assert result["success_rate"] == 1.0
    assert result["controls"]["swapped_instructions"]["success_rate"] < 0.7


def test_the_agent_is_loaded_and_shown(run, tmp_path):
    agent = mmrl.load_agent(run)
    env = mmrl.make_env(ENV, observations="text")
    observation, _ = env.reset(seed=3)
    action = agent.predict(observation, deterministic=True)
    assert env.step(action)[4]["is_success"]
    clip = tmp_path / "own.gif"
    assert main(["clip", str(run), "--out", str(clip)]) == 0
    assert clip.stat().st_size > 1_000


def test_the_agent_resumes(run, tmp_path):
    out = tmp_path / "short"
    assert main(["train", *OPTIONS, "--steps=32", "--eval-episodes=0", "--out", str(out)]) == 0
    again = ["train", "--resume", str(out), "--steps", "64", "--allow-changes"]
    assert main(again) == 0
    assert (out / "checkpoints" / "step_64").is_dir()


def test_a_configuration_file_needs_trust(run, monkeypatch, capsys, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text((run / "config.yaml").read_text())
    monkeypatch.setattr(trust, "_command_line", trust._CommandLine())
    for name in OURS:
        monkeypatch.delitem(sys.modules, name)
    assert main(["train", "--config", str(config), "--out", str(tmp_path / "new")]) == 2
    assert "names code that is not installed: agent: own_agent.Reinforce" in capsys.readouterr().err
    assert not set(OURS) & sys.modules.keys()


def test_the_model_is_saved_and_loaded(tmp_path):
    torch.manual_seed(0)
    model = build_model(ModelConfig(**PARTS), inputs()).eval()
    features = model(batch())
    assert features.shape == (3, 16)
    save_model(model, tmp_path / "model")
    torch.testing.assert_close(load_model(tmp_path / "model")(batch()), features)
    model.train()(batch()).sum().backward()
    assert all(one.grad is not None and one.grad.any() for one in model.encoders.parameters())


def test_the_order_of_words_and_the_place_of_pixels_count():
    torch.manual_seed(0)
    model = build_model(ModelConfig(**PARTS), inputs()).eval()
    tokens = model.encode(batch())
    first, turned, _ = tokens["instruction"].mean()
    assert (first - turned).abs().max() > 0.01
    blank = {**batch(), "image": torch.zeros(3, 24, 32, 3, dtype=torch.uint8)}
    left, right = model.encode(blank)["image"].as_grid()[0, 0, [0, -1]]
    assert (left - right).abs().max() > 0.01


def test_the_fusion_bears_a_missing_modality():
    torch.manual_seed(0)
    model = build_model(ModelConfig(**PARTS), inputs()).eval()
    whole = batch()
    for key in whole:
        features = model({key: whole[key]})
        assert features.shape == (3, 16)
        assert not torch.allclose(features, model(whole))
    with pytest.raises(UserError, match="fusion_args .* do not fit own_fusion.WhereAndWhat"):
        build_model(ModelConfig(**PARTS, fusion_args={"sharpnes": 1.0}), inputs())


def test_a_frozen_encoder_is_cached_and_images_are_resized():
    config = ModelConfig(**PARTS, image_trained=0, image_size=(16, 16))
    model = build_model(config, inputs())
    model(batch())
    assert not any(one.requires_grad for one in model.encoders["image"].parameters())
    assert model.encoders["image"].uses_cache
    assert model.encoders["image"].shape.grid == (2, 2)
    assert np.isfinite(model(batch()).detach().numpy()).all()

"""``mmrl train --dqn.hindsight …``: who relabels, what is logged, and going on exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.cli import main
from mmrl.experiment.run import Run
from mmrl_agents.hindsight.captioner import LearnedCaptioner

ENV = ["--env", "mmrl/PickupDist-v0", "--env_args", "{strict: true, room_size: 5, num_dists: 4}"]
TINY = [
    "--seed", "3", "--device", "cpu", "--eval_episodes", "0", "--clip_every", "0",
    "--model.text", "bag_of_words", "--model.fusion", "concat", "--model.image_args", "{width: 8}",
]  # fmt: skip
DQN = {
    "num_envs": 8, "buffer_size": 2000, "learning_starts": 64, "train_freq": 4,
    "gradient_steps": 1, "batch_size": 16, "exploration_final_eps": 0.9,
}  # fmt: skip


def train(out: Path, agent: str, who: str, steps: int, *more: str) -> int:
    hyper = [f"--{agent}.{name}={value}" for name, value in DQN.items()]
    return main(
        ["train", *ENV, *TINY, "--agent", agent, *hyper, "--steps", str(steps), "--out", str(out),
         f"--{agent}.hindsight", who, *more]
    )  # fmt: skip


def scalars(run: Path, tag: str) -> list[float]:
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    if tag not in events.Tags()["scalars"]:
        return []
    return [event.value for event in events.Scalars(tag)]


@pytest.mark.parametrize(
    ("agent", "who"), [("dqn", "oracle"), ("qrdqn", "oracle"), ("dqn", "none")]
)
def test_the_verifier_relabels_and_is_right(tmp_path: Path, agent: str, who: str):
    assert train(tmp_path / "run", agent, who, 800) == 0
    relabelled = scalars(tmp_path / "run", "hindsight/relabelled")
    if who == "none":
        assert not relabelled
        return
    assert 0 < relabelled[-1] <= 1
    assert set(scalars(tmp_path / "run", "hindsight/accuracy")) == {1.0}
    assert scalars(tmp_path / "run", "hindsight/distinct_instructions")[-1] > 8


def test_a_captioner_learns_on_the_way_and_all_goes_on_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(LearnedCaptioner, "first", 5)
    monkeypatch.setattr(LearnedCaptioner, "first_steps", 30)
    monkeypatch.setattr(LearnedCaptioner, "steps", 10)
    monkeypatch.setattr("mmrl_agents.hindsight.captioner._BATCH", 16)
    monkeypatch.setattr("mmrl_agents.hindsight.captioner._RATE", 5e-3)  # few steps have to do
    run = tmp_path / "whole"
    more = ["--env_args", "{strict: true, room_size: 5, num_dists: 4, max_steps: 25}"]
    more += ["--checkpoint_every", "800", "--keep_checkpoints", "9"]
    assert train(run, "dqn", "learned", 1600, *more) == 0
    assert scalars(run, "hindsight/captioner_examples")[-1] > 5
    assert scalars(run, "hindsight/relabelled")[-1] > 0
    assert 0 <= scalars(run, "hindsight/accuracy")[-1] <= 1
    whole = Run.open(run)
    first = min(whole.checkpoints.glob("step_*"), key=lambda one: int(one.name[5:]))
    last = whole.newest_checkpoint()
    assert first != last
    expected = {name: (last / name).read_bytes() for name in ("weights.safetensors", "state.npz")}
    for folder in whole.checkpoints.glob("step_*"):
        if folder != first:
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
    assert main(["train", "--resume", str(run)]) == 0
    assert whole.newest_checkpoint().name == last.name
    for name, content in expected.items():
        assert (whole.newest_checkpoint() / name).read_bytes() == content


def test_a_fitted_captioner(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    collect = ["collect", "mmrl/PickupDist-v0", *ENV[2:], "--episodes", "30", "--by", "random"]
    assert main([*collect, "--out", str(tmp_path / "data")]) == 0
    options = [
        "--steps", "30", "--batch_size", "16", "--width", "32", "--layers", "1", "--heads", "2",
        "--evaluate_every", "30", "--device", "cpu", "--image_args", "{width: 8}",
        "--without", "on your|front of|behind|go to",
    ]  # fmt: skip
    captioner = str(tmp_path / "captioner")
    data = ["--data", str(tmp_path / "data"), "--test_share", "0.3"]
    assert main(["fit", "captioner", *data, *options, "--out", captioner]) == 0
    assert train(tmp_path / "run", "dqn", captioner, 400) == 0
    assert np.isfinite(scalars(tmp_path / "run", "hindsight/relabelled")).all()
    capsys.readouterr()
    larger = ["--env", "mmrl/PickupDist-v0", "--env_args", "{strict: true, tile_size: 9}"]
    assert train(tmp_path / "other", "dqn", captioner, 800, *larger) == 2
    assert "that captioner takes 2 images of [56, 56] pixels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("who", "more", "message"),
    [
        ("oracel", (), "'oracel': is not none, oracle or learned, nor a run folder"),
        ("learned", ("--instruction", "speech"), "needs instruction: text, not speech"),
    ],
)
def test_what_cannot_be(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    who: str,
    more: tuple[str, ...],
    message: str,
):
    assert train(tmp_path / "run", "dqn", who, 100, *more) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_environment_without_a_verifier(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], counter: str
):
    options = ["--env", counter, "--env_args", "{}"]
    assert train(tmp_path / "run", "dqn", "oracle", 100, *options) == 2
    assert "does not report what was achieved" in capsys.readouterr().err
    assert train(tmp_path / "learned", "dqn", "learned", 100, *options) == 0

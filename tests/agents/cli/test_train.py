"""``mmrl train``, ``mmrl eval`` and ``mmrl clip``, from the command line to the files."""

import json

import gymnasium as gym
import numpy as np
import pytest
import yaml
from gymnasium import spaces
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.cli import main
from mmrl.contract import EVAL_SEED_START
from mmrl.evaluation.player import EpisodePlayer
from mmrl.experiment.run import Run

GRID = "mmrl/GoToLocal-v0"
TINY = {
    "device": "cpu",
    "steps": 128,
    "eval_episodes": 6,
    "clip_every": 0,
    "model": {
        "image_args": {"width": 8},
        "text_args": {"width": 8, "layers": 1, "heads": 2},
        "features": 8,
    },
    "ppo": {"num_envs": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 1},
}


@pytest.fixture
def config(tmp_path):
    """Writes a configuration and gives its path."""

    def write(**changes):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({**TINY, **changes}))
        return str(path)

    return write


def check_result(result, env, episodes, first_seed=EVAL_SEED_START):
    low, high = result["success_rate_95"]
    assert 0 <= low <= result["success_rate"] <= high <= 1
    assert result["env"] == env
    assert result["episodes"] == episodes
    assert result["seeds"] == [first_seed, first_seed + episodes - 1]
    assert result["mean_length"] >= 1
    assert {"python", "torch", "stable-baselines3"} <= set(result["versions"])


def test_train_and_evaluate(config, tmp_path, capsys):
    out = tmp_path / "runs" / "first"
    file = config(env=GRID, env_args={"room_size": 5, "num_dists": 2, "max_steps": 12})
    override = ["--model.fusion", "concat", "--ppo.gamma", "0.9", "--seed", "7"]
    assert main(["train", "--config", file, "--out", str(out), *override]) == 0
    output = capsys.readouterr().out
    assert "6 held-out episodes" in output
    assert "tensorboard --logdir" in output

    resolved = Run.open(out).config
    assert resolved["model"]["fusion"] == "concat"  # overridden
    assert resolved["model"]["features"] == 8  # from the file
    assert resolved["model"]["image"] == "small_resnet"  # default
    assert resolved["ppo"]["gamma"] == 0.9
    assert resolved["ppo"]["num_envs"] == 4
    assert resolved["env_args"] == {"room_size": 5, "num_dists": 2, "max_steps": 12}
    result = json.loads((out / "result.json").read_text())
    check_result(result, GRID, 6)
    assert result["env_args"] == resolved["env_args"]
    assert (result["agent"], result["steps"], result["seed"]) == ("ppo", 128, 7)
    assert result["mean_length"] <= 12

    report = tmp_path / "report.json"
    more = ["--episodes", "9", "--first-seed", "500", "--json", str(report), "--device", "cpu"]
    assert main(["eval", str(out), *more]) == 0
    check_result(json.loads(report.read_text()), GRID, 9, 500)
    assert json.loads(report.read_text())["checkpoint"] == "step_128"
    assert "9 held-out episodes" in capsys.readouterr().out

    capsys.readouterr()
    plain = ["--controls", "false"]
    assert main(["eval", str(out), "--episodes", "6", "--json", str(report), *plain]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2  # the success, and where it is written
    again = json.loads(report.read_text())
    assert "controls" not in again
    assert set(result["controls"]) >= {"random_policy", "empty_instruction", "expert"}
    assert again["mean_length"] == result["mean_length"]  # the same policy, seeds and sampling
    assert again["success_rate"] == result["success_rate"]

    arguments = ["eval", str(out), "--episodes", "6", "--swap-instructions", "--json", str(report)]
    assert main(arguments) == 0
    assert json.loads(report.read_text())["swap_instructions"] is True
    assert "with swapped instructions" in capsys.readouterr().out

    assert main(["eval", str(out), "--env", "mmrl/GoToObjS4-v0", "--episodes", "3"]) == 0
    gif = tmp_path / "clip.gif"
    assert main(["clip", str(out), "--episodes", "2", "--out", str(gif)]) == 0
    with Image.open(gif) as image:
        assert 4 <= image.n_frames <= 26


def test_resolved_configuration_trains_again(config, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    file = config(env="mmrl/GoToObjS4-v0", env_args={"max_steps": 12})
    assert main(["train", "--config", file, "--out", str(first)]) == 0
    saved = str(first / "config.yaml")
    assert main(["train", "--config", saved, "--out", str(second)]) == 0
    one, two = (json.loads((run / "result.json").read_text()) for run in (first, second))
    for key in ("success_rate", "mean_length", "mean_return", "seeds"):
        assert one[key] == two[key]


def test_minigrid_itself(config, tmp_path):
    pytest.importorskip("minigrid")
    env = "BabyAI-GoToRedBallGrey-v0"
    out = tmp_path / "run"
    arguments = ["--out", str(out), "--steps", "128", "--eval_episodes", "3", "--clip_every", "128"]
    arguments += ["--env_args", "{max_steps: 16}"]
    assert main(["train", "--config", config(env=env), *arguments]) == 0
    result = json.loads((out / "result.json").read_text())
    check_result(result, env, 3)
    assert "minigrid" in result["versions"]
    assert (out / "checkpoints" / "step_128").is_dir()


class Faulty(gym.Env):
    """Does what a test asks of it; ends after three steps."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (16, 16, 3), np.uint8), instruction=spaces.Text(9)
    )
    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}
    action_space = spaces.Discrete(2)

    closed = 0  # of all of them, which share a display if they do

    def __init__(
        self, render_mode=None, action_space=None, reward=1.0, length=3, shares_display=False
    ):
        self.render_mode, self.reward, self.length = render_mode, reward, length
        self.action_space = action_space or self.action_space
        self.shares_display, self.opened = shares_display, Faulty.closed

    def look(self):
        return {"image": np.full((16, 16, 3), self.steps % 250, np.uint8), "instruction": "go"}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.look(), {}

    def step(self, action):
        if self.shares_display and self.opened < Faulty.closed:
            raise RuntimeError("display Surface quit")
        self.steps += 1
        reward = self.reward if self.steps == 2 else 0.0
        return self.look(), reward, self.steps == self.length, False, {}

    def close(self):
        Faulty.closed += 1

    def render(self):
        raise RuntimeError("no GL context")


@pytest.fixture
def faulty(config, tmp_path):
    """Trains in an environment with some faults; the run's folder."""

    def train(steps=64, **faults):
        gym.register("test/Faulty-v0", Faulty, kwargs=faults, disable_env_checker=True)
        file = config(env="test/Faulty-v0", steps=steps, clip_every=1, eval_episodes=2)
        try:
            status = main(["train", "--config", file, "--out", str(tmp_path / "run")])
        finally:
            del gym.registry["test/Faulty-v0"]
        return status, tmp_path / "run"

    return train


SPACES = [
    spaces.Box(-1, 1, (2,), np.float32),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiBinary(2),
]


@pytest.mark.filterwarnings("ignore:environment test/Faulty:UserWarning")
@pytest.mark.filterwarnings("ignore:no clips:UserWarning")
@pytest.mark.parametrize("space", SPACES)
def test_a_training_with_clips_of_actions_of_any_kind(faulty, space):
    status, run = faulty(action_space=space)
    assert status == 0
    assert (run / "checkpoints" / "step_64").is_dir()
    events = EventAccumulator(str(run), {"images": 0})
    events.Reload()
    assert events.Images("rollout/clip")


def test_a_clip_that_fails_does_not_end_the_training(faulty, monkeypatch):
    monkeypatch.setattr(EpisodePlayer, "play", lambda *_, **__: 1 / 0)
    match = "no clips: environment test/Faulty-v0: ZeroDivisionError.*; the training continues"
    with pytest.warns(UserWarning, match=match) as caught:
        status, run = faulty()
    assert status == 0
    assert len([one for one in caught if "no clips" in str(one.message)]) == 1
    assert (run / "checkpoints" / "step_64").is_dir()


@pytest.mark.filterwarnings("ignore:environment test/Faulty-v0. render")
def test_later_clips_are_tried_again(faulty, monkeypatch):
    play, count = EpisodePlayer.play, []

    def second(self, *args, **kwargs):
        count.append(1)
        return 1 / 0 if len(count) == 1 else play(self, *args, **kwargs)

    monkeypatch.setattr(EpisodePlayer, "play", second)
    with pytest.warns(UserWarning, match="no clips: environment test/Faulty-v0") as caught:
        status, run = faulty()
    assert status == 0
    texts = [str(one.message) for one in caught]
    assert len([text for text in texts if "no clips" in text]) == 1
    events = EventAccumulator(str(run), {"images": 0})
    events.Reload()
    assert events.Images("rollout/clip")


@pytest.mark.filterwarnings("ignore:environment test/Faulty-v0. render")
def test_no_environment_is_closed_beside_those_of_the_training(faulty):
    status, run = faulty(steps=192, shares_display=True)
    assert status == 0
    events = EventAccumulator(str(run), {"images": 0})
    events.Reload()
    assert len(events.Images("rollout/clip")) > 2


def test_a_reward_that_is_not_finite_is_named(faulty, capsys):
    status, _ = faulty(reward=float("nan"))
    output = capsys.readouterr().err
    assert status == 2
    assert "environment test/Faulty-v0 (number 0 of the batch, seeded with 0, episode 1" in output
    assert "reward is nan in step 2" in output
    assert "learning_rate" not in output


@pytest.mark.filterwarnings("ignore:environment test/Faulty-v0. render")
def test_episodes_that_do_not_end(faulty, monkeypatch, capsys):
    monkeypatch.setattr("mmrl.wrappers.episode_limit.MAX_EPISODE_STEPS", 25)
    monkeypatch.setattr("mmrl.evaluation.player.MAX_EPISODE_STEPS", 8)
    with (
        pytest.warns(UserWarning, match="did not end within 8 steps"),  # the clips
        pytest.warns(UserWarning, match="did not end within 25 steps"),
    ):
        status, run = faulty(length=10**9)
    assert status == 0
    assert "2 of them cut at 25 steps" in capsys.readouterr().out
    result = json.loads((run / "result.json").read_text())
    assert result["episodes_at_limit"] == 2

    gym.register("test/Faulty-v0", Faulty, kwargs={"length": 10**9}, disable_env_checker=True)
    report = str(run / "report.json")
    arguments = ["--episodes", "2", "--max-episode-steps", "9", "--json", report]
    with pytest.warns(UserWarning, match="did not end within 9 steps"):
        assert main(["eval", str(run), *arguments]) == 0
    assert json.loads((run / "report.json").read_text())["max_episode_steps"] == 9
    gif = ["--out", str(run / "clip.gif"), "--episodes", "2", "--max-episode-steps", "5"]
    with pytest.warns(UserWarning, match="did not end within 5 steps"):
        assert main(["clip", str(run), *gif]) == 0
    with Image.open(run / "clip.gif") as image:
        assert image.n_frames == 12
    for command in (["eval", str(run)], ["clip", str(run)]):
        assert main([*command, "--max-episode-steps", "0"]) == 2
    data = ["collect", "test/Faulty-v0", "--episodes", "2", "--by", "random"]
    data += ["--out", str(run / "data"), "--max-episode-steps"]
    assert main([*data, "0"]) == 2
    with pytest.warns(UserWarning, match="did not end within 7 steps"):
        assert main([*data, "7"]) == 0
    del gym.registry["test/Faulty-v0"]

"""The checker finds what would spoil a training, with the step and the fix."""

import json

import gymnasium as gym
import numpy as np
import pytest
import worlds.masked
from gymnasium import spaces
from gymnasium.envs.registration import register, registry

from mmrl.cli import main
from mmrl.errors import UserError
from mmrl.training.env_check import check_env

RGB = spaces.Box(0, 255, (18, 20, 3), np.uint8)


class Good(gym.Env):
    """Press the side of the light; each episode is one step."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space = spaces.Dict({"rgb": RGB, "q": spaces.Box(-1, 1, (2,), np.float32)})
    action_space = spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.side = 0, int(self.np_random.integers(2))
        return self.look(), {}

    def step(self, action):
        self.steps += 1
        right = int(action) == self.side
        return self.look(), float(right), self.steps == 3, False, {"success": right}

    def look(self):
        light = np.full((18, 20, 3), 50 + 150 * self.side, np.uint8)
        return {"rgb": light, "q": np.zeros(2, np.float32)}

    def render(self):
        return np.zeros((30, 30, 3), np.uint8)


def look(**changed):
    """A class whose second step has another observation."""

    class Odd(Good):
        def look(self):
            observation = super().look()
            if self.steps < 2:
                return observation
            return {k: v for k, v in {**observation, **changed}.items() if v is not None}

    return Odd


def step(*answer, **info):
    """A class whose second step gives something else."""

    class Odd(Good):
        def step(self, action):
            usual = super().step(action)
            return usual if self.steps < 2 else (usual[0], *answer)

    return Odd


class Raising(Good):
    def step(self, action):
        if self.steps == 1:
            raise RuntimeError("the arm is stuck")
        return super().step(action)


class Unmade(Good):
    def __init__(self, render_mode=None):
        raise RuntimeError("no display")


class Old(Good):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class Unseeded(Good):
    def look(self):
        return {**super().look(), "q": np.random.random(2).astype(np.float32)}


class Blind(Good):
    metadata = {"render_modes": []}


class Dark(Good):
    def render(self):
        return None


@pytest.fixture
def make():
    def registered(kind):
        register("test/Checked-v0", kind)
        return "test/Checked-v0"

    yield registered
    registry.pop("test/Checked-v0", None)


def test_a_good_environment(make, capsys, tmp_path):
    env, sheet = make(Good), tmp_path / "sheet.png"
    file = tmp_path / "report.json"
    command = ["check-env", env, "--steps", "30", "--out", str(sheet), "--json", str(file)]
    assert main(command) == 0
    assert json.loads(file.read_text())["episodes"] == 10
    out = capsys.readouterr().out
    assert "warning" not in out
    assert "error" not in out
    assert "10 episodes of random actions" in out
    assert "test/Checked-v0: agents can be trained in it" in out
    assert sheet.read_bytes().startswith(b"\x89PNG")
    report = check_env(env, steps=300)
    assert (report.steps, report.episodes, len(report.images)) == (300, 100, 12)
    assert 0.3 < np.mean(report.successes) < 0.7
    assert [row[2] for row in report.adaptation] == ["q", "image", "is_success"]


@pytest.mark.parametrize(
    ("kind", "at", "what"),
    [
        (look(rgb=np.zeros((20, 18, 3), np.uint8)), 2, r"'rgb' has shape \[20, 18, 3\]"),
        (look(rgb=np.zeros((18, 20, 3))), 2, "'rgb' is float64, and its space uint8"),
        (look(q=np.full(2, np.nan, np.float32)), 2, r"'q' has values that are no numbers"),
        (look(q=None), 2, "lacks 'q'"),
        (step(float("nan"), False, False, {}), 2, "the reward is nan"),
        (step(np.zeros(2), False, False, {}), 2, "the reward is array"),
        (step(0.0, False, {}), 2, "step\\(\\) does not return five values"),
        (step(0.0, False, False, None), 2, "info is NoneType"),
        (Raising, 2, "step.* raised: RuntimeError: the arm is stuck"),
        (Unmade, None, "cannot be made: RuntimeError: no display"),
        (Old, 0, "reset\\(\\) does not return"),
    ],
)
def test_what_keeps_agents_from_training(make, capsys, kind, at, what):
    env = make(kind)
    report = check_env(env, steps=10)
    fatal = [one for one in report.findings if one.is_fatal]
    assert not report.trains
    assert fatal[0].step == at
    with pytest.raises(AssertionError, match=what):
        raise AssertionError(fatal[0].what)
    assert fatal[0].fix
    assert main(["check-env", env, "--steps", "10"]) == 1
    assert "no agent can be trained in it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (look(q=np.full(2, 7, np.float32)), "'q' leaves its bounds: 7 to 7 in -1 to 1"),
        (step(0.0, 1, False, {}), "terminated is 1, no bool"),
        (Unseeded, "is not deterministic"),
        (Blind, "does not render rgb_array"),
        (Dark, "render: render() gave None"),
    ],
)
def test_what_is_warned_about(make, kind, what):
    report = check_env(make(kind), steps=10)
    assert report.trains
    assert [one.what for one in report.findings if what in one.what], report.findings


def test_no_such_environment(capsys):
    with pytest.raises(UserError, match="unknown environment 'Nowhere-v9'"):
        check_env("Nowhere-v9")
    assert main(["check-env", "Nowhere-v9"]) == 2


def test_the_configuration_of_the_adapter(make, capsys):
    options = ["--env-adapter", "{leave_out: [q], success: none}", "--steps", "5"]
    assert main(["check-env", make(Good), *options]) == 0
    out = capsys.readouterr().out
    assert "left out" in out
    assert "success unknown" in out


@pytest.mark.parametrize("name", ["Info", "Levers", "Parts"])
def test_random_steps_keep_to_the_masks(name):
    report = check_env(f"masked/{name}-v0", steps=30)  # it raises otherwise
    assert report.trains
    assert "action_mask" in [row[2] for row in report.adaptation]


@pytest.mark.parametrize(
    ("broken", "what"),
    [("short", "has 2 numbers"), ("none", "allows no"), ("absent", "is no info")],
)
def test_a_mask_that_breaks_is_named_with_its_step(broken, what):
    report = check_env("masked/Info-v0", {"broken": broken}, steps=5)
    (finding,) = [one for one in report.findings if one.is_fatal]
    assert finding.step == 3
    assert what in finding.what
    assert "env_adapter.action_masks=none" in finding.fix
    assert not report.trains


def test_what_has_the_name_of_a_mask_and_is_none_is_a_warning(monkeypatch):
    monkeypatch.setattr(worlds.masked.Corridor, "_mask", lambda self: [0, 2])
    monkeypatch.setattr(worlds.masked.Corridor, "_check", lambda self, action: None)
    report = check_env("masked/Info-v0", steps=5)
    (finding,) = [one for one in report.findings if "action masks" in one.what]
    assert (finding.step, finding.is_fatal) == (0, False)
    assert "has 2 numbers, and there are 3 actions" in finding.what

"""Untrusted texts do not steer the terminal, whichever command prints them."""

from contextlib import nullcontext
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

from mmrl.cli import caption, clip, search
from mmrl.cli.common import format_line
from mmrl.cli.fit import report
from mmrl.data import RandomSource, Request, collect, find_place
from mmrl.evaluation.report import format_report
from mmrl.retrieval.images import Resizer
from mmrl.retrieval.index import ImageIndex
from mmrl.training.task import Evaluation

STEERING = "\x1b]0;evil\x07\x1b[2J\u202e"
SHOWN = r"\x1b]0;evil\x07\x1b[2J\u202e"


class Escapes(gym.Env):
    """Its instructions clear the screen."""

    metadata = {"render_modes": []}
    observation_space = gym.spaces.Dict(
        image=gym.spaces.Box(0, 255, (16, 16, 3), np.uint8),
        instruction=gym.spaces.Text(99, charset=f"go {STEERING}"),
    )
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.look(), {}

    def step(self, action):
        return self.look(), 1.0, True, False, {}

    def look(self):
        return {"image": np.zeros((16, 16, 3), np.uint8), "instruction": f"go {STEERING}"}


@pytest.fixture
def dataset(tmp_path):
    """The path of a collected dataset."""
    gym.register("test/Escapes-v0", Escapes)
    try:
        path = str(tmp_path / "steering")
        request = Request("test/Escapes-v0", 3, f"by {STEERING}", num_envs=1)
        collect(request, RandomSource, find_place(path))
    finally:
        del gym.registry["test/Escapes-v0"]
    return path


def assert_shown(text, times=1):
    assert text.count(SHOWN) >= times
    assert not set(text) & {"\x1b", "\x07", "\u202e"}


def test_a_dataset_is_shown(call, dataset):
    status, out, _ = call("collect", "show", dataset)
    assert status == 0
    assert_shown(out, 3)  # who acted, the kind of instruction, the instruction


def test_captions_of_a_dataset(call, dataset, monkeypatch):
    generator = SimpleNamespace(
        encoder=SimpleNamespace(frames=1, encoder=SimpleNamespace(image_size=(16, 16))),
        generate=lambda images, **how: [SimpleNamespace(sentence=STEERING, probability=0.5)] * 3,
    )
    monkeypatch.setattr(caption, "load", lambda *_: generator)
    monkeypatch.setattr(caption, "as_input", lambda images, _: images)
    status, out, _ = call("caption", "run", "--data", dataset)
    assert status == 0
    assert_shown(out, 6)


def test_a_search(call, tmp_path, monkeypatch):
    images = tmp_path / "images"
    images.mkdir()
    name = f"{STEERING}.png"
    Image.new("RGB", (16, 16)).save(images / name)
    vector = np.ones((1, 1), np.float32)
    about = {"model": "run", "weights": "w", "source": str(images)}
    ImageIndex(vector, [{"file": name}], about).save(tmp_path / "index")
    module = SimpleNamespace(of_sentences=lambda _: vector)
    monkeypatch.setattr(search, "open_model", lambda *_: (module, about))
    monkeypatch.setattr(search, "check_words", lambda *_: None)
    status, out, _ = call("search", tmp_path / "index", "a bell", "--out", tmp_path / "sheet.png")
    assert status == 0
    assert_shown(out)


def test_clips(call, tmp_path, monkeypatch):
    run = SimpleNamespace(config={"env": "some-v0"})
    monkeypatch.setattr(clip, "open_run", lambda _: run)
    monkeypatch.setattr(clip, "load_agent", lambda _: None)
    made = SimpleNamespace(success=True, instruction=STEERING)
    player = SimpleNamespace(play=lambda *_, **__: None)
    monkeypatch.setattr(clip, "EpisodePlayer", lambda *_, **__: nullcontext(player))
    monkeypatch.setattr(clip, "draw_clip", lambda _: made)
    monkeypatch.setattr(clip, "clips_gif", lambda _: b"")
    status, out, _ = call("clip", "run", "--out", tmp_path / "clip.gif")
    assert status == 0
    assert_shown(out, 3)


def test_errors_keep_their_lines(call, tmp_path):
    for command in (("eval",), ("collect", "show"), ("transcribe", "run")):
        status, _, err = call(*command, tmp_path / f"a{STEERING}\nb")
        assert status == 2
        assert_shown(err)
        assert f"a{SHOWN}\nb" in err or f"a{SHOWN}\\nb" in err


def test_results():
    assert_shown(format_line(SimpleNamespace(sentence=STEERING, probability=0.5)))
    assert_shown(report(Evaluation({"right": 1.0}, samples=(f"one\n{STEERING}",))))
    assert "one\n" in report(Evaluation({"right": 1.0}, samples=(f"one\n{STEERING}",)))
    played = {
        "success_rate_95": (0, 1), "success_rate": 0.5, "episodes": 3, "env": STEERING,
        "mean_length": 3.0,
    }  # fmt: skip
    assert_shown(format_report(played))


def test_warnings_of_resized_images():
    with pytest.warns(UserWarning, match="is resized") as seen:
        Resizer((8, 8))(np.zeros((9, 9, 3), np.uint8), STEERING)
    assert_shown(str(seen[0].message))

"""A clip shows every step of an episode, as a GIF that TensorBoard plays."""

import io

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from mmrl.adapters import make_env
from mmrl.tensorboard import clips
from mmrl.tensorboard.clips import action_names, gif, record_clip, write_clip

GRID = "mmrl/GoToObjS4-v0"


@pytest.fixture
def drawn(monkeypatch):
    """What is drawn: (scene, view, instruction, action, step, success) of each frame."""
    seen = []
    draw = clips._draw

    def watch(*args):
        seen.append(args)
        return draw(*args)

    monkeypatch.setattr(clips, "_draw", watch)
    return seen


@pytest.fixture
def turn(scripted):
    """Turns left for ever."""
    return scripted(lambda image, instruction: 0)


def test_a_frame_a_step_and_one_before(turn, drawn):
    clip = record_clip(turn, GRID, {"max_steps": 6}, seed=5)
    assert turn.calls == 6
    assert len(clip.frames) == 7
    assert not clip.success
    assert [frame[3] for frame in drawn] == ["", *["left"] * 6]
    assert [frame[4] for frame in drawn] == list(range(7))
    assert [frame[5] for frame in drawn] == [None] * 6 + [False]
    assert all(frame[2] == clip.instruction for frame in drawn)
    env = make_env(GRID)
    observation, _ = env.reset(seed=5)
    assert observation["instruction"] == clip.instruction
    assert np.array_equal(drawn[0][1], observation["image"])


def test_gif_is_readable_and_whole(turn):
    clip = record_clip(turn, GRID, {"max_steps": 4}, seed=5)
    with Image.open(io.BytesIO(gif([clip]))) as picture:
        assert picture.format == "GIF"
        assert picture.n_frames == 5
        assert picture.size == clip.frames[0].shape[1::-1]
        assert picture.info["loop"] == 0
        for k, frame in enumerate(clip.frames):
            picture.seek(k)
            shown = np.asarray(picture.convert("RGB"), np.int16)
            assert np.abs(shown - frame).mean() < 8  # GIF has 256 colours


def test_clips_play_one_after_the_other(turn, scripted):
    idle = scripted(lambda image, instruction: 6)
    clips = [record_clip(one, GRID, {"max_steps": 2}, seed=5) for one in (turn, idle)]
    with Image.open(io.BytesIO(gif(clips))) as picture:
        assert picture.n_frames == 6


def test_success_is_shown(signals, scripted, drawn):
    obedient = scripted(lambda image, instruction: int(instruction.endswith("right")))
    clip = record_clip(obedient, signals, seed=1)
    assert clip.success
    assert [frame[5] for frame in drawn] == [None, True]
    good, bad = (clips._draw(*drawn[-1][:5], success) for success in (True, False))
    assert not np.array_equal(good, bad)


def test_names_of_actions_are_drawn(turn, drawn):
    record_clip(turn, GRID, {"max_steps": 1}, seed=5)
    scene, view, instruction, _, step, _ = drawn[-1]
    one, two = (clips._draw(scene, view, instruction, a, step, None) for a in ("left", "pickup"))
    assert not np.array_equal(one, two)


def test_names_of_actions(signals):
    assert list(action_names(make_env(GRID)).values())[:3] == ["left", "right", "forward"]
    assert action_names(make_env(signals)) == {}
    pytest.importorskip("minigrid")
    assert action_names(make_env("BabyAI-GoToObjS4-v0"))[5] == "toggle"


def test_environment_without_rendering(scripted, drawn, signals, monkeypatch):
    from gymnasium import registry

    monkeypatch.setattr(registry[signals].entry_point, "__init__", _init_without_rendering)
    clip = record_clip(scripted(lambda *_: 0), signals, seed=0)
    assert all(frame[0] is None for frame in drawn)
    assert len(clip.frames) >= 2


def _init_without_rendering(self, limit=4):
    import gymnasium as gym

    text = gym.spaces.Text(40, charset="abcdefghijklmnopqrstuvwxyz ")
    camera = gym.spaces.Box(0, 255, (12, 16, 3), np.uint8)
    self.limit = limit
    self.observation_space = gym.spaces.Dict({"camera": camera, "task": text})
    self.action_space = gym.spaces.Discrete(2)
    self.look = lambda: {"camera": np.zeros((12, 16, 3), np.uint8), "task": "press the left"}


def test_long_episodes_are_cut(turn):
    clip = record_clip(turn, GRID, {"max_steps": 9}, seed=5, max_frames=4)
    assert len(clip.frames) == 4
    assert turn.calls == 9


def test_event_file_holds_clip_and_text(turn, tmp_path):
    clip = record_clip(turn, GRID, {"max_steps": 3}, seed=5)
    with SummaryWriter(tmp_path) as writer:
        write_clip(writer, "rollout", clip, 70)
    events = EventAccumulator(str(tmp_path), {"images": 0, "tensors": 0})
    events.Reload()
    (image,) = events.Images("rollout/clip")
    assert image.step == 70
    assert (image.height, image.width) == clip.frames[0].shape[:2]
    assert Image.open(io.BytesIO(image.encoded_image_string)).n_frames == 4
    (text,) = events.Tensors("rollout/instruction/text_summary")
    assert text.step == 70
    assert text.tensor_proto.string_val[0].decode() == f"{clip.instruction} (not carried out)"

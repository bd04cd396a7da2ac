"""A clip shows every step of an episode, as a GIF that TensorBoard plays."""

import io

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter
from worlds import shapes

from mmrl.action_labels import action_names
from mmrl.errors import UserError
from mmrl.evaluation.player import EpisodePlayer
from mmrl.records import EpisodeRecord
from mmrl.viz import clips
from mmrl.viz.clips import clips_gif, draw_clip, record_clip, write_clip
from mmrl.wrappers.adapters import make_env

GRID = "mmrl/GoToObjS4-v0"


@pytest.fixture
def drawn(monkeypatch):
    """What is drawn: (scene, view, instruction, action, step, success) of each frame."""
    seen = []
    draw = clips._draw

    def watch(*args, **how):
        seen.append(args)
        return draw(*args, **how)

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
    with Image.open(io.BytesIO(clips_gif([clip]))) as image:
        assert image.format == "GIF"
        assert image.n_frames == 5
        assert image.size == clip.frames[0].shape[1::-1]
        assert image.info["loop"] == 0
        for k, frame in enumerate(clip.frames):
            image.seek(k)
            shown = np.asarray(image.convert("RGB"), np.int16)
            assert np.abs(shown - frame).mean() < 8  # GIF has 256 colours


def test_clips_play_one_after_the_other(turn, scripted):
    idle = scripted(lambda image, instruction: 6)
    clips = [record_clip(one, GRID, {"max_steps": 2}, seed=5) for one in (turn, idle)]
    with Image.open(io.BytesIO(clips_gif(clips))) as file:
        assert file.n_frames == 6


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
    assert text.tensor_proto.string_val[0].decode() == f"{clip.instruction} (failure)"


def test_frames_of_an_environment_that_draws_into_one_buffer(screen, scripted, drawn):
    record_clip(scripted(lambda *_: 0), screen, seed=0)
    assert [frame[0][0, 0, 0] for frame in drawn] == [10, 11, 12, 13, 14]  # the scene
    assert [frame[1][0, 0, 0] for frame in drawn] == [10, 11, 12, 13, 14]  # what the agent sees


def _no_context(self):
    raise RuntimeError("could not create a GL context")


def _later(self):
    return np.zeros((8, 8, 3), np.uint8) if self.steps < 2 else None


@pytest.mark.parametrize(
    ("render", "reason"),
    [
        (_no_context, "RuntimeError: could not create a GL context"),
        (lambda _: None, "render.. gave None instead"),
        (lambda _: [np.zeros((8, 8, 3), np.uint8)], "gave a list"),
        (lambda _: np.zeros((8, 8, 3)), r"gave an array float64 of shape \[8, 8, 3\]"),
        (lambda _: np.zeros((8, 8), np.uint8), r"uint8 of shape \[8, 8\]"),
        (lambda _: np.zeros((0, 8, 3), np.uint8), r"uint8 of shape \[0, 8, 3\]"),
        (lambda _: "a room", "gave a str"),
        (_later, "gave None"),
    ],
)
def test_rendering_that_fails(render, reason, screen, scripted, drawn, monkeypatch):
    monkeypatch.setattr(gym.registry[screen].entry_point, "render", render)
    player = EpisodePlayer(screen)
    with pytest.warns(UserWarning, match=f"environment test/Screen-v0: .*{reason}") as caught:
        clip = draw_clip(player.play(scripted(lambda *_: 0), seed=0))
    assert len(caught) == 1
    player.play(scripted(lambda *_: 0), seed=1)  # without a second warning
    assert len(clip.frames) == 5
    assert all(frame[0] is None for frame in drawn)


@pytest.mark.parametrize("modes", [[], ["human"]])
@pytest.mark.filterwarnings("ignore:.*WARN")
def test_render_modes_that_are_not_declared(modes, screen, scripted, drawn, monkeypatch):
    kind = gym.registry[screen].entry_point
    monkeypatch.setattr(kind, "metadata", {"render_modes": modes})
    name = f"test/Checked{len(modes)}-v0"
    gym.register(name, kind)  # Gymnasium's checker is what fails
    with pytest.warns(UserWarning, match="render.. raised AssertionError") as caught:
        assert len(record_clip(scripted(lambda *_: 0), name, seed=0).frames) == 5
    assert not [one for one in caught if "possible render_modes" in str(one.message)]
    assert all(frame[0] is None for frame in drawn)


def test_an_episode_that_does_not_end(screen, scripted, monkeypatch):
    monkeypatch.setattr(clips, "_draw", lambda *_, **__: np.zeros((8, 8, 3), np.uint8))
    player = EpisodePlayer(screen, {"limit": 10**9})
    actor = scripted(lambda *_: 0)
    with pytest.warns(UserWarning, match="did not end within 1,000 steps"):
        made = [draw_clip(player.play(actor, seed=0))]
    made.append(draw_clip(player.play(actor, seed=1)))  # without a second warning
    assert actor.calls == 2_000
    assert [len(clip.frames) for clip in made] == [200, 200]
    assert not any(clip.success for clip in made)


def test_a_limit_of_ones_own(screen, scripted):
    actor = scripted(lambda *_: 0)
    with pytest.warns(UserWarning, match="did not end within 3 steps"):
        clip = record_clip(actor, screen, seed=0, max_episode_steps=3)
    assert len(clip.frames) == 4


@pytest.mark.parametrize(
    ("space", "label"),
    [
        (spaces.Box(-1, 1, (2,), np.float32), "0, 0"),
        (spaces.MultiDiscrete([2, 3]), "0, 0"),
        (spaces.MultiBinary(2), "0, 0"),
        (spaces.Dict(arm=spaces.Box(-1, 1, (1,)), go=spaces.Discrete(2)), "arm: -1.00; go: 0"),
        (spaces.Tuple([spaces.Discrete(2), spaces.Discrete(2)]), "0; 0"),
    ],
)
def test_actions_of_any_kind(space, label, screen, drawn, monkeypatch):
    class Idle:
        def act(self, observation, *, deterministic):
            return np.zeros((1, *taken.shape), taken.dtype)

    kind = gym.registry[screen].entry_point
    made = kind.__init__

    def init(self, *args, **kwargs):
        made(self, *args, **kwargs)
        self.action_space = space

    monkeypatch.setattr(kind, "__init__", init)
    taken = make_env(screen).action_space
    record_clip(Idle(), screen, seed=0)
    assert [frame[3] for frame in drawn] == ["", *[label] * 4]


def test_the_name_of_the_environment_is_in_an_error(screen, scripted, monkeypatch):
    def step(self, action):
        return self.look(), float("nan"), False, False, {}

    monkeypatch.setattr(gym.registry[screen].entry_point, "step", step)
    with pytest.raises(
        UserError, match=r"test/Screen-v0 \(seeded with 4, .*reward is nan in step 1"
    ):
        record_clip(scripted(lambda *_: 0), screen, seed=4)


def test_closing_that_fails_does_not_spoil_the_clip(screen, scripted, monkeypatch):
    monkeypatch.setattr(gym.registry[screen].entry_point, "close", lambda _: 1 / 0)
    assert len(record_clip(scripted(lambda *_: 0), screen, seed=0).frames) == 5


class Asked(shapes.Touch):
    """A stranger's environment that takes an instruction, and names those that it could have."""

    metadata = {**shapes.Touch.metadata, "instruction_option": "task", "render_fps": 4}

    def reset(self, *, seed=None, options=None):
        _, info = super().reset(seed=seed)
        task = (options or {}).get("task", self._sentence)
        self._target = [f"touch the {name}" for name in self._names].index(
            task.replace("tap", "touch")
        )
        self._sentence = task
        return self._look(), info

    def alternative_instructions(self):
        return [f"touch the {self._names[1 - self._target]}"]


@pytest.fixture
def asked():
    gym.register("test/Asked-v0", Asked)
    yield "test/Asked-v0"
    del gym.registry["test/Asked-v0"]


def test_one_scene_with_two_instructions(asked, drawn, scripted):
    player = EpisodePlayer(asked)
    records = player.play_alternatives(scripted(lambda *_: 1), seed=5)
    own, other = map(draw_clip, records)
    views = [frame[1] for frame in drawn if frame[3] == ""]
    assert np.array_equal(*views)  # the same scene
    assert own.instruction != other.instruction
    again = player.play(scripted(lambda *_: 1), seed=5, instruction=other.instruction)
    assert again.instructions[0] == other.instruction
    both = clips.stacked([own, other])
    assert len(both.frames) == max(len(own.frames), len(other.frames))
    heights = own.frames[0].shape[0] + other.frames[0].shape[0]
    assert both.frames[-1].shape[0] == heights
    assert both.success == (own.success and other.success)


def test_the_instruction_decides_what_success_is(scripted):
    env = gym.make("mmrl/OpenDoorColorStrict-v0")
    env.reset(seed=3)
    names = env.unwrapped.alternative_instructions()

    def expert(instruction):
        """Acts as the expert does in a copy of the scene."""
        env.reset(seed=3, options={"instruction": instruction})
        actions = []
        over = False
        while not over:
            actions.append(env.unwrapped.expert_action("full"))
            *_, over, _, _ = env.step(actions[-1])
        script = iter(actions)
        return scripted(lambda *_: next(script))

    player = EpisodePlayer("mmrl/OpenDoorColorStrict-v0")
    for name in names:
        assert player.play(expert(name), seed=3, instruction=name).success
    assert not player.play(expert(names[0]), seed=3, instruction=names[1]).success


def test_an_environment_that_takes_no_instruction(scripted):
    player = EpisodePlayer("shapes/Touch-v0")
    assert player.play_alternatives(scripted(lambda *_: 0), seed=0) == []
    with pytest.raises(UserError, match="takes no instruction: it needs an option of reset"):
        player.play(scripted(lambda *_: 0), seed=0, instruction="touch the small teal star")


def test_frames_have_one_height_where_the_instruction_changes():
    words = ["wait", "now put the very long thing that nobody needs beside the other one"]
    frames = {"image": np.zeros((3, 8, 8, 3), np.uint8)}
    record = EpisodeRecord(
        "evaluation", "Kitchen-v0", frames, [*words, "wait"], [0.0, 1.0], np.zeros(2)
    )
    clip = draw_clip(record)
    assert len({frame.shape for frame in clip.frames}) == 1
    with Image.open(io.BytesIO(clips_gif([clip]))) as image:
        assert image.n_frames == 3

"""An episode is recorded as it was played, of observations and actions of any kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.records import EpisodeBuilder, read_record, write_record
from mmrl.records.builder import flat_action, observation_images, plain, plain_info

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)


def camera(value, size=(12, 16)):
    return np.full((*size, 3), value, np.uint8)


def test_an_episode_is_recorded(tmp_path):
    builder = EpisodeBuilder("evaluation", "Kitchen-v0", env_args={"size": 5}, seed=3, checkpoint=7)
    buffer = camera(0)
    builder.add_observation({"image": buffer, "instruction": "wait"}, camera(9))
    for step in range(3):
        buffer[:] = step + 1  # an environment that draws into one buffer
        numbers = {"value": np.float32(step), "probabilities": np.array([0.25, 0.75])}
        builder.add_step(step, 0.5, label=f"act {step}", info={"n": step})
        builder.add_numbers({name: [one] for name, one in numbers.items()})
        builder.add_observation({"image": buffer, "instruction": f"now {step}"}, camera(9 + step))
    write_record(tmp_path / "a.episode", builder.build(True, about={"actions": ["a", "b"]}))
    record = read_record(tmp_path / "a.episode")
    assert record.frames["image"][:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert record.frames["scene"][:, 0, 0, 0].tolist() == [9, 9, 10, 11]
    assert record.instructions == ["wait", "now 0", "now 1", "now 2"]
    assert record.rewards == [0.5] * 3
    assert record.actions.tolist() == [0, 1, 2]
    assert record.action_names == ["act 0", "act 1", "act 2"]
    assert record.infos == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert record.numbers["value"].tolist() == [0, 1, 2]
    assert record.numbers["probabilities"].shape == (3, 2)
    assert (record.seed, record.checkpoint, record.success) == (3, 7, True)
    assert record.about == {"actions": ["a", "b"]}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((84, 84), (84, 84)), ((84, 84, 1), (84, 84)), ((3, 96, 80), (96, 80)),
        ((4, 84, 84), (84, 84)), ((84, 84, 12), (84, 84)), ((210, 160, 3), (210, 160)),
        ((84, 84, 4), (84, 84)), ((5, 6, 3), (5, 6)),
    ],
)  # fmt: skip
def test_what_looks_like_an_image_is_one(shape, expected):
    images = observation_images(np.full(shape, 7, np.uint8))
    assert images["image"].shape == (*expected, 3)
    assert (images["image"] == 7).all()


def test_the_last_image_of_a_stack_is_shown():
    stack = np.stack([np.full((84, 84), k, np.uint8) for k in range(4)])
    assert (observation_images(stack)["image"] == 3).all()
    assert (observation_images(np.moveaxis(stack, 0, -1))["image"] == 3).all()


def test_states_without_an_image_are_drawn():
    images = observation_images({"observation": np.zeros(5), "goal": np.ones(4)})
    assert images["observation"].shape == (48, 48, 3)
    assert observation_images(3)["observation"].shape == (16, 16, 3)
    assert observation_images({"words": "only"}) == {}
    assert list(observation_images({"image": np.ones(3)})) == ["observation"]


def test_numbers_that_do_not_fit_are_left_out():
    builder = EpisodeBuilder("training", "Kitchen-v0")
    builder.add_observation(camera(0))
    for step in range(3):
        rows = np.ones((2, 2 + step))  # another shape each time
        words = np.full(step + 1, 0.5)  # a longer one each time
        once = {"once": [1]} if step == 1 else {}
        builder.add_step(0, 0)
        builder.add_numbers({"rows": [rows], "words": [words], **once})
        builder.add_observation(camera(0))
    builder.add_numbers({"advantage": [1, 2]})
    builder.add_numbers({"advantage": [3]})
    numbers = builder.build(None).numbers
    assert set(numbers) == {"words", "advantage"}
    assert numbers["advantage"].tolist() == [1, 2, 3]
    assert np.isnan(numbers["words"]).sum() == 3


def test_frames_of_long_episodes_and_large_scenes(monkeypatch):
    monkeypatch.setattr("mmrl.records.builder._MOST_BYTES", 4 * camera(0).nbytes)
    builder = EpisodeBuilder("training", "Kitchen-v0")
    builder.add_observation(camera(0), camera(1, (1200, 900)))
    for _ in range(9):
        builder.add_step(0, 1.0)
        builder.add_observation(camera(0), camera(1, (1200, 900)))
    record = builder.build(False)
    assert record.frames["image"].shape == (4, 12, 16, 3)
    assert record.frames["scene"].shape == (1, 320, 240, 3)
    assert len(record.rewards) == 9


def test_a_camera_that_fails_once_is_not_shown_at_other_times():
    builder = EpisodeBuilder("training", "Kitchen-v0")
    builder.add_observation(camera(0), camera(1))
    for scene in (None, camera(3)):
        builder.add_step(0, 1.0)
        builder.add_observation(camera(0), scene)
    assert builder.build(None).frames["scene"].shape[0] == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=4)
    | st.builds(object) | st.builds(np.zeros, st.integers(0, 99)) | st.just(np.int64(3))
    | st.builds(set),
    lambda inner: st.lists(inner, max_size=70) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@PROPERTY
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_any_info_can_be_written(tmp_path_factory, info):
    path = tmp_path_factory.mktemp("records") / "a.episode"
    builder = EpisodeBuilder("training", "Kitchen-v0", env_args=info)
    builder.add_observation(camera(0))
    builder.add_step(0, float("nan"), info=info)
    builder.add_observation(camera(0))
    write_record(path, builder.build(None, about=info))
    assert read_record(path).infos in ([], [plain_info(info)])


def test_what_people_cannot_read_is_left_out():
    info = {
        "_mask": 1, "terminal_observation": {}, "long": list(range(100)), "text": "x" * 5000,
        "array": np.arange(3), "nan": np.nan, "deep": [[[[[1]]]]], "object": object(),
    }  # fmt: skip
    kept = plain_info(info)
    assert kept == {"text": "x" * 2000, "array": [0, 1, 2], "deep": [[[[None]]]]}
    assert plain(True) is True


def test_actions_of_any_space():
    nested = {"move": np.array([1.0, 2.0]), "grip": (1, np.array([[3, 4]]))}
    assert flat_action(nested).tolist() == [1, 2, 1, 3, 4]
    assert flat_action(()).shape == (0,)
    assert flat_action(2).shape == ()

"""Records of episodes: what is read is what was written, and nothing else is read."""

import io
import json
import zipfile
from contextlib import suppress
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.images import decoded
from mmrl.records import EpisodeRecord, read_record, read_summary, write_record
from mmrl.records.file import (
    FORMAT,
    STEPS,
    SUMMARY,
    RecordError,
    read_sheet,
    read_steps,
    read_thumbnail,
    sheet_name,
)

PROPERTY = settings(deadline=None, derandomize=True, max_examples=40)


def episode(steps=5, size=(6, 8), cameras=("image",), actions=None, seed=0):
    rng = np.random.default_rng(seed)
    frames = {name: rng.integers(0, 256, (steps + 1, *size, 3), dtype=np.uint8) for name in cameras}
    return EpisodeRecord(
        source="evaluation",
        env="Kitchen-v0",
        env_args={"size": 5},
        seed=7,
        checkpoint=2048,
        success=None,
        frames=frames,
        instructions=[f"看看 the <b>oven</b> {k // 2}" for k in range(steps + 1)],
        rewards=[0.25 * k for k in range(steps)],
        actions=rng.integers(0, 4, steps) if actions is None else actions,
        action_names=["left"] * steps,
        numbers={
            "value": rng.random(steps + 1).astype(np.float32),
            "probabilities": rng.random((steps, 4)),
        },
        infos=[{"clause": k, "nested": {"a": [1, None, "x"]}} for k in range(steps)],
        about={"relabelled": "close the oven"},
    )


def assert_same(one, other):
    for name in ("source", "env", "env_args", "seed", "checkpoint", "success", "about"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.frames.keys() == other.frames.keys()
    for name, frames in one.frames.items():
        assert np.array_equal(frames, other.frames[name]), name
    assert list(one.instructions) == list(other.instructions)
    assert list(one.infos) == list(other.infos)
    np.testing.assert_array_equal(one.actions, other.actions)
    np.testing.assert_allclose(one.rewards, np.asarray(other.rewards, float), rtol=1e-6)
    for name, numbers in one.numbers.items():
        np.testing.assert_allclose(numbers, other.numbers[name], rtol=1e-6)


def test_what_was_written_is_read(tmp_path):
    path, written = tmp_path / "a.episode", episode(cameras=("image", "images.wrist", "scene"))
    write_record(path, written)
    assert_same(written, read_record(path))
    summary = read_summary(path)
    assert summary == written.summary()
    assert (summary.steps, summary.total_reward) == (5, 2.5)
    assert summary.instruction == "看看 the <b>oven</b> 0"
    assert read_steps(path)["actions"] == written.actions.tolist()


@PROPERTY
@given(
    st.integers(1, 40),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([(), (3,), (2, 2)]),
    st.integers(0, 99),
)
def test_any_length_and_size(tmp_path_factory, steps, size, shape, seed):
    path = tmp_path_factory.mktemp("records") / "a.episode"
    actions = np.random.default_rng(seed).normal(size=(steps, *shape)).round(3)
    written = episode(steps, size, actions=actions, seed=seed)
    write_record(path, written)
    assert_same(written, read_record(path))


def test_long_episodes_are_on_several_sheets(tmp_path):
    written = episode(steps=70, size=(400, 300))
    written.frames["image"][:] = written.frames["image"][:1]  # compresses well
    written.frames["image"][:, 0, 0, 0] = np.arange(71)
    write_record(tmp_path / "a.episode", written)
    layout = read_summary(tmp_path / "a.episode").cameras["image"]
    assert (layout["columns"], layout["rows"], layout["frames"]) == (8, 4, 71)
    for number in range(3):
        assert read_sheet(tmp_path / "a.episode", "image", number)[:4] == b"RIFF"
    with pytest.raises(RecordError, match="has no frames/image/3.webp"):
        read_sheet(tmp_path / "a.episode", "image", 3)
    assert_same(written, read_record(tmp_path / "a.episode"))


def test_a_frame_larger_than_a_sheet(tmp_path):
    written = episode(steps=1, size=(2500, 2000))
    written.frames["image"][:] = 7
    write_record(tmp_path / "a.episode", written)
    assert_same(written, read_record(tmp_path / "a.episode"))


def test_another_package_and_how_little_it_takes(tmp_path):
    env = gym.make("CartPole-v1", render_mode="rgb_array")
    env.reset(seed=1)
    frames, rewards, over = [env.render()], [], False
    while not over:
        _, reward, terminated, truncated, _ = env.step(len(rewards) % 2)
        frames.append(env.render())
        rewards.append(float(reward))
        over = terminated or truncated
    env.close()
    actions = np.arange(len(rewards)) % 2
    record = EpisodeRecord(
        "watch", "CartPole-v1", {"scene": np.stack(frames)}, (), rewards, actions
    )
    write_record(tmp_path / "a.episode", record)
    assert_same(record, read_record(tmp_path / "a.episode"))
    assert (tmp_path / "a.episode").stat().st_size < record.frames["scene"].nbytes / 500


def test_equal_episodes_are_equal_files(tmp_path):
    for name in "ab":
        write_record(tmp_path / name, episode())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_numbers_that_are_not_finite(tmp_path):
    written = episode()
    written.numbers["value"][2] = np.nan
    written.rewards[1] = np.inf
    write_record(tmp_path / "a.episode", written)
    again = read_record(tmp_path / "a.episode")
    assert np.isnan(again.numbers["value"][2])
    assert again.rewards[1] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"instructions": ["a"] * 5}, "instructions has 5 entries for 5 actions"),
        ({"actions": np.zeros(4)}, "actions has 4 entries"),
        ({"numbers": {"value": np.zeros(9)}}, "value has 9 entries"),
        ({"instructions": [b"a"] * 6}, "are strings"),
        ({"frames": {"image": np.zeros((6, 2, 2, 3))}}, "image is float64"),
        ({"frames": {"image": np.zeros((7, 2, 2, 3), np.uint8)}}, "image has 7 frames"),
        ({"frames": {"../x": np.zeros((6, 2, 2, 3), np.uint8)}}, "name of a camera"),
        ({"frames": {"image": np.zeros((6, 1, 20_000, 3), np.uint8)}}, "frames of"),
    ],
)
def test_parts_that_do_not_fit_write_nothing(tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        write_record(tmp_path / "a.episode", replace(episode(), **changes))
    assert not list(tmp_path.iterdir())


def rewritten(path, **members):
    """The record with other contents of some members; None leaves one out."""
    with zipfile.ZipFile(path) as file:
        whole = {name: file.read(name) for name in file.namelist()}
    whole |= members
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in whole.items():
            if content is not None:
                file.writestr(name, content)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({SUMMARY: None}, "has no summary.json"),
        ({SUMMARY: b"{"}, "summary.json: (is damaged|nested)"),
        ({SUMMARY: b"[]"}, "summary.json: .* must be a mapping"),
        ({SUMMARY: b"[" * 100_000}, "summary.json: (is damaged|nested)"),
        ({SUMMARY: json.dumps({"format": FORMAT + 1}).encode()}, f"reads up to {FORMAT}"),
        ({SUMMARY: json.dumps({"format": FORMAT}).encode()}, "not a record"),
        ({STEPS: None}, "has no steps.json"),
        ({STEPS: b"{}"}, "not a record"),
        ({STEPS: b" " * (65 * 2**20)}, "larger than"),
        ({sheet_name("image", 0): b"RIFF"}, "frames of image"),
        ({sheet_name("image", 0): None}, "has no frames/image/0.webp"),
    ],
)
def test_a_damaged_record(tmp_path, members, words):
    path = tmp_path / "a.episode"
    write_record(path, episode())
    rewritten(path, **members)
    with pytest.raises(RecordError, match=words):
        read_record(path)


def test_a_text_is_no_list_of_texts(tmp_path):
    record = episode(steps=3)
    record.instructions = "true"
    with pytest.raises(ValueError, match="instructions and names of actions are strings"):
        write_record(tmp_path / "a.episode", record)


@pytest.mark.parametrize("actions", [["", "x"], [None, 1]])
def test_actions_that_are_no_numbers(tmp_path, actions):
    record = episode(steps=2)
    record.actions = np.array(actions)
    with pytest.raises(ValueError, match="actions are no numbers"):
        write_record(tmp_path / "a.episode", record)


@PROPERTY
@given(st.data())
def test_any_other_bytes_are_refused_or_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("records") / "a.episode"
    write_record(path, episode(steps=2))
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    for _ in range(data.draw(st.integers(0, 8))):
        if content:
            place = data.draw(st.integers(0, len(content) - 1))
            content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(RecordError):
        read_record(path)


def test_no_file(tmp_path):
    with pytest.raises(RecordError, match="not a record"):
        read_summary(tmp_path / "none.episode")


def test_the_thumbnail_is_small_and_of_the_scene(tmp_path):
    written = episode(size=(400, 300), cameras=("image", "scene"))
    written.frames["scene"][-1] = 200
    write_record(tmp_path / "a.episode", written)
    image = decoded(io.BytesIO(read_thumbnail(tmp_path / "a.episode")))
    assert image.shape == (96, 72, 3)
    assert (image == 200).all()
    written.frames.clear()
    write_record(tmp_path / "b.episode", written)
    with pytest.raises(RecordError, match="has no thumbnail"):
        read_thumbnail(tmp_path / "b.episode")


def test_a_summary_is_read_of_the_first_bytes_alone(tmp_path):
    write_record(tmp_path / "a.episode", episode())
    content = bytearray((tmp_path / "a.episode").read_bytes())
    at = content.index(STEPS.encode())
    content[at : at + 100] = bytes(100)  # the steps are damaged, and the summary is not
    (tmp_path / "b.episode").write_bytes(content)
    assert read_summary(tmp_path / "b.episode") == read_summary(tmp_path / "a.episode")
    (tmp_path / "c.episode").write_bytes(content[:-30])  # half written
    with pytest.raises(RecordError):
        read_summary(tmp_path / "c.episode")


def test_a_long_summary(tmp_path):
    written = replace(episode(), instructions=["word " * 5000] * 6)
    write_record(tmp_path / "a.episode", written)
    assert read_summary(tmp_path / "a.episode") == written.summary()

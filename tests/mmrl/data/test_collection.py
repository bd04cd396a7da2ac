"""Datasets are the same however they came to be, true to a plain loop, and readable by Minari."""

import errno
import itertools
import json
import os
from types import SimpleNamespace
from unittest.mock import Mock

import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest

from mmrl import files
from mmrl.cli import main
from mmrl.contract import IMAGE, INSTRUCTION, IS_SUCCESS
from mmrl.data import (
    ActorSource,
    ExpertSource,
    RandomSource,
    Request,
    collect,
    find_place,
    open_dataset,
)
from mmrl.data import collection as collecting
from mmrl.data.play import play
from mmrl.errors import UserError
from mmrl.seeding import action_seed
from mmrl.wrappers.adapters import make_env, make_vec_env

GRID = "mmrl/GoToObjS4-v0"


def plain_loop(env_id, seed, choose, **env_args):
    """One episode: images, instruction, actions, rewards, success, achieved, descriptions."""
    env = make_env(env_id, **env_args)
    observation, info = env.reset(seed=seed)
    images, sentences = [observation[IMAGE]], [info.get("description", "")]
    space = env.action_space
    space.seed(action_seed(seed))
    actions, rewards, achieved, over = [], [], [], False
    while not over:
        actions.append(choose(env, observation))
        observation, reward, terminated, truncated, info = env.step(actions[-1])
        images.append(observation[IMAGE])
        rewards.append(reward)
        achieved.append(info.get("achieved", ()))
        sentences.append(info.get("description", ""))
        over = terminated or truncated
    return images, observation[INSTRUCTION], actions, rewards, info[IS_SUCCESS], achieved, sentences


def assert_is(rollout, lived):
    images, instruction, actions, rewards, success, achieved, sentences = lived
    assert np.array_equal(rollout.images, np.stack(images))
    assert rollout.images.dtype == np.uint8
    assert rollout.instruction == instruction
    assert np.array_equal(rollout.actions, actions)
    assert rollout.rewards.tolist() == rewards
    assert rollout.rewards.dtype == np.float64
    assert rollout.success == success
    assert rollout.achieved == tuple(achieved)
    assert rollout.descriptions == tuple(sentences)


def by_expert(env, observation):
    return env.unwrapped.expert_action()


def by_chance(env, observation):
    return env.action_space.sample()


@pytest.mark.parametrize(("by", "choose"), [("expert", by_expert), ("random", by_chance)])
@pytest.mark.parametrize("env", [GRID, "mmrl/PutNextLocal-v0"])
def test_as_a_plain_loop(collected, by, choose, env):
    place = collected("things/test-v1", 6, by, env=env, seed=20, env_args={"max_steps": 30})
    rollouts = open_dataset("things/test-v1")
    assert rollouts.place == place
    assert (rollouts.env_id, rollouts.env_args) == (env, {"max_steps": 30})
    assert len(rollouts) == 6
    told = {"achieved": True, "describe": True, "max_steps": 30}
    for k, rollout in enumerate(rollouts):
        assert_is(rollout, plain_loop(env, 20 + k, choose, **told))
        assert (rollout.seed, rollout.env_id) == (20 + k, env)
        assert rollout.actions.dtype == np.int64
        assert all(text.startswith("the agent ") for text in rollout.descriptions)
    assert any(step for rollout in rollouts for step in rollout.achieved)


def test_a_strangers_environment(collected, signals):
    collected("signals-v0", 5, "random", env=signals)
    for k, rollout in enumerate(open_dataset("signals-v0")):
        assert_is(rollout, plain_loop(signals, k, by_chance))
        assert set(rollout.achieved) == {()}
        assert set(rollout.descriptions) == {""}


def test_an_agent_samples_anew_in_each_batch(collected, scripted):
    import torch

    def sample(image, instruction):
        return int(torch.randint(3, ()))

    for name, num_envs in (("a-v0", 4), ("b-v0", 4), ("c-v0", 3)):
        collected(name, 8, "me", source=lambda: ActorSource(scripted(sample)), num_envs=num_envs)
    actions = {
        name: [one.actions.tolist() for one in open_dataset(name)]
        for name in ("a-v0", "b-v0", "c-v0")
    }
    assert actions["a-v0"] == actions["b-v0"]
    assert actions["a-v0"] != actions["c-v0"]


class Interrupted:
    """A source that stops after some steps."""

    def __init__(self, source, steps):
        self.source, self.steps, self.begin = source, steps, source.begin

    def actions(self, env, observation):
        self.steps -= 1
        if self.steps < 0:
            raise KeyboardInterrupt
        return self.source.actions(env, observation)


@pytest.mark.parametrize(
    ("source", "interruptions"), [(ExpertSource, (0, 6, 7, 6)), (RandomSource, (8, 30, 5))]
)
def test_interruptions_change_nothing(collected, source, interruptions):
    args = {"max_steps": 20}
    whole = collected("whole-v0", 14, "someone", source=source, env_args=args)
    parts = find_place("parts-v0")
    request = Request(GRID, 14, "someone", env_args=args, num_envs=4)
    played, kept = [], []
    for steps in interruptions:
        with pytest.raises(KeyboardInterrupt):
            collect(request, lambda n=steps: Interrupted(source(), n), parts, kept.append)
        with pytest.raises(UserError, match="'parts-v0' is not complete: call 'mmrl collect'"):
            open_dataset("parts-v0")
    (parts.collecting / ".draft-abc").mkdir()
    (parts.collecting / ".draft-abc" / "part_000003.hdf5").write_bytes(b"a draft")
    collection = collect(request, source, parts, kept.append, played.append)
    assert kept == sorted(kept)
    assert 0 < kept[-1] < 14
    assert (sum(played), kept[-1]) == (collection.played, collection.kept)
    assert collection.played + collection.kept == 14
    assert not parts.collecting.exists()
    assert whole.main.read_bytes() == parts.main.read_bytes()
    told = [json.loads(one.metadata.read_text())["total_steps"] for one in (whole, parts)]
    assert told[0] == told[1] == sum(map(len, open_dataset("parts-v0")))
    again = collect(request, source, parts, kept.append)
    assert (again.played, again.kept, kept[-1]) == (0, 14, 14)


def test_killed_while_joining(collected):
    """Whatever is already in place, the next call puts all in place."""
    place = collected("one-v0", 5)
    whole = place.main.read_bytes()
    request = Request(GRID, 5, "expert", num_envs=4)
    for gone in itertools.product((True, False), repeat=2):
        other = find_place("two-v0")
        with pytest.raises(KeyboardInterrupt):
            collect(request, lambda: Interrupted(ExpertSource(), 2), other)
        other.data.mkdir(exist_ok=True)
        if gone[0]:
            other.main.write_bytes(b"half")
        if gone[1]:
            (other.data / ".draft-xyz").mkdir()
            (other.data / ".draft-xyz" / "main_data.hdf5").write_bytes(b"half")
        collect(request, ExpertSource, other)
        assert len(other.main.read_bytes()) == len(whole)
        assert [one.seed for one in open_dataset("two-v0")] == list(range(5))
        for file in (other.main, other.metadata):
            file.unlink()
        other.data.rmdir()


def test_other_arguments_are_refused(collected):
    place = collected("given-v0", 6)
    before = place.main.read_bytes()
    with pytest.raises(UserError, match=r"(?s)other arguments.*episodes: 6 → 7\n  seed: 0 → 3"):
        collected("given-v0", 7, seed=3)
    with pytest.raises(UserError, match=r"env_args: \{\} → \{'max_steps': 9\}"):
        collected("given-v0", 6, env_args={"max_steps": 9})
    unfinished = find_place("unfinished-v0")
    with pytest.raises(KeyboardInterrupt):
        collect(
            Request(GRID, 6, "expert", num_envs=4),
            lambda: Interrupted(ExpertSource(), 1),
            unfinished,
        )
    with pytest.raises(UserError, match="by: expert → random"):
        collected("unfinished-v0", 6, "random")
    assert place.main.read_bytes() == before


def test_what_is_not_ours_is_left_alone(collected, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("42")
    with pytest.raises(UserError, match="is no unfinished dataset of ours; nothing was over"):
        collected(str(tmp_path / "mine"))
    place = collected("strangers-v0")
    metadata = json.loads(place.metadata.read_text())
    del metadata["mmrl"]
    place.metadata.write_text(json.dumps(metadata))
    with pytest.raises(UserError, match="a dataset that mmrl has not collected"):
        collected("strangers-v0")


def test_no_expert(collected, signals):
    with pytest.raises(UserError, match="'test/Signals-v0' brings no expert: .* by random, or by"):
        collected("none-v0", env=signals)


def test_minari_reads_it(collected):
    collected("gotolocal/expert-v0", 7, env="mmrl/GoToLocal-v0", env_args={"room_size": 6})
    dataset = minari.load_dataset("gotolocal/expert-v0")
    ours = open_dataset("gotolocal/expert-v0")
    assert (dataset.total_episodes, dataset.total_steps) == (7, sum(map(len, ours)))
    assert dataset.spec.dataset_id == "gotolocal/expert-v0"
    assert list(minari.list_local_datasets()) == ["gotolocal/expert-v0"]
    env = dataset.recover_environment()
    assert env.unwrapped.worlds.layout.room_size == 6
    assert dataset.observation_space == env.observation_space
    assert dataset.action_space == env.action_space == ours.spaces.action
    assert ours.spaces.observation == env.observation_space
    for theirs, rollout in zip(dataset.iterate_episodes(), ours, strict=True):
        assert np.array_equal(theirs.observations["image"], rollout.images)  # nothing is lost
        assert set(theirs.observations["instruction"]) == {rollout.instruction}
        assert len(theirs.observations["instruction"]) == len(rollout) + 1
        assert theirs.actions.tolist() == rollout.actions.tolist()
        assert theirs.rewards.tolist() == rollout.rewards.tolist()
        assert theirs.terminations[-1] or theirs.truncations[-1]
        assert [text.decode() for text in theirs.infos["description"]] == [*rollout.descriptions]
        assert str(theirs)
    metadata = list(dataset.storage.get_episode_metadata(range(7)))
    assert [one["seed"] for one in metadata] == list(range(7))
    assert dataset[3].id == 3


def test_long_episodes_and_large_images(collected):
    """Images go to the file in several chunks, the last one cut, or in chunks of one."""
    for name, tile_size in (("small-v0", 8), ("large-v0", 24)):
        args = {"max_steps": 17, "tile_size": tile_size}
        collected(name, 3, "random", env="mmrl/GoToLocal-v0", env_args=args)
        with h5py.File(find_place(name).main) as file:
            chunks = file["episode_1/observations/image"].chunks
        assert chunks[0] == max(1, 65536 // (3 * (7 * tile_size) ** 2))
        told = args | {"achieved": True, "describe": True}
        lived = plain_loop("mmrl/GoToLocal-v0", 1, by_chance, **told)
        assert_is(open_dataset(name)[1], lived)


def test_box_actions(collected):
    class Push(gym.Env):
        metadata = {"render_modes": []}
        observation_space = gym.spaces.Dict(
            image=gym.spaces.Box(0, 255, (4, 4, 3), np.uint8), instruction=gym.spaces.Text(9)
        )
        action_space = gym.spaces.Box(-1, 1, (2,), np.float32)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.steps = 0
            return {"image": np.zeros((4, 4, 3), np.uint8), "instruction": "push"}, {}

        def step(self, action):
            self.steps += 1
            image = np.full((4, 4, 3), self.steps, np.uint8)
            return {"image": image, "instruction": "push"}, 1.0, self.steps == 3, False, {}

    gym.register("test/Push-v0", Push)
    try:
        collected("push-v0", 2, "random", env="test/Push-v0")
    finally:
        del gym.registry["test/Push-v0"]
    rollout = open_dataset("push-v0")[1]
    assert (rollout.actions.shape, rollout.actions.dtype) == ((3, 2), np.float32)
    assert (rollout.images.max(), rollout.success) == (3, None)
    assert open_dataset("push-v0", "terminated_with_reward")[1].success is True


class Mute(gym.Env):
    """Does not say what success is; ends after two steps, or by some seeds never."""

    observation_space = gym.spaces.Dict(
        image=gym.spaces.Box(0, 255, (4, 4, 3), np.uint8), instruction=gym.spaces.Text(9)
    )
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.ends, self.steps = seed is None or seed % 2 == 0, 0
        return {"image": np.zeros((4, 4, 3), np.uint8), "instruction": "go"}, {}

    def step(self, action):
        self.steps += 1
        observation = {"image": np.zeros((4, 4, 3), np.uint8), "instruction": "go"}
        return observation, 0.5, self.ends and self.steps == 2, False, {}


@pytest.mark.filterwarnings("ignore:.*did not end within")
def test_an_environment_that_does_not_say_what_success_is(minari_home, capsys):
    gym.register("test/Mute-v0", Mute)
    mute = ["collect", "test/Mute-v0", "--episodes", "4", "--by", "random", "--num-envs", "4",
            "--max-episode-steps", "5", "--out"]  # fmt: skip
    try:
        assert main([*mute, "mute-v0"]) == 0
        rule = ["--env-adapter.success.return_above", "0.8"]
        assert main([*mute, "rule-v0", *rule]) == 0
    finally:
        del gym.registry["test/Mute-v0"]
    assert [one.success for one in open_dataset("mute-v0")] == [None] * 4
    assert [one.success for one in open_dataset("rule-v0")] == [True, False] * 2
    capsys.readouterr()
    assert main(["collect", "show", "mute-v0"]) == 0
    assert "success       unknown; --success gives a rule" in capsys.readouterr().out


def test_no_room_for_the_joined_file(minari_home, monkeypatch):
    """Nothing is written, the parts are kept, and the same call goes on."""
    place, request = find_place("full-v0"), Request(GRID, 9, "expert", num_envs=4)
    usage = collecting.shutil.disk_usage(minari_home.parent)
    with monkeypatch.context() as full:
        full.setattr(collecting.shutil, "disk_usage", lambda path: usage._replace(free=1 << 20))
        with pytest.raises(UserError, match=r"needs 1 MB of disk, and 1 MB .* make room, and the"):
            collect(request, ExpertSource, place)
    assert not place.main.exists()
    assert len(list(place.collecting.glob("part_*"))) == 3
    collection = collect(request, ExpertSource, place)
    assert (collection.played, collection.kept) == (0, 9)
    assert len(list(open_dataset("full-v0"))) == 9


@pytest.mark.parametrize(
    "failing", ["request.json", "part_000001.hdf5", "main_data.hdf5", "metadata.json"]
)
def test_a_disk_that_fills_up(minari_home, monkeypatch, failing):
    place, request = find_place("full-v0"), Request(GRID, 9, "expert", num_envs=4)
    publish = files._publish

    def full(path):
        if path.name == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        publish(path)

    with monkeypatch.context() as patched:
        patched.setattr(files, "_publish", full)
        with pytest.raises(UserError, match=rf"{failing} cannot be written: No space left"):
            collect(request, ExpertSource, place)
    kept = collect(request, ExpertSource, place).kept
    assert kept == {"request.json": 0, "part_000001.hdf5": 4}.get(failing, 9)
    assert len(list(open_dataset("full-v0"))) == 9


def test_a_damaged_group_of_a_part_is_named(minari_home, monkeypatch):
    """What h5py raises for a bit in the wrong place of a group's header."""
    monkeypatch.setattr(collecting, "member", Mock(side_effect=KeyError("incorrect checksum")))
    with pytest.raises(UserError, match=r"part_000000.hdf5, episode 0 is damaged: .*checksum"):
        collect(Request(GRID, 2, "expert", num_envs=2), ExpertSource, find_place("torn-v0"))


def test_a_damaged_part_is_named(minari_home, monkeypatch):
    place, request = find_place("torn-v0"), Request(GRID, 6, "expert", num_envs=4)
    with monkeypatch.context() as patched:
        patched.setattr(collecting.Workshop, "finish", lambda self: None)
        collect(request, ExpertSource, place)
    part = place.collecting / "part_000001.hdf5"
    with h5py.File(part, "a") as file:
        del file["episode_5"].attrs["total_steps"]
    with pytest.raises(UserError, match=r"part_000001.hdf5, episode 5 is damaged: .* Remove the f"):
        collect(request, ExpertSource, place)
    part.unlink()
    assert collect(request, ExpertSource, place).played == 2
    assert len(list(open_dataset("torn-v0"))) == 6


def test_the_last_image_of_an_environment_that_draws_into_one_buffer(collected, screen):
    collected("things/screen-v0", 3, "random", env=screen)
    for rollout in open_dataset("things/screen-v0"):
        assert rollout.images[:, 0, 0, 0].tolist() == [10, 11, 12, 13, 14]


def test_episodes_that_do_not_end_are_cut(collected, screen):
    endless = {"env": screen, "env_args": {"limit": 10**9}}
    with pytest.warns(UserWarning, match="an episode did not end within 6 steps") as caught:
        place = collected("things/endless-v0", 6, "random", max_episode_steps=6, **endless)
    assert len(caught) == 1  # of two parts
    with h5py.File(place.main) as file:
        for episode in file.values():
            assert episode["truncations"][:].tolist() == [False] * 5 + [True]
            assert not episode["terminations"][:].any()
            assert not episode.attrs["success"]
    with pytest.raises(UserError, match="max_episode_steps: 6 → 9"):
        collected("things/endless-v0", 6, "random", max_episode_steps=9, **endless)


class OneArray:
    """Acts with numbers that it writes into one array again and again."""

    def begin(self, env, seeds):
        self.actions = np.zeros((len(seeds), 2), np.float32)

    def actions_of(self):
        self.actions += 1
        return self.actions


def test_actions_are_copied(screen):
    source = OneArray()
    env = make_vec_env(screen, 2)
    env.step = lambda actions, step=env.step: step(actions[:, 0].astype(np.int64) % 2)
    source.begin(env, [0, 1])
    acting = SimpleNamespace(begin=lambda *_: None, actions=lambda *_: source.actions_of())
    (recording, _) = play(env, acting, [0, 1], 2)
    assert [action.tolist() for action in recording.actions] == [[k, k] for k in (1, 2, 3, 4)]


def test_worker_processes_change_no_episode(tmp_path):
    def collected(name, workers):
        request = Request("worlds.arms:arms/Arm-v0", 6, "random", num_envs=3)
        place = find_place(str(tmp_path / name))
        collect(request, RandomSource, place, env_workers=workers)
        return open_dataset(str(place.path))

    for one, other in zip(collected("here", 0), collected("there", 2), strict=True):
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.actions, other.actions)
        assert (one.instruction, one.success) == (other.instruction, other.success)

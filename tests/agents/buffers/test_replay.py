"""Replay: what is drawn is what happened, and each frame is there once."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.errors import UserError
from mmrl_agents.buffers.replay import FrameReplay, Ring

ENVS = 3
SPACE = spaces.Dict(
    image=spaces.Box(0, 255, (1, 2, 2), np.uint8), instruction=spaces.Box(0, 9999, (2,), np.int32)
)
ACTIONS = spaces.Discrete(5)


def test_a_ring_keeps_the_last():
    ring = Ring(4, spaces.Box(0, 9, (1,), np.uint8))
    first = ring.put(np.array([[1], [2], [3]]))
    assert first.tolist() == [0, 1, 2]
    second = ring.put(np.array([[4], [5]]))
    assert ring.holds(np.array([-1, 0, 1, 4])).tolist() == [False, False, True, True]
    assert ring.get(np.array([4, 1, 3])).ravel().tolist() == [5, 2, 4]
    assert second.tolist() == [3, 4]


class Story:
    """Environments whose frames are numbered; an episode ends, is cut or stands still at will."""

    def __init__(self, replay):
        self.replay, self.frame, self.sentence = replay, 0, 0
        self.seen = self.look(range(ENVS), None)
        self.happened = {}
        self.step = 0

    def look(self, rows, seen):
        obs = {
            "image": np.zeros((ENVS, 1, 2, 2), np.uint8) if seen is None else seen["image"].copy(),
            "instruction": (
                np.zeros((ENVS, 2), np.int32) if seen is None else seen["instruction"].copy()
            ),
        }
        for e in rows:
            self.frame += 1
            obs["image"][e] = [[[self.frame % 256, self.frame // 256], [e, 7]]]
            if seen is None:
                self.sentence += 1
                obs["instruction"][e] = self.sentence
        return obs

    def act(self, moves, ends, cuts):
        self.step += 1
        after = self.look([e for e in range(ENVS) if moves[e]], self.seen)
        done = np.array(ends) | np.array(cuts)
        infos = [
            {"TimeLimit.truncated": bool(c and not d)} for c, d in zip(cuts, ends, strict=True)
        ]
        actions = np.arange(ENVS) + self.step % 3
        rewards = self.step * 10.0 + np.arange(ENVS, dtype=np.float32)
        self.replay.add(self.seen, after, actions, rewards, done, infos)
        for e in range(ENVS):
            self.happened[float(rewards[e])] = (
                {key: one[e].copy() for key, one in self.seen.items()},
                {key: one[e].copy() for key, one in after.items()},
                actions[e],
                bool(ends[e]),
            )
        begun = self.look(np.flatnonzero(done), after)
        for e in np.flatnonzero(done):
            self.sentence += 1
            begun["instruction"][e] = self.sentence
        self.seen = begun


FLAGS = st.lists(st.booleans(), min_size=ENVS, max_size=ENVS)


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(st.tuples(FLAGS, FLAGS, FLAGS), min_size=1, max_size=40),
    size=st.integers(3, 40),
)
def test_what_is_drawn_has_happened(steps, size):
    np.random.seed(0)
    replay = FrameReplay(size, SPACE, ACTIONS, "cpu", n_envs=ENVS)
    story, claimed = Story(replay), replay.nbytes
    for moves, ends, cuts in steps:
        story.act(moves, ends, cuts)
    assert replay.nbytes == claimed
    assert replay.size() == min(len(steps) * ENVS, size // ENVS * ENVS)
    try:
        drawn = replay.sample(64)
    except ValueError:  # its last sentences are all overwritten already
        assert not replay._is_whole(np.arange(replay.size())).any()
        return
    assert drawn.observations["image"].dtype.is_floating_point is False
    oldest = (len(steps) - size // ENVS) * 10.0
    for k in range(64):
        reward = float(drawn.rewards[k, 0])
        assert reward > oldest
        before, after, action, ended = story.happened[reward]
        for key in SPACE:
            assert np.array_equal(drawn.observations[key][k], before[key])
            if not ended:
                assert np.array_equal(drawn.next_observations[key][k], after[key])
        assert drawn.actions[k, 0] == action
        assert drawn.dones[k, 0] == ended


def test_all_transitions_are_drawn_alike():
    np.random.seed(1)
    replay = FrameReplay(60, SPACE, ACTIONS, "cpu", n_envs=ENVS)
    story = Story(replay)
    for step in range(50):
        story.act([True] * ENVS, [step % 9 == 8] * ENVS, [False] * ENVS)
    rewards = replay.sample(12_000).rewards.flatten().numpy()
    numbers, counts = np.unique(rewards, return_counts=True)
    assert len(numbers) == 60
    assert counts.min() > 130  # 200 on average
    assert counts.max() < 280


def test_frames_are_there_once():
    replay = FrameReplay(1000, SPACE, ACTIONS, "cpu", n_envs=ENVS)
    story = Story(replay)
    for step in range(100):
        story.act([True] * ENVS, [step == 40] * ENVS, [step == 60] * ENVS)
    images, sentences = replay._rings["image"], replay._rings["instruction"]
    assert images.count == ENVS * (1 + 100 + 1)  # one more where episodes were cut
    assert sentences.count == ENVS * 3


def test_standing_still_costs_nothing():
    replay = FrameReplay(300, SPACE, ACTIONS, "cpu", n_envs=ENVS)
    story = Story(replay)
    for _ in range(100):
        story.act([False] * ENVS, [False] * ENVS, [False] * ENVS)
    assert replay._rings["image"].count == ENVS


def test_a_reset_from_outside_is_seen():
    replay = FrameReplay(300, SPACE, ACTIONS, "cpu", n_envs=ENVS)
    story = Story(replay)
    story.act([True] * ENVS, [False] * ENVS, [False] * ENVS)
    story.seen = story.look(range(ENVS), None)  # learn() was called again
    story.act([True] * ENVS, [False] * ENVS, [False] * ENVS)
    drawn = replay.sample(40)
    for k in range(40):
        before, _, _, _ = story.happened[float(drawn.rewards[k, 0])]
        assert np.array_equal(drawn.observations["image"][k], before["image"])


def test_state_there_and_back():
    one, other = (FrameReplay(60, SPACE, ACTIONS, "cpu", n_envs=ENVS) for _ in range(2))
    story = Story(one)
    for step in range(33):
        story.act([True] * ENVS, [step % 7 == 6] * ENVS, [False] * ENVS)
    other.set_state(one.get_state())
    np.random.seed(3)
    first = one.sample(32)
    np.random.seed(3)
    again = other.sample(32)
    assert first.rewards.equal(again.rewards)
    assert first.next_observations["image"].equal(again.next_observations["image"])
    story.act([True] * ENVS, [False] * ENVS, [False] * ENVS)
    with pytest.raises(UserError, match="a replay buffer of 60 transitions, not of 30"):
        FrameReplay(30, SPACE, ACTIONS, "cpu", n_envs=ENVS).set_state(one.get_state())


def test_nothing_to_draw_and_no_second_way_to_save_memory():
    replay = FrameReplay(30, SPACE, ACTIONS, "cpu", n_envs=ENVS)
    with pytest.raises(ValueError, match="is empty"):
        replay.sample(4)
    with pytest.raises(ValueError, match="every frame is stored once already"):
        FrameReplay(30, SPACE, ACTIONS, "cpu", n_envs=ENVS, optimize_memory_usage=True)


def test_a_vector_that_changes_with_every_step_is_kept_as_long_as_an_image():
    space = spaces.Dict(
        state=spaces.Box(-np.inf, np.inf, (2,), np.float32),
        instruction=spaces.Box(0, 9, (3,), np.int32),
    )
    replay = FrameReplay(32, space, spaces.Discrete(2), device="cpu", n_envs=2)
    words = np.ones((2, 3), np.int32)
    for step in range(40):
        before, after = (
            {"state": np.full((2, 2), when, np.float32), "instruction": words}
            for when in (step, step + 1)
        )
        replay.add(before, after, np.zeros(2), np.zeros(2, np.float32), np.zeros(2, bool), [{}] * 2)
    batch = replay.sample(256)
    assert set(batch.observations["state"][:, 0].tolist()) == set(range(24, 40))
    assert torch.equal(batch.next_observations["state"], batch.observations["state"] + 1)

"""Strict episodes: the first act that could be the one asked for decides."""

import gymnasium as gym
import numpy as np
import pytest

import mmrl_envs  # noqa: F401  # registers
from mmrl_envs.grid.core import cells
from mmrl_envs.grid.core.cells import DONE, DOOR_OPEN, DROP, KIND_MASK, PICKUP, TOGGLE
from mmrl_envs.grid.core.state import NOTHING, NOWHERE
from mmrl_envs.grid.generation.levels import find_level
from mmrl_envs.grid.language.instructions import (
    BY_ACT,
    BY_DONE,
    GO_TO,
    OPEN,
    PICK_UP,
)
from mmrl_envs.grid.worlds import GridWorlds


def begun(level, num_envs=64, **options):
    worlds = GridWorlds(level, num_envs, **{"strict": True, "debug": True, **options})
    worlds.seed(np.arange(num_envs, dtype=np.uint64))
    worlds.reset()
    return worlds


def neighbours(worlds, cell):
    stride = worlds.layout.stride
    return (cell + 1, cell - 1, cell + stride, cell - stride)


class Referee:
    """What the rules say, in the plainest Python, of levels with one clause."""

    def __init__(self, worlds):
        self.worlds, self.held = worlds, worlds.state.carried.copy()

    def decide(self, e, action):
        """None, or whether the episode has ended in success."""
        worlds, state = self.worlds, self.worlds.state
        before, self.held[e] = self.held[e], state.carried[e]
        verb = state.instruction[e, 1] & 15
        targets, others = (
            {k for k in range(state.object_count[e]) if int(mask) >> k & 1}
            for mask in state.tracked[e, 0]
        )
        direction = int(state.agent_direction[e])
        ahead = cells.DX[direction] + cells.DY[direction] * worlds.layout.stride
        front = int(state.agent_cell[e]) + ahead
        at = {int(cell): k for k, cell in enumerate(state.object_cell[e]) if cell != NOWHERE}
        faced = at.get(front)
        if verb == GO_TO:
            return faced in targets if action == DONE else None
        if verb == PICK_UP:
            picked = before == NOTHING and action == PICKUP and state.carried[e] != NOTHING
            return int(state.carried[e]) in targets if picked else None
        if verb == OPEN:
            opened = action == TOGGLE and state.grid[e, front] & KIND_MASK == DOOR_OPEN
            return faced in targets if opened else None
        if action != DROP or before == NOTHING or state.carried[e] != NOTHING:
            return None
        near = {at[cell] for cell in neighbours(worlds, front) if cell in at}
        return (faced in targets and bool(near & others)) if near else None


@pytest.mark.parametrize(
    "level", ["PickupDist", "OpenDoorColor", "GoToLocalS5N2", "PutNextLocal", "ActionObjDoor",
              "PutNextS5N2Carrying", "PickupLoc"]
)  # fmt: skip
def test_the_first_act_decides(level):
    worlds = begun(level)
    referee = Referee(worlds)
    rng = np.random.default_rng(0)
    over = np.zeros(64, bool)
    outcomes = []
    for _ in range(150):
        actions = rng.choice(7, 64, p=np.array([4, 4, 8, 4, 4, 3, 1]) / 28)
        led = (np.arange(64) % 4 == 0) & (rng.random(64) < 0.5)
        actions[led] = worlds.expert_actions("full")[led]
        _, terminated, truncated, success, _ = worlds.step(actions, over)
        for e in np.flatnonzero(~over):
            expected = referee.decide(e, actions[e])
            assert terminated[e] == (expected is not None), (e, worlds.sentences[e])
            assert success[e] == bool(expected), (e, worlds.sentences[e])
            if terminated[e]:
                outcomes.append(bool(success[e]))
        over |= terminated | truncated
    assert 5 < sum(outcomes) < len(outcomes) - 5  # both were seen


@pytest.mark.parametrize(
    ("level", "rule"),
    [
        ("PickupDist", BY_ACT),
        ("OpenDoorColor", BY_ACT),
        ("OpenRedBlueDoors", BY_ACT),
        ("FindObjS5", BY_ACT),
        ("Open", BY_DONE),
        ("UnblockPickup", BY_DONE),
        ("KeyInBox", BY_DONE),
        ("KeyCorridor", BY_DONE),
        ("BossLevelNoUnlock", BY_DONE),
    ],
)
def test_done_decides_where_other_things_have_to_be_moved_or_opened(level, rule):
    assert find_level(level).builder().strict_rule == rule


def test_done_on_the_wrong_thing_fails_and_moving_others_does_not():
    worlds = begun("UnblockPickup", 32)
    over = np.zeros(32, bool)
    moved = 0
    while not over.all():
        actions = worlds.expert_actions("full")
        _, terminated, truncated, success, _ = worlds.step(actions, over)
        assert (success == terminated).all()  # the expert is never wrong
        moved += int(((actions == PICKUP) & ~over & ~terminated).sum())
        over |= terminated | truncated
        assert not (terminated & (actions != DONE)).any()
    assert moved > 32
    worlds = begun("UnblockPickup", 32)
    _, terminated, _, success, _ = worlds.step(np.full(32, DONE), np.zeros(32, bool))
    assert terminated.all()
    assert not success.any()


def test_a_sequence_is_done_in_its_order():
    """The expert, who takes the second door for the first, opens it and has failed; in the plain
    level the episode goes on.
    """
    running = np.zeros(1, bool)
    for strict in (True, False):
        worlds = begun("OpenRedBlueDoors", 1, strict=strict, debug=False)
        assert worlds.sentences == ["open the red door, then open the blue door"]
        action = [None]
        while action[0] != TOGGLE:
            tracked = worlds.state.tracked.copy()
            worlds.state.tracked[0, [0, 2]] = tracked[0, [2, 0]]
            action = worlds.expert_actions("full")
            worlds.state.tracked[:] = tracked
            _, terminated, _, success, _ = worlds.step(action, running)
        assert terminated[0] == strict
        assert not success[0]


@pytest.mark.parametrize("level", ["GoToLocal", "PutNextLocal", "OpenDoor", "BossLevel"])
def test_scenes_and_sentences_are_those_of_the_plain_level(level):
    strict = begun(level, 32)
    plain = GridWorlds(level, 32)
    plain.seed(np.arange(32, dtype=np.uint64))
    plain.reset()
    assert strict.sentences == plain.sentences
    assert (strict.state.grid == plain.state.grid).all()


def test_registered_beside_the_plain_levels():
    env = gym.make("mmrl/PickupDistStrict-v0", room_size=5, num_dists=2)
    assert env.unwrapped.worlds.rules == BY_ACT
    assert gym.make("mmrl/PickupDist-v0", strict=True).unwrapped.worlds.rules == BY_ACT
    assert gym.make("mmrl/PickupDist-v0").unwrapped.worlds.rules == 0


def test_a_state_goes_on_only_in_worlds_of_its_rules(assert_same):
    strict, plain = gym.make("mmrl/PickupDistStrict-v0"), gym.make("mmrl/PickupDist-v0")
    strict.reset(seed=3)
    plain.reset(seed=3)
    state = strict.unwrapped.get_state()
    with pytest.raises(ValueError, match="other sizes"):
        plain.unwrapped.set_state(state)
    strict.unwrapped.step(PICKUP)
    strict.unwrapped.set_state(state)
    assert_same(strict.unwrapped.get_state(), state)

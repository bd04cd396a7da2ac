"""The expert achieves every instruction, from everywhere, knowing no more than it may."""

import numpy as np
import pytest
from minigrid.core.world_object import Ball, Box, Key
from minigrid.envs.babyai.core.verifier import GoToInstr, ObjDesc, PickupInstr, PutNextInstr

from mmrl_envs.grid.core import cells
from mmrl_envs.grid.core.cells import COLOR_SHIFT, DONE
from mmrl_envs.grid.core.state import NOWHERE
from mmrl_envs.grid.env import GridEnv
from mmrl_envs.grid.generation.levels import LEVELS
from mmrl_envs.grid.rendering.themes import THEMES
from mmrl_envs.grid.vector_env import GridVectorEnv
from mmrl_envs.grid.worlds import GridWorlds

MINIGRID = THEMES["minigrid"]
HOPELESS = {"OpenDoorsOrderN2Debug", "OpenDoorsOrderN4Debug"}
"""Strict sequences of two doors: the toggle that opens the first one fails the second clause."""


@pytest.fixture(scope="module")
def begun():
    """A function that makes worlds at the beginning of episodes, with a memory."""

    def make(level, num_envs, **options):
        worlds = GridWorlds(level, num_envs, **options)
        worlds.remember()
        worlds.seed(np.arange(num_envs, dtype=np.uint64))
        worlds.reset()
        return worlds

    return make


@pytest.fixture(scope="module")
def play():
    """A function that lets the expert play on; success and steps of each environment."""

    def go_on(worlds, knowledge, over=None):
        over = np.zeros(worlds.num_envs, bool) if over is None else over.copy()
        success = np.zeros(worlds.num_envs, bool)
        steps = np.zeros(worlds.num_envs, int)
        while not over.all():
            steps += ~over
            _, terminated, truncated, done, _ = worlds.step(worlds.expert_actions(knowledge), over)
            success |= done
            over |= terminated | truncated
        return success, steps

    return go_on


@pytest.mark.parametrize("knowledge", ["full", "seen"])
@pytest.mark.parametrize("level", sorted(set(LEVELS) - HOPELESS))
def test_carries_out_every_level(begun, play, level, knowledge):
    success, _ = play(begun(level, 25), knowledge)
    assert success.all(), np.flatnonzero(~success)


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_carries_out_every_strict_level(begun, play, level):
    success, _ = play(begun(level, 12, strict=True), "full")
    assert success.all(), np.flatnonzero(~success)


@pytest.mark.parametrize("level", sorted(HOPELESS))
def test_only_what_nobody_can_do_is_left_undone(parity, begun, play, level):
    """Two halves: minigrid, too, ends the episode in failure when the first door opens."""
    worlds = begun(level, 25)
    single = worlds.state.instruction[:, 0] == 0
    success, _ = play(worlds, "full")
    assert success[single].all()
    pair = parity.ParityPair(parity.minigrid_id(level), level)
    failures = 0
    for seed in range(12):
        assert pair.reset(seed) == []
        if pair.ours.worlds.state.instruction[0, 0] == 0:
            continue
        over = False
        while not over:
            differences, over, truncated, success = pair.step(pair.ours.expert_action("full"))
            assert differences == []
            assert not truncated
        failures += not success
    assert failures > 3


@pytest.mark.parametrize("knowledge", ["full", "seen"])
@pytest.mark.parametrize(
    "level", ["GoToLocal", "PutNextLocal", "UnlockPickupDist", "KeyInBox", "BossLevel", "Unlock"]
)
def test_goes_on_from_the_middle_of_random_episodes(begun, play, level, knowledge):
    worlds = begun(level, 60)
    rng = np.random.default_rng(0)
    over = np.zeros(60, bool)
    for _ in range(50):
        actions = rng.choice(7, 60, p=np.array([2, 2, 4, 3, 3, 2, 0]) / 16)
        _, terminated, truncated, _, _ = worlds.step(actions, over)
        over |= terminated | truncated
    gone = (worlds.state.object_cell == NOWHERE) & (worlds.state.object_code % 16 == cells.BOX)
    over |= gone.any(axis=1)  # an opened box may have been what is asked for
    worlds.state.step_count[:] = 0
    assert (~over).sum() > 5
    success, _ = play(worlds, knowledge, over)
    assert (success | over).all()


def test_steps_are_as_few_as_can_be(begun, play):
    """In an empty room: turns and steps to the nearest pose that faces the object."""
    worlds = begun("GoToObj", 50)
    state, layout = worlds.state, worlds.layout
    fewest = []
    for e in range(50):
        x, y = layout.position(int(state.agent_cell[e]))
        gx, gy = layout.position(int(state.object_cell[e, 0]))
        frontier, seen = [(x, y, int(state.agent_direction[e]))], set()
        for steps in range(100):
            if any((a + cells.DX[d], b + cells.DY[d]) == (gx, gy) for a, b, d in frontier):
                fewest.append(max(steps, 1))
                break
            seen |= set(frontier)
            onward = set()
            for a, b, d in frontier:
                onward |= {(a, b, (d + 1) % 4), (a, b, (d + 3) % 4)}
                p, q = a + cells.DX[d], b + cells.DY[d]
                if 0 < p < layout.width - 1 and 0 < q < layout.height - 1:
                    onward.add((p, q, d))
            frontier = sorted(onward - seen)
    _, steps = play(worlds, "full")
    assert steps.tolist() == fewest


@pytest.mark.parametrize("level", ["BossLevel", "GoTo", "UnlockPickupDist"])
def test_what_was_not_seen_does_not_count(begun, level):
    """Other colours and kinds where nobody has looked yet: the same action."""
    worlds = begun(level, 100)
    rng = np.random.default_rng(0)
    for _ in range(10):
        worlds.step(rng.integers(0, 3, 100), np.zeros(100, bool))
    before = worlds.expert_actions("seen")
    state = worlds.state
    changed = 0
    for e in range(100):
        for thing in range(state.object_count[e]):
            cell = state.object_cell[e, thing]
            asked = any(int(state.tracked[e, c, s]) >> thing & 1 for c in range(4) for s in (0, 1))
            if cell == NOWHERE or asked or state.seen[e, cell]:
                continue
            color = rng.integers(6)
            code = (state.object_code[e, thing] & 15) | color << COLOR_SHIFT
            state.object_code[e, thing] = state.grid[e, cell] = code
            changed += 1
    assert changed > 50
    assert worlds.expert_actions("seen").tolist() == before.tolist()


def test_an_answer_changes_nothing_and_depends_on_its_environment_alone(begun, bytes_of):
    worlds = begun("BossLevel", 8)
    for t in range(30):
        before = bytes_of(worlds)
        together = worlds.expert_actions("seen")
        assert bytes_of(worlds) == before
        assert together.tolist() == worlds.expert_actions("seen").tolist()
        if t % 10 == 0:
            alone = GridEnv("BossLevel")
            for e in range(8):
                alone.worlds.state = worlds.row(e)
                assert alone.expert_action("seen") == together[e]
                assert alone.expert_action("full") == worlds.expert_actions("full")[e]
        worlds.step(together, np.zeros(8, bool))


def test_memory_ends_with_the_episode():
    envs = GridVectorEnv(6, "GoTo", max_steps=12)
    fresh = GridVectorEnv(6, "GoTo", max_steps=12)
    envs.reset(seed=0)
    envs.expert_actions()
    for action in np.random.default_rng(0).integers(0, 3, (30, 6)):
        envs.step(action)
    envs.reset(seed=5)
    fresh.reset(seed=5)
    assert envs.expert_actions().tolist() == fresh.expert_actions().tolist()
    assert np.array_equal(envs.worlds.state.seen, fresh.worlds.state.seen)
    assert 0 < envs.worlds.state.seen.mean() < 0.2


def test_seen_is_what_the_view_shows(begun):
    """A memory of one step is the view; it only grows until the episode ends."""
    worlds = begun("GoToDoor", 20)
    full = GridWorlds("GoToDoor", 20, view="full", tile_size=8)
    full.state = worlds.state
    frames = np.empty(full.frames_shape, np.uint8)
    full.paint(frames)
    layout = worlds.layout
    for e in range(20):
        for x in range(layout.width):
            for y in range(layout.height):
                cell = layout.cell_index(x, y)
                if cell == worlds.state.agent_cell[e]:
                    continue
                tile = frames[e, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
                code, is_seen = int(worlds.state.grid[e, cell]), bool(worlds.state.seen[e, cell])
                assert np.array_equal(tile, MINIGRID.tile(code, 8, highlight=is_seen))
    seen = worlds.state.seen.copy()
    worlds.step(np.zeros(20, np.int64), np.zeros(20, bool))
    assert (worlds.state.seen >= seen).all()


@pytest.mark.parametrize("knowledge", ["full", "seen"])
def test_does_nothing_where_nothing_can_be_done(furnished, knowledge):
    """The box that is asked for was opened: it is gone."""
    pair = furnished({(4, 3): Box("red")}, PickupInstr(ObjDesc("box", "red")))
    pair.step(cells.TOGGLE)
    for _ in range(5):  # it may look around first
        pair.step(pair.ours.expert_action(knowledge))
    assert [pair.ours.expert_action(knowledge) for _ in range(3)] == [DONE] * 3


def test_makes_room_before_it_fetches(furnished):
    """The key lies behind two balls in a row; both have to go, and not into each other's way."""
    things = {(5, y): Ball("blue") for y in range(1, 7)} | {(6, 3): Key("red")}
    things |= {(1, 1): Box("grey")}
    instr = PutNextInstr(ObjDesc("key", "red"), ObjDesc("box", "grey"))
    pair = furnished(things, instr)
    for _ in range(60):
        differences, terminated, _, success = pair.step(pair.ours.expert_action("full"))
        assert differences == []
        if terminated:
            break
    assert success


def test_what_is_in_the_hands_is_put_down_to_be_gone_to(furnished):
    pair = furnished({(4, 3): Ball("red")}, GoToInstr(ObjDesc("ball", "red")))
    state = pair.ours.worlds.state
    assert pair.ours.expert_action("full") == DONE  # it is in front already
    pair.source.step(cells.PICKUP)
    pair.source.step(cells.LEFT)
    assert pair.bring_over() == []
    assert state.carried[0] == 0
    assert pair.ours.expert_action("full") == cells.DROP


def test_another_knowledge_is_refused(begun):
    with pytest.raises(ValueError, match="knowledge='some': choose 'seen' or 'full'"):
        begun("GoToObj", 1).expert_actions("some")

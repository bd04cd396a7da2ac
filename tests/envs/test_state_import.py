"""Importing minigrid's states: what fits, what is rejected, and what is remembered."""

import contextlib
import io

import gymnasium as gym
import numpy as np
import pytest
from minigrid.core.world_object import Ball, Box, Goal
from minigrid.envs.babyai.core.verifier import (
    AndInstr,
    BeforeInstr,
    GoToInstr,
    ObjDesc,
    PickupInstr,
    PutNextInstr,
)

from mmrl_envs.grid.env import GridEnv
from mmrl_envs.grid.minigrid_state import import_minigrid
from mmrl_envs.grid.worlds import GridWorlds

LEFT, RIGHT, PICKUP, TOGGLE, DONE = 0, 1, 3, 5, 6


@pytest.fixture
def source():
    return begun("BabyAI-GoToLocal-v0")


@pytest.fixture
def worlds():
    ours = GridWorlds("GoToLocal", 3)
    ours.seed(np.arange(3, dtype=np.uint64))
    ours.reset()
    return ours


def begun(env_id, seed=0):
    with contextlib.redirect_stdout(io.StringIO()):
        env = gym.make(env_id)
        env.reset(seed=seed)
    return env


def instruct(env, instr):
    base = env.unwrapped
    base.instrs = instr
    base.mission = instr.surface(base)
    instr.reset_verifier(base)


def test_only_the_chosen_row_changes(source, worlds):
    before = [array.copy() for array in worlds.state]
    sentences = list(worlds.sentences)
    import_minigrid(source, worlds, 1)
    for one, two in zip(before, worlds.state, strict=True):
        assert np.array_equal(one[[0, 2]], two[[0, 2]])
    assert worlds.sentences == [sentences[0], source.unwrapped.mission, sentences[2]]
    assert not np.array_equal(before[1][1], worlds.state.grid[1])


def test_the_random_generator_stays_ours(source, worlds):
    generators = worlds.state.rng.copy()
    import_minigrid(source, worlds, 1)
    assert np.array_equal(worlds.state.rng, generators)


def test_every_form_of_instruction_comes_over(parity):
    """Boss levels use the whole grammar."""
    pair = parity.ParityPair("BabyAI-BossLevel-v0")
    verbs, orders, places, nouns, sizes = set(), set(), set(), set(), set()
    for seed in range(40):
        assert pair.reset(seed) == []
        instruction = pair.ours.worlds.instruction(0)
        assert str(instruction) == pair.source.mission
        orders.add(instruction.order)
        for half in filter(None, (instruction.first, instruction.second)):
            sizes.add(len(half))
            for clause in half:
                verbs.add(clause.verb)
                for description in filter(None, (clause.target, clause.beside)):
                    places.add(description.location)
                    nouns.add(description.noun)
    assert verbs == {"go to", "pick up", "open", "put"}
    assert orders == {"", "before", "after"}
    assert sizes == {1, 2}
    assert len(places) == 5
    assert nouns == {"box", "ball", "key", "door"}


def _not_babyai(_):
    return gym.make("MiniGrid-Empty-5x5-v0")


def _not_reset(_):
    return gym.make("BabyAI-GoToLocal-v0")


def _larger(_):
    return begun("BabyAI-BossLevel-v0")


def _crowded(env):
    for x in range(1, 7):
        env.unwrapped.put_obj(Ball("red"), x, 1)
    env.unwrapped.put_obj(Box("red", Box("red", Ball("blue"))), 1, 2)
    return env


def _unknown(env):
    one, two, *_ = (thing for thing in env.unwrapped.grid.grid if thing and thing.type != "wall")
    env.unwrapped.grid.set(*one.cur_pos, Goal())
    instruct(env, GoToInstr(ObjDesc(two.type, two.color)))
    return env


def _strict_order(env):
    one, two = (PickupInstr(ObjDesc(kind)) for kind in _kinds(env))
    instruct(env, BeforeInstr(one, two, strict=True))
    return env


def _walls(env):
    instruct(env, GoToInstr(ObjDesc(None, "grey")))
    return env


def _beside_walls(env):
    instruct(env, PutNextInstr(ObjDesc(_kinds(env)[0]), ObjDesc(None, "grey")))
    return env


def _kinds(env):
    found = {thing.type for thing in env.unwrapped.grid.grid if thing and thing.type != "wall"}
    return sorted(found)[:2]


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (_not_babyai, "no BabyAI instruction"),
        (_not_reset, "has not been reset"),
        (_larger, r"\(8, 3, 3\) do not fit \(8, 1, 1\)"),
        (_crowded, "objects: level GoToLocal has 8"),
        (_unknown, "a green goal"),
        (_strict_order, "strict BeforeInstr"),
        (_walls, "walls"),
        (_beside_walls, "walls"),
    ],
)
def test_what_does_not_fit_is_turned_down_and_changes_nothing(
    source, worlds, bytes_of, prepare, message
):
    env = prepare(source)
    before = bytes_of(worlds)
    with pytest.raises(ValueError, match=message):
        import_minigrid(env, worlds)
    assert bytes_of(worlds) == before


def test_a_grey_object_to_pick_up_is_no_wall(furnished, play):
    """Minigrid counts the grey walls too, and so uses "a" where there is but one thing."""
    things = {(4, 3): Ball("grey"), (3, 5): Ball("red")}
    pair = furnished(things, PickupInstr(ObjDesc(None, "grey"), strict=True))
    assert pair.ours.worlds.sentences == ["pick up a grey object"]
    assert play(pair, [PICKUP]) == (True, True)


@pytest.mark.parametrize("ball_ahead", [True, False])
@pytest.mark.parametrize("box_first", [True, False])
def test_import_knows_an_opened_box_from_a_ball_in_the_hands(
    furnished, play, ball_ahead, box_first
):
    """Both are off the grid, and one description means both, another one only the box."""
    ball, box = ((4, 3), (3, 4)) if ball_ahead else ((3, 4), (4, 3))
    things = {ball: Ball("red"), box: Box("red"), (6, 6): Ball("blue")}
    clauses = [GoToInstr(ObjDesc("box", "red")), GoToInstr(ObjDesc(None, "red"))]
    later = AndInstr(*(clauses if box_first else reversed(clauses)))
    pair = furnished(things, BeforeInstr(GoToInstr(ObjDesc("ball", "blue")), later))
    play(pair, [PICKUP, RIGHT, TOGGLE] if ball_ahead else [RIGHT, PICKUP, LEFT, TOGGLE])
    remembered = _known(pair)
    assert pair.bring_over() == []
    assert _known(pair) == remembered


def _known(pair):
    """Where "go to" takes each of the red things to be, by its code."""
    state = pair.ours.worlds.state
    return {
        int(state.object_code[0, k]): int(state.known_cell[0, k])
        for k in range(state.object_count[0])
        if state.object_code[0, k] >> 4 == 0
    }


def test_an_import_runs_on_in_the_single_environment(source):
    """A state in the midst of an episode: the step count and the reward go on from there."""
    for _ in range(10):
        source.step(DONE)
    ours = GridEnv("GoToLocal")
    ours.reset(seed=0)
    import_minigrid(source, ours.worlds)
    assert int(ours.worlds.state.step_count[0]) == 10
    for t in range(11, 65):
        _, reward, terminated, truncated, info = ours.step(DONE)
        assert truncated == (t == 64)
        assert reward == 0
        assert not terminated
    assert info["is_success"] is False
    assert int(source.unwrapped.max_steps) == 64

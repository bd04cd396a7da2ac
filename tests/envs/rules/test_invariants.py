"""Every rule can be broken, and is named then; none is broken by playing."""

import numpy as np
import pytest

from mmrl_envs.grid.core import cells
from mmrl_envs.grid.core.cells import cell
from mmrl_envs.grid.core.state import NOTHING, NOWHERE
from mmrl_envs.grid.language.instructions import Clause, Description, Instruction
from mmrl_envs.grid.rules.invariants import RULES, check_envs
from mmrl_envs.grid.vector_env import GridVectorEnv
from mmrl_envs.grid.worlds import GridWorlds

LEVEL_SAMPLE = ["GoToLocal", "BossLevel", "KeyInBox", "PutNextS5N2Carrying", "UnlockToUnlock"]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("level", LEVEL_SAMPLE)
def test_playing_breaks_no_rule(level, strict):
    envs = GridVectorEnv(16, level, debug=True, max_steps=60, strict=strict)
    envs.reset(seed=0)
    probabilities = np.array([2, 2, 4, 4, 3, 3, int(strict)]) / (18 + strict)
    for action in np.random.default_rng(0).choice(7, (200, 16), p=probabilities):
        envs.step(action)


def objects(worlds):
    """A key in the hands, a box with a ball in it, a door."""
    state, layout = worlds.state, worlds.layout
    state.object_count[0] = 4
    looks = [cell(cells.KEY, "red"), cell(cells.BOX, "blue"), cell(cells.BALL, "green")]
    state.object_code[0, :4] = [*looks, cell(cells.DOOR_CLOSED, "grey")]
    places = [NOWHERE, layout.cell_index(2, 2), NOWHERE, layout.cell_index(7, 3)]
    state.object_cell[0, :4] = state.known_cell[0, :4] = places
    state.grid[0] = layout.blank
    state.grid[0, places[1]] = looks[1]
    state.grid[0, places[3]] = cell(cells.DOOR_CLOSED, "grey")
    state.carried[0] = 0
    state.content[0] = NOTHING
    state.content[0, 1] = 2
    state.agent_cell[0] = layout.cell_index(1, 1)
    red, blue = Description("key", "red"), Description("box", "blue")
    first, second = Clause("put", red, blue), Clause("open", Description("door"))
    state.instruction[0] = Instruction((first,), (second,), "before").code
    state.tracked[0] = 0
    state.tracked[0, 0] = [1, 2]
    state.tracked[0, 2, 0] = 8
    state.progress[0] = 0
    state.held_before[0] = NOTHING


@pytest.fixture
def worlds():
    made = GridWorlds("GoToObjDoor", 2)
    made.seed(np.arange(2, dtype=np.uint64))
    made.reset()
    objects(made)
    assert check_envs(made.state, made.layout, 0, 2) == (0, 0)
    return made


def put(name, index, value):
    def spoil(state, layout):
        array = getattr(state, name)
        array[(0, *index)] = value(layout) if callable(value) else value

    return spoil


def at(x, y):
    return lambda layout: layout.cell_index(x, y)


def ball_on_the_floor(state, layout):
    state.grid[0, layout.cell_index(4, 4)] = cell(cells.BALL, "red")


def two_in_one_place(state, layout):
    state.object_cell[0, 0] = state.object_cell[0, 1]
    state.object_code[0, 0] = state.object_code[0, 1]
    state.carried[0] = NOTHING


def on_a_wall(state, layout):
    state.agent_cell[0] = layout.cell_index(0, 0)


def holds(rule, *spoils):
    return [(rule, spoil) for spoil in spoils]


CASES = [
    *holds(1, put("grid", (0,), cells.EMPTY_CELL), put("grid", (500,), 14)),
    *holds(1, put("grid", (500,), 7 << 4 | cells.WALL)),
    *holds(2, put("agent_cell", (), 0), put("agent_cell", (), -5)),
    *holds(3, on_a_wall, put("agent_cell", (), at(2, 2))),
    *holds(4, put("agent_direction", (), -1), put("agent_direction", (), 4)),
    *holds(5, put("object_count", (), -1), put("object_count", (), 65)),
    *holds(6, put("object_code", (0,), cells.WALL_CELL), put("object_code", (0,), 7 << 4 | 5)),
    *holds(7, put("object_cell", (1,), at(3, 3)), put("object_cell", (1,), 2)),
    *holds(8, ball_on_the_floor, two_in_one_place),
    *holds(9, put("carried", (), 3), put("carried", (), 1), put("carried", (), 9)),
    *holds(10, put("content", (1,), 3), put("content", (3,), 2)),
    *holds(10, put("content", (1,), 0), put("content", (1,), 1)),
    *holds(11, put("content", (1,), NOTHING), put("carried", (), NOTHING)),
    *holds(12, put("known_cell", (2,), 1), put("known_cell", (1,), -7)),
    *holds(13, put("step_count", (), -1), put("max_steps", (), 0)),
    *holds(13, put("step_count", (), 10**6)),
    *holds(14, put("instruction", (0,), 3), put("instruction", (1,), 0)),
    *holds(14, put("instruction", (3,), 0), put("instruction", (1,), 15)),
    *holds(14, put("instruction", (1,), 1 | 7 << 4)),
    *holds(14, put("instruction", (3,), Clause("open", Description("key")).code)),
    *holds(14, put("instruction", (1,), Clause("pick up", Description("door")).code)),
    *holds(15, put("tracked", (0, 0), 2), put("tracked", (0, 0), 0)),
    *holds(15, put("tracked", (0, 1), 1 << 40)),
    *holds(16, put("progress", (), 0b10), put("progress", (), 0b100)),
    *holds(16, put("progress", (), 0b10000)),
    *holds(17, put("held_before", (0,), 3), put("held_before", (0,), 50)),
]


@pytest.mark.parametrize(("rule", "spoil"), CASES)
def test_a_broken_rule_is_named(worlds, rule, spoil):
    spoil(worlds.state, worlds.layout)
    assert check_envs(worlds.state, worlds.layout, 0, 2) == (rule, 0)
    assert check_envs(worlds.state, worlds.layout, 1, 2) == (0, 0)


def test_every_rule_has_a_case():
    assert {rule for rule, _ in CASES} == set(range(1, len(RULES)))


def test_debug_mode_names_rule_level_seed_and_step():
    envs = GridVectorEnv(3, "GoToLocal", debug=True)
    envs.reset(seed=40)
    envs.step([0, 0, 0])
    envs.worlds.state.object_code[1, 0] = cells.WALL_CELL
    message = "GoToLocal, environment 1 of seed 41, step 2: an object's code is not that of"
    with pytest.raises(RuntimeError, match=message):
        envs.step([0, 0, 0])

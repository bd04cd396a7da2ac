"""Level generation: what always holds, and that its distributions are minigrid's."""

import contextlib
import io
from collections import Counter

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import mmrl_envs  # noqa: F401  # registers
from mmrl_envs.grid.core.cells import (
    COLOR_SHIFT,
    COLORS,
    DOOR_LOCKED,
    DOORS,
    EMPTY_CELL,
    KEY,
    KIND_MASK,
    WALL,
    WALL_CELL,
)
from mmrl_envs.grid.core.state import NOTHING, NOWHERE, make_layout
from mmrl_envs.grid.generation.levels import LEVELS, find_level
from mmrl_envs.grid.language.instructions import NOUN_OF_KIND, NOUNS, VOCABULARY
from mmrl_envs.grid.worlds import GridWorlds

PROPERTY = settings(deadline=None, derandomize=True, max_examples=40)
SIZES = {name: level.builder().build()[0] for name, level in LEVELS.items()}
ONE_ROOM = sorted(name for name, layout in SIZES.items() if layout.columns * layout.rows == 1)
MAZES = sorted(set(LEVELS) - set(ONE_ROOM))
AGENT_LAST = ("PickupLoc", "PickupDist", "OneRoom")  # objects do not keep off the agent
UNCHECKED = ("GoToObj", "PickupDist", "OneRoom")  # something may be out of reach


def generated(level, seed, count=1, **sizes):
    worlds = GridWorlds(level, count, **sizes)
    worlds.seed(np.arange(seed, seed + count, dtype=np.uint64))
    worlds.reset()
    return worlds


def inside(worlds, e=0):
    """The grid without its margin, uint8 [height, width]."""
    layout = worlds.layout
    margin = (layout.stride - layout.width) // 2
    grid = worlds.state.grid[e].reshape(-1, layout.stride)
    return grid[margin : margin + layout.height, margin : margin + layout.width]


def objects(worlds, e=0):
    """Position and cell code of every object."""
    state = worlds.state
    return {
        worlds.layout.position(int(state.object_cell[e, k])): int(state.object_code[e, k])
        for k in range(state.object_count[e])
    }


def faced(worlds, goes_on, e=0):
    """The cells that the agent can face if it walks over those whose code ``goes_on`` accepts."""
    grid = inside(worlds, e)
    todo = [worlds.layout.position(int(worlds.state.agent_cell[e]))]
    seen = set(todo)
    while todo:
        x, y = todo.pop()
        for there in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if there not in seen:
                seen.add(there)
                if goes_on(grid[there[1], there[0]]):
                    todo.append(there)
    return seen


def matches(description, code):
    noun = NOUNS[NOUN_OF_KIND[code & KIND_MASK]]
    color = COLORS[code >> COLOR_SHIFT]
    return description.noun in (noun, "object") and description.color in (color, "")


@PROPERTY
@given(st.sampled_from(ONE_ROOM), st.integers(0, 2**40))
def test_what_always_holds(level, seed):
    worlds = generated(level, seed)
    state, layout = worlds.state, worlds.layout
    grid, things = inside(worlds), objects(worlds)
    x, y = layout.position(int(state.agent_cell[0]))

    assert grid[y, x] == EMPTY_CELL
    assert state.carried[0] == NOTHING
    assert state.step_count[0] == 0
    assert len(things) == state.object_count[0] == layout.max_objects
    expected = layout.blank.reshape(-1, layout.stride)[6:-6, 6:-6].copy()
    for (column, row), code in things.items():
        assert expected[row, column] == EMPTY_CELL
        expected[row, column] = code
    assert np.array_equal(grid, expected)  # exactly these objects, nothing else
    assert (grid[[0, -1]] == WALL_CELL).all()
    assert (grid[:, [0, -1]] == WALL_CELL).all()
    if not level.startswith(UNCHECKED):
        assert set(things) <= faced(worlds, lambda code: code == EMPTY_CELL)
    column, row = ((x + 1, y), (x, y + 1), (x - 1, y), (x, y - 1))[state.agent_direction[0]]
    assert (column, row) not in things  # it does not face an object
    if not level.startswith(AGENT_LAST):
        assert all(abs(i - x) + abs(j - y) > 1 for i, j in things)

    instruction = worlds.instruction(0)
    (clause,) = instruction.first
    assert not instruction.second
    for side, description in enumerate(filter(None, (clause.target, clause.beside))):
        meant = [code for code in things.values() if matches(description, code)]
        tracked = [
            int(state.object_code[0, k])
            for k in range(state.object_count[0])
            if int(state.tracked[0, 0, side]) >> k & 1
        ]
        assert len(tracked) >= 1
        if description.location:
            assert Counter(tracked) <= Counter(meant)
        else:
            assert Counter(tracked) == Counter(meant)
        walls = (description.noun, description.color) == ("object", "grey")  # minigrid counts them
        assert description.several == (len(tracked) > 1 or walls)


def rooms_by_doors(worlds):
    """The rooms that the agent could come to if every door were open and nothing in the way."""
    pitch = worlds.layout.room_size - 1
    cells = faced(worlds, lambda code: code & KIND_MASK != WALL)
    return {(x // pitch, y // pitch) for x, y in cells if x % pitch and y % pitch}


@PROPERTY
@given(st.sampled_from(MAZES), st.integers(0, 2**40))
def test_what_holds_in_mazes(level, seed):
    worlds = generated(level, seed)
    state, layout = worlds.state, worlds.layout
    grid, things = inside(worlds), objects(worlds)
    pitch = layout.room_size - 1
    x, y = layout.position(int(state.agent_cell[0]))
    assert grid[y, x] == EMPTY_CELL
    assert (grid[[0, -1]] == WALL_CELL).all()
    assert (grid[:, [0, -1]] == WALL_CELL).all()
    for (column, row), code in things.items():
        if (column, row) != layout.position(NOWHERE):  # in the hands, or in a box
            assert grid[row, column] == code
            in_wall = column % pitch == 0 or row % pitch == 0
            assert in_wall == bool(DOORS >> (code & KIND_MASK) & 1) or level.startswith(
                ("KeyCorridor", "PutNext", "MoveTwo")  # where walls were taken away
            )
    if level.startswith(("GoTo", "Open", "Pickup", "Boss", "Mini", "Synth", "Key", "Find")):
        alone = ("GoToDoor", "GoToObjDoor", "OpenDoor", "OpenTwo", "OpenRed", "KeyInBox")
        if not level.startswith(alone):
            assert len(rooms_by_doors(worlds)) == layout.columns * layout.rows
    assert (state.carried[0] != NOTHING) == level.endswith("Carrying")
    words = set(worlds.sentences[0].replace(",", "").split())
    assert words <= set(VOCABULARY)
    for clause in range(4):
        if state.instruction[0, 1 + clause]:
            assert state.tracked[0, clause, 0] != 0  # it speaks of something that is there


@pytest.mark.parametrize("level", ["Unlock", "GoToImpUnlock", "BossLevel", "MiniBossLevel"])
def test_the_key_of_a_locked_room_is_elsewhere(level):
    """Where there is a key for a locked door, one lies where the agent can come to."""
    worlds = generated(level, 0, count=200)
    locked = 0
    for e in range(200):
        things = objects(worlds, e)
        free = faced(worlds, lambda code: code & KIND_MASK not in (WALL, DOOR_LOCKED), e)
        for code in things.values():
            if code & KIND_MASK == DOOR_LOCKED:
                locked += 1
                key = KEY | code >> COLOR_SHIFT << COLOR_SHIFT
                assert any(things.get(at) == key for at in free), (level, e)
    assert locked > 20


def test_objects_placed_first_keep_off_the_middle():
    """As in BabyAI, where the agent stands in the middle until it is placed."""
    worlds = generated("PickupLoc", 0, count=200)
    taken = {at for e in range(200) for at in objects(worlds, e)}
    inner = {(x, y) for x in range(1, 7) for y in range(1, 7)}
    assert taken == inner - {(4, 4), (3, 4), (5, 4), (4, 3), (4, 5)}


@PROPERTY
@given(st.integers(0, 2**40), st.sampled_from(sorted(name for name in ONE_ROOM if "Put" in name)))
def test_put_next_makes_sense(seed, level):
    worlds = generated(level, seed)
    things = objects(worlds)
    assert len(set(things.values())) == len(things)  # no two look alike
    clause = worlds.instruction(0).first[0]
    (moved,) = [at for at, code in things.items() if matches(clause.target, code)]
    (fixed,) = [at for at, code in things.items() if matches(clause.beside, code)]
    assert abs(moved[0] - fixed[0]) + abs(moved[1] - fixed[1]) > 1


@PROPERTY
@given(st.integers(0, 2**40), st.integers(0, 500))
def test_locations_are_seen_from_the_agents_start(seed, skip):
    worlds = generated("PickupLoc", seed + skip)
    description = worlds.instruction(0).first[0].target
    assume(description.location)
    state, layout = worlds.state, worlds.layout
    x, y = layout.position(int(state.agent_cell[0]))
    ahead = ((1, 0), (0, 1), (-1, 0), (0, -1))[state.agent_direction[0]]
    for k in range(state.object_count[0]):
        column, row = layout.position(int(state.object_cell[0, k]))
        forward = (column - x) * ahead[0] + (row - y) * ahead[1]
        rightward = (row - y) * ahead[0] - (column - x) * ahead[1]
        fits = {
            "in front of you": forward > 0,
            "behind you": forward < 0,
            "on your right": rightward > 0,
            "on your left": rightward < 0,
        }[description.location]
        meant = fits and matches(description, int(state.object_code[0, k]))
        assert meant == bool(int(state.tracked[0, 0, 0]) >> k & 1)


@PROPERTY
@given(st.integers(5, 20), st.integers(1, 30), st.integers(0, 2**32))
def test_any_sizes_with_room_to_spare(room_size, num_dists, seed):
    assume(num_dists <= (room_size - 2) ** 2 // 3)
    worlds = generated("GoToLocal", seed, room_size=room_size, num_dists=num_dists)
    assert worlds.layout.width == worlds.layout.height == room_size
    assert len(objects(worlds)) == num_dists
    assert worlds.state.max_steps[0] == room_size**2


@pytest.mark.parametrize("level", LEVELS)
def test_geometry_and_number_of_objects_as_in_minigrid(parity, level):
    with contextlib.redirect_stdout(io.StringIO()):
        source = gym.make(parity.minigrid_id(level)).unwrapped
        source.reset(seed=0)
    worlds = generated(level, 0)
    layout = worlds.layout
    assert (layout.room_size, layout.columns, layout.rows) == (
        source.room_size,
        source.num_cols,
        source.num_rows,
    )
    if level not in ONE_ROOM:
        return  # the number of doors, and of keys, is random
    theirs = [thing for thing in source.grid.grid if thing is not None and thing.type != "wall"]
    assert len(objects(worlds)) == len(theirs)
    assert worlds.state.max_steps[0] == source.max_steps


def features(sentence, direction, position):
    """What is counted: words that choose, and where the agent stands and looks."""
    words = sentence.split()
    target = sentence.split(" next to ")[0].split()
    return {
        "colour": next((word for word in target if word in COLORS), "any"),
        "noun": next(word for word in target if word in NOUNS),
        "several": "a" in words,
        "location": next(
            (word for word in ("front", "behind", "left", "right") if word in words), "anywhere"
        ),
        "direction": direction,
        "column": position[0],
        "row": position[1],
    }


def chi_square(one, two):
    """Two samples' statistic and its degrees of freedom (Press et al., Numerical Recipes)."""
    n, m = sum(one.values()), sum(two.values())
    kinds = one.keys() | two.keys()
    statistic = sum(
        (np.sqrt(m / n) * one[kind] - np.sqrt(n / m) * two[kind]) ** 2 / (one[kind] + two[kind])
        for kind in kinds
    )
    return statistic, len(kinds) - 1


@pytest.mark.parametrize(
    "level", ["GoToLocal", "GoToRedBallGrey", "GoToObjS6", "PickupLoc", "PutNextLocal"]
)
def test_distributions_match_minigrid(parity, level):
    """Each feature's chi-square is at most 5 standard deviations above what is expected."""
    theirs, ours = {}, {}
    with contextlib.redirect_stdout(io.StringIO()):
        source = gym.make(parity.minigrid_id(level)).unwrapped
        for seed in range(400):
            source.reset(seed=seed)
            position = tuple(map(int, source.agent_pos))
            for name, value in features(source.mission, source.agent_dir, position).items():
                theirs.setdefault(name, Counter())[value] += 1
    worlds = generated(level, 0, count=8000)
    for e in range(8000):
        direction = int(worlds.state.agent_direction[e])
        position = worlds.layout.position(int(worlds.state.agent_cell[e]))
        for name, value in features(worlds.sentences[e], direction, position).items():
            ours.setdefault(name, Counter())[value] += 1
    for name in theirs:
        statistic, freedom = chi_square(theirs[name], ours[name])
        assert statistic <= freedom + 5 * np.sqrt(2 * freedom), (name, theirs[name], ours[name])
    assert len(theirs["direction"]) == 4
    assert max(len(counts) for counts in theirs.values()) > 3


def test_chi_square_detects_a_loaded_die():
    fair = Counter(dict.fromkeys(range(6), 1000))
    loaded = Counter({0: 110, 1: 58, 2: 58, 3: 58, 4: 58, 5: 58})
    statistic, freedom = chi_square(loaded, fair)
    assert statistic > freedom + 5 * np.sqrt(2 * freedom)


def test_unknown_levels_name_the_nearest():
    with pytest.raises(ValueError, match=r"unknown level 'PickUpLoc'; nearest: .*PickupLoc"):
        find_level("PickUpLoc")


@pytest.mark.parametrize(
    ("room_size", "max_objects", "message"),
    [
        (2, 1, "room_size=2"),
        (-3, 1, "room_size=-3"),
        (8, 65, "65 objects: a grid holds at most 64"),
    ],
)
def test_impossible_layouts(room_size, max_objects, message):
    with pytest.raises(ValueError, match=message):
        make_layout(room_size, 1, 1, max_objects)

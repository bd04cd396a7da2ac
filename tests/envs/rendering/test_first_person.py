"""The first person: what rays reach shows, pixel for pixel, and nothing else does."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl_envs.grid.core.cells import (
    BALL,
    BOX,
    COLORS,
    DOOR_CLOSED,
    DOOR_LOCKED,
    DOOR_OPEN,
    DX,
    DY,
    EMPTY_CELL,
    KEY,
    KIND_MASK,
    LEFT,
    PASSABLE,
    WALL_CELL,
    cell,
)
from mmrl_envs.grid.generation.levels import LEVELS
from mmrl_envs.grid.rendering.themes import THEMES
from mmrl_envs.grid.rendering.views.perspective import EYE, HORIZON, SLOPE, cast_rays
from mmrl_envs.grid.rendering.views.solids import OPAQUE
from mmrl_envs.grid.vector_env import GridVectorEnv
from mmrl_envs.grid.worlds import GridWorlds

THINGS = [cell(kind, color) for kind in (KEY, BALL, BOX) for color in COLORS]
DOORS = [cell(kind, c) for kind in (DOOR_OPEN, DOOR_CLOSED, DOOR_LOCKED) for c in COLORS]
SIDE = 64


def empty_room(**options):
    """One world with its walls and nothing else, the agent at (3, 5) and looking up."""
    worlds = GridWorlds("OneRoomS8", 1, view="first_person", **options)
    worlds.seed(np.zeros(1, np.uint64))
    worlds.reset()
    worlds.state.grid[0] = worlds.layout.blank
    worlds.state.agent_cell[0] = worlds.layout.cell_index(3, 5)
    worlds.state.agent_direction[0] = 3
    return worlds


def place(worlds, ahead, right, code):
    """Put a code where the agent of :func:`empty_room` has it ahead and to its right."""
    worlds.state.grid[0, worlds.layout.cell_index(3 + right, 5 - ahead)] = code


def frame_with(things, **options):
    worlds = empty_room(**options)
    for (ahead, right), code in things.items():
        place(worlds, ahead, right, code)
    return worlds.frame(0)


def crossed(slope, reach):
    """The cells that a ray passes through, (ahead, right), by the order in which it enters them:
    every cell is asked for the stretch of the ray that lies in it.
    """
    stretches = []
    for ahead, right in itertools.product(range(reach), range(1 - reach, reach)):
        sides = sorted([(right - 0.5) / slope, (right + 0.5) / slope])
        enters, leaves = max(sides[0], ahead), min(sides[1], ahead + 1)
        if enters < leaves:
            stretches.append((enters, ahead, right))
    return [(ahead, right) for _, ahead, right in sorted(stretches)]


WAYS = [crossed((2 * (column + 0.5) / SIDE - 1) * SLOPE, 8) for column in range(SIDE)]


def hides(worlds, index):
    return bool(OPAQUE >> int(worlds.state.grid[0, index] & KIND_MASK) & 1)


def reached(worlds):
    """The cells that the rays of the columns reach, as indices."""
    state, layout = worlds.state, worlds.layout
    here, direction = int(state.agent_cell[0]), int(state.agent_direction[0])
    dx, dy, found = DX[direction], DY[direction], set()
    for way in WAYS:
        for ahead, right in way:
            step = ahead * dx - right * dy + (ahead * dy + right * dx) * layout.stride
            found.add(here + step)
            if hides(worlds, here + step):
                break
    return found


# What shows.


@pytest.mark.parametrize("theme", THEMES)
def test_whatever_is_in_front_is_distinguishable(theme):
    """Every kind and colour in the front cell, every door in its wall, and nothing at all differ
    from each other: by 20 of 255 in 20 pixels at least.
    """
    codes = [EMPTY_CELL, WALL_CELL, *THINGS, *DOORS]
    frames = np.stack([frame_with({(1, 0): code}, theme=theme) for code in codes]).astype(int)
    for one, other in itertools.combinations(range(len(codes)), 2):
        gaps = np.abs(frames[one] - frames[other]).max(axis=2)
        assert (gaps > 20).sum() >= 20, (codes[one], codes[other])


@pytest.mark.parametrize("code", [cell(BALL, "red"), cell(KEY, "blue"), cell(BOX, "green")])
def test_what_is_in_front_is_seen_whole(code):
    changed = (frame_with({(1, 0): code}) != frame_with({})).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert 0 < rows[0] < rows[-1] < SIDE - 1
    assert 0 < columns[0] < columns[-1] < SIDE - 1
    assert abs(columns[0] + columns[-1] - (SIDE - 1)) <= 1


def test_a_door_in_front_fills_the_square_that_perspective_gives_it():
    """The cell's face is 1 × 1 at depth 1."""
    doors = [frame_with({(1, 0): cell(DOOR_LOCKED, color)}) for color in ("red", "green")]
    differs = (doors[0] != doors[1]).any(axis=2)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    left, right = (SIDE * (1 + sign * 0.5 / SLOPE) / 2 for sign in (-1, 1))
    top, bottom = (SIDE * (HORIZON - height / (2 * SLOPE)) for height in (1 - EYE, -EYE))
    assert [columns[0], columns[-1] + 1] == pytest.approx([left, right], abs=1)
    assert [rows[0], rows[-1] + 1] == pytest.approx([top, bottom], abs=1)


def test_the_nearer_thing_hides_part_of_the_farther_one():
    """A box behind a box shows above it alone: the eye is higher than both."""
    near = {(1, 0): cell(BOX, "red")}
    alone, both = frame_with(near), frame_with(near | {(2, 0): cell(BOX, "green")})
    shows = (alone != both).any(axis=2)
    box = (alone != frame_with({})).any(axis=2)
    assert shows.any()
    assert np.flatnonzero(shows.any(axis=1))[-1] < np.flatnonzero(box[:, SIDE // 2])[0] + 4


def test_an_open_door_is_looked_through_and_a_closed_one_is_not():
    wall = {(2, right): WALL_CELL for right in range(-2, 4)}
    for kind, shows in ((DOOR_OPEN, True), (DOOR_CLOSED, False), (DOOR_LOCKED, False)):
        before = wall | {(2, 0): cell(kind, "yellow")}
        frames = [frame_with(before), frame_with(before | {(4, 0): cell(BALL, "red")})]
        assert np.array_equal(*frames) != shows


def test_the_open_door_that_the_agent_stands_in_is_seen():
    frames = [frame_with({(0, 0): code}) for code in (EMPTY_CELL, *DOORS[:6])]
    assert len({frame.tobytes() for frame in frames}) == 7


@pytest.mark.parametrize("theme", THEMES)
def test_what_is_carried_shows_at_the_lower_edge_only(theme):
    worlds = empty_room(theme=theme)
    empty_handed = worlds.frame(0)
    worlds.state.carried[0] = 0
    seen = set()
    for code in THINGS:
        worlds.state.object_code[0, 0] = code
        frame = worlds.frame(0)
        seen.add(frame.tobytes())
        assert np.array_equal(frame[: SIDE // 2], empty_handed[: SIDE // 2])
        assert (frame[SIDE // 2 :] != empty_handed[SIDE // 2 :]).any()
    assert len(seen) == len(THINGS)


@pytest.mark.parametrize("name", LEVELS)
def test_every_level_renders(name):
    env = gym.make(f"mmrl/{name}-v0", view="first_person", tile_size=2)
    observation, _ = env.reset(seed=0)
    assert observation["image"].shape == (16, 16, 3)
    assert env.observation_space.contains(observation)
    assert len(np.unique(observation["image"].reshape(-1, 3), axis=0)) > 4


# What does not show.


@st.composite
def furnished_rooms(draw):
    """A room with walls, doors and things strewn over it, and the agent on a free cell."""
    worlds = empty_room()
    free = [worlds.layout.cell_index(x, y) for x in range(1, 7) for y in range(1, 7)]
    some = st.sampled_from([EMPTY_CELL, EMPTY_CELL, WALL_CELL, *THINGS, *DOORS])
    worlds.state.grid[0, free] = draw(st.lists(some, min_size=36, max_size=36))
    here = draw(st.sampled_from(free))
    if not PASSABLE >> (worlds.state.grid[0, here] & KIND_MASK) & 1:
        worlds.state.grid[0, here] = EMPTY_CELL
    worlds.state.agent_cell[0] = here
    worlds.state.agent_direction[0] = draw(st.integers(0, 3))
    return worlds, free


@settings(max_examples=30, deadline=None)
@given(furnished_rooms(), st.randoms(use_true_random=False))
def test_what_no_ray_reaches_changes_nothing(room, random):
    worlds, free = room
    before, seen = worlds.frame(0), reached(worlds)
    for index in set(free) - seen:
        worlds.state.grid[0, index] = random.choice([EMPTY_CELL, WALL_CELL, *THINGS, *DOORS])
    assert np.array_equal(worlds.frame(0), before)


@settings(max_examples=30, deadline=None)
@given(furnished_rooms(), st.randoms(use_true_random=False))
def test_an_opaque_cell_that_rays_reach_shows(room, random):
    """If not at its foot, then above what stands before it, which is never as high as the eye;
    only posts of open doors are, and there are none.
    """
    worlds, free = room
    cells = worlds.state.grid[0]
    cells[cells & KIND_MASK == DOOR_OPEN] = EMPTY_CELL
    before, seen = worlds.frame(0), reached(worlds)
    opaque = [index for index in free if index in seen and hides(worlds, index)]
    if opaque:
        index = random.choice(opaque)
        changed = cell(DOOR_LOCKED, "purple")
        worlds.state.grid[0, index] = (
            changed if worlds.state.grid[0, index] != changed else WALL_CELL
        )
        assert not np.array_equal(worlds.frame(0), before)


@settings(max_examples=20, deadline=None)
@given(furnished_rooms())
def test_a_world_that_is_turned_with_its_agent_looks_the_same(room):
    worlds, _ = room
    layout, state = worlds.layout, worlds.state
    before = worlds.frame(0)
    for _ in range(3):
        cells = state.grid[0].reshape(-1, layout.stride)
        x, y = layout.position(int(state.agent_cell[0]))
        state.grid[0] = np.rot90(cells, -1).ravel()
        state.agent_cell[0] = layout.cell_index(layout.height - 1 - y, x)
        state.agent_direction[0] = (state.agent_direction[0] + 1) % 4
        assert np.array_equal(worlds.frame(0), before)


def test_mirrored_things_show_in_mirrored_places():
    """Floor and walls are drawn with a left and a right, balls are not."""
    things = {(2, -1): "red", (3, 2): "blue", (1, 1): "green", (4, 0): "yellow"}
    shown = []
    for sign in (1, -1):
        worlds = empty_room(room_size=9)
        worlds.state.agent_cell[0] = worlds.layout.cell_index(4, 5)
        empty = worlds.frame(0)
        for (ahead, right), color in things.items():
            index = worlds.layout.cell_index(4 + sign * right, 5 - ahead)
            worlds.state.grid[0, index] = cell(BALL, color)
        shown.append((worlds.frame(0) != empty).any(axis=2))
    assert (shown[0] != shown[1][:, ::-1]).mean() < 0.002
    assert (shown[0] != shown[1]).mean() > 0.05


# A function of the state.


def life(num_envs, seeds, level="BossLevel", **options):
    env = GridVectorEnv(num_envs, level, view="first_person", max_steps=15, **options)
    frames = [env.reset(seed=seeds)[0]["image"]]
    actions = np.random.default_rng(0).integers(0, 7, (40, 6))[:, seeds]
    frames += [env.step(action)[0]["image"] for action in actions]
    env.close()
    return np.stack(frames)


def test_frames_depend_on_neither_the_batch_nor_its_threads():
    whole = life(6, [0, 1, 2, 3, 4, 5])
    assert np.array_equal(life(6, [0, 1, 2, 3, 4, 5], num_threads=3), whole)
    for seeds in ([4], [2, 5], [5, 0, 3]):
        assert np.array_equal(life(len(seeds), seeds), whole[:, seeds])


def test_a_single_environment_and_a_vector_show_the_same():
    env = gym.make("mmrl/BossLevel-v0", view="first_person", tile_size=16)
    envs = gym.make_vec("mmrl/BossLevel-v0", num_envs=2, view="first_person", tile_size=16)
    one, many = env.reset(seed=4)[0]["image"], envs.reset(seed=4)[0]["image"]
    assert one.shape == (128, 128, 3)
    for action in np.random.default_rng(1).integers(0, 7, 40):
        assert np.array_equal(one, many[0])
        one, many = env.step(action)[0]["image"], envs.step(np.full(2, action))[0]["image"]


def test_a_snapshot_brings_the_frame_back():
    env = GridVectorEnv(3, "PickupLoc", view="first_person")
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for action in rng.integers(0, 7, (20, 3)):
        before = env.step(action)[0]["image"]
    state = env.get_state()
    for action in rng.integers(0, 7, (20, 3)):
        env.step(action)
    env.set_state(state)
    assert np.array_equal(env.observe()["image"], before)


def test_frames_go_straight_into_the_callers_buffer():
    env = GridVectorEnv(2, "GoToObj", view="first_person")
    rollout = np.zeros((2, 2, SIDE, SIDE, 3), np.uint8)
    env.write_into(rollout[1])
    image = env.reset(seed=0)[0]["image"]
    assert np.shares_memory(image, rollout[1])
    assert np.array_equal(rollout[1], env.observe()["image"])
    assert not rollout[0].any()


def test_four_turns_bring_the_frame_back_and_fewer_do_not():
    env = GridVectorEnv(8, "GoToDoor", view="first_person", max_steps=100)
    frames = [env.reset(seed=0)[0]["image"]]
    frames += [env.step(np.full(8, LEFT))[0]["image"] for _ in range(4)]
    assert np.array_equal(frames[4], frames[0])
    for turned in frames[1:4]:
        assert not np.array_equal(turned, frames[0])


# Rays.


def test_a_ray_meets_the_cells_that_its_line_passes_through():
    rays = cast_rays(SIDE, 8)
    for c, way in enumerate(WAYS):
        count = rays.cells[c]
        met = [*zip(rays.ahead[c, :count].tolist(), rays.right[c, :count].tolist(), strict=True)]
        assert met == way
        assert np.all(np.diff(rays.depth[c, :count]) > 0)


def test_offsets_match_directions():
    rays, stride = cast_rays(8, 5), 100
    offsets = rays.offsets(stride)
    ahead, right = rays.ahead, rays.right
    expected = [ahead + right * stride, ahead * stride - right]
    expected += [-ahead - right * stride, right - ahead * stride]
    assert np.array_equal(offsets, expected)

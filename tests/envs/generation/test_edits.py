"""Edited scenes can be, are what the instruction speaks of, and can be solved."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl_envs.grid.core.cells import DX, DY
from mmrl_envs.grid.core.state import NOWHERE, State
from mmrl_envs.grid.generation.edits import EDITS
from mmrl_envs.grid.generation.levels import LEVELS
from mmrl_envs.grid.language.instructions import Instruction
from mmrl_envs.grid.rules.invariants import check_envs
from mmrl_envs.grid.vector_env import GridVectorEnv

PROPERTY = settings(deadline=None, derandomize=True, max_examples=30)
HOPELESS = {"OpenDoorsOrderN2Debug", "OpenDoorsOrderN4Debug"}
"""Where the generated scenes themselves may be ones that nobody can win."""
CHANGED = ("grid", "agent_cell", "agent_direction", "instruction")
SEEDS = st.lists(st.integers(0, 2**63 - 1), max_size=6)


def begin(level, seed, edits, num_envs=1, **options):
    env = GridVectorEnv(num_envs, level, autoreset_mode="Disabled", **options)
    observation, _ = env.reset(seed=seed, options={"edits": edits})
    return env, observation


def look(env, names=State._fields):
    return {name: getattr(env.worlds.state, name).copy() for name in names}


def bits(several):
    return [k for k in range(64) if several >> k & 1]


def things_that_fit(state, words):
    """The objects that a description fits, wherever they are, one bit each; not those in boxes."""
    count, held = int(state.object_count[0]), int(state.carried[0])
    there = [k for k in range(count) if state.object_cell[0, k] != NOWHERE or k == held]
    return sum(1 << k for k in there if words.fits(int(state.object_code[0, k])))


def front(env):
    """The index of the cell that the agent faces."""
    state, layout = env.worlds.state, env.worlds.layout
    direction = int(state.agent_direction[0])
    return int(state.agent_cell[0]) + DX[direction] + DY[direction] * layout.stride


@PROPERTY
@given(st.sampled_from(sorted(set(LEVELS) - HOPELESS)), st.integers(0, 10**6), SEEDS)
def test_every_edited_scene_is_sound(level, seed, edits):
    env, observation = begin(level, seed, [edits])
    worlds = env.worlds
    state, layout = worlds.state, worlds.layout
    assert check_envs(state, layout, 0, 1) == (0, 0)
    assert (state.step_count[0], state.progress[0]) == (0, 0)
    sentence = observation["instruction"][0]
    assert str(Instruction.from_sentence(sentence)) == sentence

    instruction = worlds.instruction(0)
    halves = zip((0, 2), (instruction.first, instruction.second), strict=True)
    for number, clause in ((k + n, c) for k, half in halves for n, c in enumerate(half)):
        for side, words in enumerate(filter(None, (clause.target, clause.beside))):
            meant = int(state.tracked[0, number, side])
            fitting = things_that_fit(state, words)
            assert meant
            assert meant & ~fitting == 0
            assert words.location or meant == fitting
            is_wall = (words.noun, words.color) == ("object", "grey")
            assert words.several == (meant.bit_count() > 1 or is_wall)
            if clause.verb == "go to":
                assert front(env) not in state.object_cell[0][bits(meant)]

    over = False
    while not over:
        _, _, terminated, truncated, infos = env.step(worlds.expert_actions("full"))
        over = bool(terminated[0] or truncated[0])
    assert infos["is_success"][0]


@PROPERTY
@given(st.sampled_from(sorted(LEVELS)), st.integers(0, 10**6), SEEDS, st.integers(0, 5))
def test_a_scene_is_named_by_its_seed_and_edits(level, seed, edits, known):
    """Whatever stands beside it, and whatever has been edited before."""
    alone, seen = begin(level, seed, [edits])
    env, _ = begin(level, [1, seed, 2], [(), edits[:known], (3,)], num_envs=3)
    mask = np.array([False, True, False])
    options = {"reset_mask": mask, "edits": [(), edits, ()]}
    before = look(env)
    observation, _ = env.reset(seed=[None, seed, None], options=options)
    after = look(env)
    for name, array in look(alone).items():
        assert np.array_equal(array[0], after[name][1]), name
        assert np.array_equal(before[name][[0, 2]], after[name][[0, 2]]), name
    assert np.array_equal(seen["image"][0], observation["image"][1])
    assert seen["instruction"][0] == observation["instruction"][1]
    single = gym.make(f"mmrl_envs:mmrl/{level}-v0")
    first, _ = single.reset(seed=seed, options={"edits": edits})
    assert np.array_equal(first["image"], seen["image"][0])
    assert first["instruction"] == seen["instruction"][0]


@pytest.mark.parametrize("level", ["GoToLocal", "GoToObjMazeS4R2", "PutNextS5N2Carrying"])
def test_edits_change_what_their_names_promise(level):
    count = 200
    plain, _ = begin(level, 0, [()] * count, num_envs=count)
    env, _ = begin(level, 0, [(k,) for k in range(count)], num_envs=count)
    state, before = env.worlds.state, plain.worlds.state
    kinds, unchanged = set(), 0
    for e in range(count):
        changed = {
            name
            for name in CHANGED
            if not np.array_equal(getattr(state, name)[e], getattr(before, name)[e])
        }
        unchanged += not changed
        scene = frozenset(changed - {"instruction"})
        more = int(state.object_count[e] - before.object_count[e])
        kinds.add((scene, more))
        assert scene == {"grid"} or (more == 0 and "grid" not in scene)
    assert unchanged < 10  # the agent may come to stand where it stood
    assert (frozenset({"grid"}), 0) in kinds
    assert any("agent_cell" in names for names, _ in kinds)
    assert (frozenset(), 0) in kinds or level != "GoToLocal"  # something else is asked for
    if level == "GoToLocal":  # as many things as there may be: some go, none come
        assert {more for _, more in kinds} == {0, -1}
    if level == "GoToObjMazeS4R2":  # the only thing is asked for: some come, none go
        assert {more for _, more in kinds} == {0, 1}


def test_memory_and_infos_begin_with_the_edited_scene():
    options = {"achieved": True, "describe": True}
    edits = [(k, k + 1) for k in range(8)]
    env, _ = begin("PickupLoc", 3, edits, num_envs=8, **options)
    other, _ = begin("PickupLoc", 3, [()] * 8, num_envs=8, **options)
    env.expert_actions()  # from now on it is noted what was seen
    other.expert_actions()
    observation, infos = env.reset(seed=3, options={"edits": edits})
    other.set_state(env.get_state())
    again = other.observe()
    assert np.array_equal(observation["image"], again["image"])
    assert np.array_equal(env.worlds.state.seen, other.worlds.state.seen)
    assert list(infos["description"]) == [str(env.worlds.scene(e)) for e in range(8)]
    for _ in range(6):
        actions = env.expert_actions()
        assert np.array_equal(actions, other.expert_actions())
        achieved = env.step(actions)[-1]["achieved"], other.step(actions)[-1]["achieved"]
        assert list(achieved[0]) == list(achieved[1])
        if env._over.any():
            break


def test_what_cannot_be_edited():
    env = GridVectorEnv(2, "GoToLocal")
    with pytest.raises(ValueError, match="edits.* of 1 for 2 environments"):
        env.reset(seed=0, options={"edits": [(1,)]})
    with pytest.raises(ValueError, match="environment 1 need its seed"):
        env.reset(seed=[0, None], options={"edits": [(1,), (1,)]})
    with pytest.raises(ValueError, match="seed -1: must be 0 to"):
        env.reset(seed=0, options={"edits": [(1,), (-1,)]})
    single = gym.make("mmrl_envs:mmrl/GoToLocal-v0")
    with pytest.raises(ValueError, match="need its seed"):
        single.reset(options={"edits": [1]})


def test_metadata_lists_the_edits():
    assert gym.make("mmrl_envs:mmrl/GoToLocal-v0").metadata["edits"] == EDITS
    assert GridVectorEnv(1, "GoToLocal", language="zh").metadata["edits"] == EDITS


@pytest.mark.parametrize("level", ["GoToLocal", "PutNextLocal", "UnlockPickup"])
def test_edited_scenes_stay_strict_and_solvable(level):
    edits = [[1, 2, 3, 4]] * 4
    env, _ = begin(level, 3, edits, 4, strict=True)
    plain, _ = begin(level, 3, [[]] * 4, 4, strict=True)
    assert (env.worlds.state.grid != plain.worlds.state.grid).any()
    over = np.zeros(4, bool)
    while not over.all():
        _, terminated, truncated, success, _ = env.worlds.step(env.expert_actions("full"), over)
        assert (success | over)[terminated].all()
        assert not (truncated & ~terminated).any()
        over |= terminated

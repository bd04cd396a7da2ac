"""Ours and minigrid's environments, side by side: nothing that can be seen may differ."""

import numpy as np
import pytest

from mmrl_envs.grid.core.cells import WALL, cell
from mmrl_envs.grid.core.state import NOTHING
from mmrl_envs.grid.generation.levels import LEVELS, find_level

STEPS = 150
PATIENT = ["GoToRedBallNoDists", "OneRoomS16", "OneRoomS20"]
"""Levels of one room that need as many steps for a success and a truncation."""
STRICT = ["OpenDoorDebug", "OpenDoorsOrderN4Debug", "PickupDistDebug"]
"""Levels where a wrong object ends the episode in failure."""


def assert_no_difference(tally):
    assert not tally.mismatches, "\n".join(tally.examples)


@pytest.mark.parametrize("level", LEVELS)
def test_level_equals_minigrid(parity, monkeypatch, level):
    """An episode of minigrid's bot and one of random actions at least; of mazes, the beginning."""
    layout = find_level(level).builder().build()[0]
    is_maze = layout.columns * layout.rows > 1
    monkeypatch.setattr(parity, "EPISODE_STEPS", 60 if is_maze else STEPS)
    steps = STEPS if level in PATIENT else 61
    tally = parity.compare(parity.minigrid_id(level), level, steps, seed=1)
    assert_no_difference(tally)
    assert tally.imports_in_mid_episode > 0
    assert tally.images >= tally.episodes // 2
    if not is_maze:
        assert min(tally.successes, tally.truncations) > 0


@pytest.mark.parametrize("level", STRICT)
def test_failures_of_strict_levels_equal_minigrid(parity, level):
    tally = parity.compare(parity.minigrid_id(level), level, STEPS, seed=4)
    assert_no_difference(tally)
    assert tally.failures > 0


def test_scrambled_worlds_under_any_instruction(parity):
    tally = parity.compare(parity.SCRAMBLED, None, 1500, seed=2)
    assert_no_difference(tally)
    assert min(tally.successes, tally.failures, tally.truncations) > 0
    assert tally.imports_in_mid_episode > 10


def _turned(state, _):
    state.agent_direction[0] = (state.agent_direction[0] + 1) % 4


def _moved(state, layout):
    state.agent_cell[0] = layout.cell_index(1, 1)


def _laden(state, _):
    state.carried[0] = 0 if state.carried[0] == NOTHING else NOTHING


def _repainted(state, layout):
    state.grid[0, layout.cell_index(0, 0)] = cell(WALL, "red")


def _later(state, _):
    state.step_count[0] += 1


def _shortened(state, _):
    state.max_steps[0] = 1


def _done(state, layout):
    """Whatever is in front of the agent is what it was to go to."""
    x, y = layout.position(int(state.agent_cell[0]))
    ahead = layout.cell_index(x + (1, 0, -1, 0)[state.agent_direction[0]], y)
    state.known_cell[0] = ahead + (0, 1, 0, -1)[state.agent_direction[0]] * layout.stride


@pytest.mark.parametrize(
    ("spoil", "noticed"),
    [
        (_turned, {"direction", "frame", "image"}),
        (_moved, {"position", "frame", "image"}),
        (_laden, {"carried", "frame"}),
        (_repainted, {"grid", "image"}),
        (_later, {"step_count"}),
        (_shortened, {"truncated", "success"}),
        (_done, {"terminated", "reward", "success"}),
    ],
)
def test_harness_notices_a_spoilt_state(parity, spoil, noticed):
    pair = parity.ParityPair("BabyAI-GoToLocal-v0", "GoToLocal")
    assert pair.reset(5) == []
    worlds = pair.ours.worlds
    spoil(worlds.state, worlds.layout)
    differences, *_ = pair.step(6)
    assert noticed <= {*differences, *pair.image_differences()}


def test_harness_notices_another_sentence(parity):
    pair = parity.ParityPair("BabyAI-GoToLocal-v0", "GoToLocal")
    assert pair.reset(3) == []
    pair.ours.worlds.sentences[0] = "go to the red ball"
    assert pair.step(6)[0] == ["sentence"]


def test_every_random_action_over_whole_episodes(parity):
    """To the very last step of an episode as minigrid limits it: 64 steps and 128 steps."""
    rng = np.random.default_rng(0)
    for level, limit in (("GoToLocal", 64), ("PutNextLocal", 128)):
        pair = parity.ParityPair(parity.minigrid_id(level), level)
        lengths = []
        for seed in range(4):
            assert pair.reset(seed) == []
            for t in range(1, limit + 1):
                differences, terminated, truncated, _ = pair.step(int(rng.integers(7)))
                assert differences == [], (level, seed, t)
                assert truncated == (t == limit)
                if terminated or truncated:
                    break
            lengths.append(t)
        assert max(lengths) == limit

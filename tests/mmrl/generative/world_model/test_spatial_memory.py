"""Motions of the view: found in data, and classified from the tokens around a step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.generative.world_model import spatial_memory
from mmrl.generative.world_model.spatial_memory import (
    PROPOSALS,
    STILL,
    EgoMotion,
    Motion,
    find_motions,
    sources,
)
from tests.mmrl.generative.walks import CODES, GRID, MOTIONS, walk

motions = st.builds(Motion, st.integers(0, 3), st.integers(-3, 3), st.integers(-3, 3))


def test_standing_still_moves_nothing():
    assert sources(STILL, (2, 3)).tolist() == [0, 1, 2, 3, 4, 5]
    assert sources(STILL, (2, 3), margin=1).tolist() == list(range(20))


def test_a_step_forward_shows_below_what_was_above():
    table = sources(Motion(0, -1, 0), (2, 2))
    assert table.tolist() == [-1, -1, 0, 1]


@given(motions)
def test_a_motion_moves_each_cell_to_one_place(motion: Motion):
    table = sources(motion, (4, 4)).tolist()
    there = [one for one in table if one >= 0]
    assert len(set(there)) == len(there)


@given(motions, st.integers(-5, 5), st.integers(-5, 5))
def test_motions_are_rigid(motion: Motion, row: int, column: int):
    r, c = motion.source(row, column)
    for dr, dc in ((1, 0), (0, 1), (2, 3)):
        other = motion.source(row + dr, column + dc)
        assert (other[0] - r) ** 2 + (other[1] - c) ** 2 == dr**2 + dc**2


def test_the_motions_of_walks_are_found():
    walks = [walk(seed, 40) for seed in range(20)]
    before = torch.cat([one.ids[:-1] for one in walks])
    after = torch.cat([one.ids[1:] for one in walks])
    found = find_motions(before, after, GRID, CODES)
    assert found[0] == STILL
    assert set(found) == set(MOTIONS)


@settings(max_examples=10, deadline=None)
@given(st.integers(1000, 2000))
def test_the_motion_of_a_step_is_classified(seed: int):
    walks = [walk(one, 40) for one in range(10)]
    ego_motion = EgoMotion(MOTIONS, GRID, CODES, 3)
    ego_motion.fit(
        torch.cat([one.ids[:-1] for one in walks]),
        torch.cat([one.ids[1:] for one in walks]),
        torch.cat([one.actions for one in walks]),
    )
    new = walk(seed, 40)
    classified = ego_motion(new.ids[:-1], new.ids[1:], new.actions)
    alike = (new.ids[:-1] == new.ids[1:]).all(1)  # ambiguous
    assert torch.equal(classified[~alike], new.motions[~alike])


def test_no_motion_is_found_where_images_have_nothing_to_do_with_each_other():
    generator = torch.Generator().manual_seed(0)
    before, after = torch.randint(0, CODES, (2, 300, 9), generator=generator)
    assert find_motions(before, after, GRID, CODES) == [STILL]


def test_a_large_grid_compares_a_bounded_number_of_motions(monkeypatch: pytest.MonkeyPatch):
    """7,748 motions leave enough of 28 × 28 tokens in view; the data proposes a few of them."""
    moves = [Motion(0, -2, 0), Motion(3, 27, -1), Motion(1, 1, 27)]
    generator = torch.Generator().manual_seed(0)
    world = torch.randint(1, 60, (120, 120), generator=generator)
    cells = torch.meshgrid(torch.arange(28), torch.arange(28), indexing="ij")
    views = []
    for step in range(120):
        at = 40 + step % 7, 35 + step % 5
        moved = moves[step % 3].source(*cells)
        views.append([world[at[0] + r, at[1] + c].flatten() for r, c in (cells, moved)])
    before, after = (torch.stack(column) for column in zip(*views, strict=True))
    changed = torch.rand(after.shape, generator=generator) < 0.03
    after = torch.where(changed, torch.randint(1, 60, after.shape, generator=generator), after)
    compared, gain = [], spatial_memory.gain

    def counted(*arguments: torch.Tensor) -> torch.Tensor:
        compared.append(arguments)
        return gain(*arguments)

    monkeypatch.setattr(spatial_memory, "gain", counted)
    found = find_motions(before, after, (28, 28), 60)
    assert found[0] == STILL
    assert set(found[1:]) == set(moves)
    assert len(compared) <= PROPOSALS + 1


def test_proposals_find_the_motions_that_all_candidates_do(monkeypatch: pytest.MonkeyPatch):
    walks = [walk(seed, 40) for seed in range(20)]
    before = torch.cat([one.ids[:-1] for one in walks])
    after = torch.cat([one.ids[1:] for one in walks])
    monkeypatch.setattr(spatial_memory, "MOST_ENUMERATED", 0)
    assert set(find_motions(before, after, GRID, CODES)) == set(MOTIONS)

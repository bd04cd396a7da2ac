"""The spatial memory, beside a dictionary of all places by their coordinates."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.generative.world_model.spatial_memory import SpatialMemory
from tests.mmrl.generative.walks import CODES, GRID, MOTIONS, walk


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_a_place_that_comes_into_view_again_is_remembered(seed: int, steps: int):
    one = walk(seed, steps)
    memory = SpatialMemory(MOTIONS, GRID, margin=12, empty=CODES)
    state = memory.begin(one.ids[:1])
    known = dict(zip(map(tuple, one.places[0].tolist()), one.ids[0].tolist(), strict=True))
    for t in range(steps):
        state = memory.move(state, one.motions[t : t + 1])
        newest, _ = memory.read(state)
        names = [tuple(place) for place in one.places[t + 1].tolist()]
        assert newest[0].tolist() == [known.get(name, CODES) for name in names]
        state = memory.write(state, one.ids[t + 1 : t + 2])
        known |= dict(zip(names, one.ids[t + 1].tolist(), strict=True))


def test_the_token_before_the_last_change_is_remembered():
    memory = SpatialMemory(MOTIONS, GRID, margin=1, empty=CODES)
    first, second = torch.full((1, 9), 3), torch.full((1, 9), 3)
    second[0, 4] = 5
    state = memory.write(memory.begin(first), second)
    newest, before = memory.read(state)
    assert newest.tolist() == second.tolist()
    assert before[0].tolist() == [CODES] * 4 + [3] + [CODES] * 4
    state = memory.write(state, second)
    assert memory.read(state)[1][0, 4] == 3


def test_what_moves_beyond_the_edge_is_dropped():
    memory = SpatialMemory(MOTIONS, GRID, margin=0, empty=CODES)
    state = memory.begin(torch.arange(1, 10)[None] % CODES)
    state = memory.move(state, torch.tensor([1]))
    assert memory.read(state)[0][0].tolist() == [CODES] * 3 + [1, 2, 3, 4, 5, 6]

"""What was last seen where, beside a memory that knows each place by its name."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.generative.world_model.spatial_memory import Places
from tests.mmrl.generative.walks import CODES, GRID, MOTIONS, walk


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_what_was_seen_is_known_when_it_comes_into_view_again(seed: int, steps: int):
    one = walk(seed, steps)
    places = Places(MOTIONS, GRID, margin=12, nothing=CODES)
    seen = places.begin(one.ids[:1])
    known = dict(zip(map(tuple, one.places[0].tolist()), one.ids[0].tolist(), strict=True))
    for t in range(steps):
        seen = places.move(seen, one.motions[t : t + 1])
        newest, _ = places.recall(seen)
        names = [tuple(place) for place in one.places[t + 1].tolist()]
        assert newest[0].tolist() == [known.get(name, CODES) for name in names]
        seen = places.write(seen, one.ids[t + 1 : t + 2])
        known |= dict(zip(names, one.ids[t + 1].tolist(), strict=True))


def test_what_changes_is_remembered_as_it_was():
    places = Places(MOTIONS, GRID, margin=1, nothing=CODES)
    first, second = torch.full((1, 9), 3), torch.full((1, 9), 3)
    second[0, 4] = 5
    seen = places.write(places.begin(first), second)
    newest, before = places.recall(seen)
    assert newest.tolist() == second.tolist()
    assert before[0].tolist() == [CODES] * 4 + [3] + [CODES] * 4
    seen = places.write(seen, second)
    assert places.recall(seen)[1][0, 4] == 3


def test_what_moves_out_of_the_memory_is_forgotten():
    places = Places(MOTIONS, GRID, margin=0, nothing=CODES)
    seen = places.begin(torch.arange(1, 10)[None] % CODES)
    seen = places.move(seen, torch.tensor([1]))
    assert places.recall(seen)[0][0].tolist() == [CODES] * 3 + [1, 2, 3, 4, 5, 6]

"""The buffer of levels: the paper's probabilities, what is kept, and what has gone stale."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl_agents.curriculum.levels import Levels

SCORES = st.lists(st.floats(-2, 2), min_size=1, max_size=12, unique=True)


def fill(levels, scores):
    for k, score in enumerate(scores):
        levels.begun += 1
        levels.update((k,), score, best=1.0, begun=levels.begun)


@settings(deadline=None)
@given(SCORES, st.floats(0.1, 2), st.floats(0, 1), st.integers(1, 30))
def test_the_papers_probabilities(scores, temperature, staleness, later):
    levels = Levels(20, temperature, staleness)
    fill(levels, scores)
    levels.begun += later
    ranks = [1 + sum(other > score for other in scores) for score in scores]
    by_rank = [(1 / rank) ** (1 / temperature) for rank in ranks]
    ages = [len(scores) + later - (k + 1) for k in range(len(scores))]
    expected = [
        (1 - staleness) * rank / sum(by_rank) + staleness * age / sum(ages)
        for rank, age in zip(by_rank, ages, strict=True)
    ]
    assert levels.names == tuple((k,) for k in range(len(scores)))
    assert levels.probabilities() == pytest.approx(expected)
    assert levels.probabilities().sum() == pytest.approx(1)


def test_what_was_just_drawn_is_not_stale():
    levels, generator = Levels(8, 1.0, 1.0), np.random.default_rng(0)
    fill(levels, [0.1, 0.5, 0.3])
    for _ in range(20):
        drawn = levels.draw(generator)
        place = levels.names.index(drawn)
        assert levels.probabilities()[place] == 0
        assert levels.draw(generator) != drawn
    alone = Levels(8, 1.0, 1.0)
    fill(alone, [0.1])
    assert [alone.draw(generator) for _ in range(2)] == [(0,)] * 2


def test_levels_are_drawn_as_often_as_they_should():
    levels, generator = Levels(8, 1.0, 0.0), np.random.default_rng(0)
    fill(levels, [0.1, 0.9, 0.5])
    drawn = [levels.draw(generator)[0] for _ in range(4000)]
    shares = np.bincount(drawn) / len(drawn)
    assert shares == pytest.approx(np.array([2, 6, 3]) / 11, abs=0.03)
    assert levels.begun == 3 + 4000


def test_the_least_likely_level_makes_room_for_a_better_one():
    levels = Levels(3, 0.5, 0.0)
    fill(levels, [0.4, 0.1, 0.8])
    levels.update((7,), 0.05, best=0.0, begun=4)
    assert (7,) not in levels
    levels.update((7, 5), 0.2, best=0.5, begun=4)
    assert set(levels.names) == {(0,), (7, 5), (2,)}
    assert (1,) not in levels
    assert levels.best((7, 5)) == 0.5
    assert levels.best((1,)) == float("-inf")
    levels.update((0,), 0.0, best=0.9, begun=5)  # of one that is here, the newest score counts
    assert dict(zip(levels.names, levels.scores.tolist(), strict=True))[0,] == 0.0
    assert len(levels) == 3


def test_there_and_back():
    levels, other = Levels(4, 0.3, 0.3), Levels(4, 0.3, 0.3)
    fill(levels, [0.4, 0.1, 0.8])
    levels.draw(np.random.default_rng(0))
    state = levels.get_state()
    plain = {key: np.asarray(value).tolist() for key, value in state.items() if key != "names"}
    other.set_state({**json.loads(json.dumps(plain)), "names": state["names"]})
    levels.update((9,), 0.9, best=1.0, begun=4)  # what was handed out does not live on
    assert len(state["names"]) == len(state["scores"]) == 3
    assert len(other) == 3
    other.update((9,), 0.9, best=1.0, begun=4)
    assert other.names == levels.names
    assert np.array_equal(other.probabilities(), levels.probabilities())
    with pytest.raises(ValueError, match="3 levels were kept, and now there is room for 2"):
        Levels(2, 0.3, 0.3).set_state(state)

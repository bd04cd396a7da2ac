"""Random number generators: SplitMix64 to the letter, even, and each on its own."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl_envs.grid.core.rng import peek_randint, randint, seed_rng

PROPERTY = settings(deadline=None, derandomize=True, max_examples=50)
MASK = 2**64 - 1
GAMMA, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

seeds_64 = st.integers(0, MASK)


def mix(z):
    z = (z ^ z >> 30) * MIX_1 & MASK
    z = (z ^ z >> 27) * MIX_2 & MASK
    return z ^ z >> 31


@numba.njit
def draw(rng, bound, out):
    for t in range(out.shape[0]):
        for e in range(out.shape[1]):
            out[t, e] = randint(rng, e, bound)


def draws(seeds, bound, count):
    """Draws of every generator, in turns; int [count, generators]."""
    rng = np.empty(len(seeds), np.uint64)
    seed_rng(rng, np.array(seeds, np.uint64))
    out = np.empty((count, len(seeds)), np.int64)
    draw(rng, bound, out)
    return out


def test_known_value():
    """The first output of SplitMix64 from state 0, as its authors publish it."""
    assert mix(GAMMA) == 0xE220A8397B1DCDAF
    out = np.empty((1, 1), np.int64)
    draw(np.zeros(1, np.uint64), 2**31, out)
    assert out[0, 0] == 0xE220A8397B1DCDAF >> 33


@PROPERTY
@given(seeds_64, st.integers(1, 2**31 - 1))
def test_as_in_plain_python(seed, bound):
    state = mix((seed * MIX_2 + GAMMA) & MASK)
    expected = []
    for _ in range(5):
        state = (state + GAMMA) & MASK
        expected.append((mix(state) >> 32) * bound >> 32)
    assert draws([seed], bound, 5)[:, 0].tolist() == expected


@PROPERTY
@given(st.lists(seeds_64, min_size=2, max_size=5, unique=True))
def test_a_generator_depends_on_its_seed_alone(seeds):
    together = draws(seeds, 1000, 6)
    alone = np.stack([draws([seed], 1000, 6)[:, 0] for seed in seeds], axis=1)
    assert np.array_equal(together, alone)


@PROPERTY
@given(seeds_64, st.integers(1, 100))
def test_within_bounds(seed, bound):
    values = draws([seed], bound, 20)
    assert values.min() >= 0
    assert values.max() < bound


@pytest.mark.parametrize("bound", [2, 3, 4, 6, 7, 18])
def test_even_over_values_and_neighbouring_seeds(bound):
    """Chi-square with bound − 1 degrees of freedom, at most 6 standard deviations off."""
    for values in (draws([7], bound, 20_000), draws(list(range(20_000)), bound, 1)):
        counts = np.bincount(values.ravel(), minlength=bound)
        expected = counts.sum() / bound
        chi_square = ((counts - expected) ** 2 / expected).sum()
        assert chi_square < bound - 1 + 6 * np.sqrt(2 * (bound - 1))


def test_neighbouring_seeds_do_not_run_alike():
    values = draws([0, 1, 2, 3], 2**30, 500).astype(float)
    correlation = np.corrcoef(values.T) - np.eye(4)
    assert np.abs(correlation).max() < 0.25


@PROPERTY
@given(st.lists(seeds_64, min_size=1, max_size=4), st.integers(1, 9))
def test_a_choice_stays_until_the_next_draw(seeds, bound):
    rng = np.array(seeds, np.uint64)
    before, chosen = rng.copy(), np.empty((2, len(seeds)), np.int64)
    peek_randint(rng, bound, chosen[0])
    peek_randint(rng, bound, chosen[1])
    aside = 0xD1B54A32D192ED03
    assert chosen[0].tolist() == [(mix(seed ^ aside) >> 32) * bound >> 32 for seed in seeds]
    assert np.array_equal(*chosen)
    assert np.array_equal(rng, before)


def test_choices_are_even_and_independent_of_the_next_draw():
    rng = np.empty(20_000, np.uint64)
    seed_rng(rng, np.arange(20_000, dtype=np.uint64))
    chosen, drawn = np.empty(20_000, np.int64), np.empty((1, 20_000), np.int64)
    peek_randint(rng, 3, chosen)
    draw(rng, 3, drawn)
    table = np.zeros((3, 3))
    np.add.at(table, (chosen, drawn[0]), 1)
    chi_square = ((table - 20_000 / 9) ** 2 / (20_000 / 9)).sum()
    assert chi_square < 8 + 6 * np.sqrt(16)

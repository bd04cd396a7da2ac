"""The score interval of a rate, and a robust mean."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.evaluation.statistics import interquartile_mean, mean_interval, wilson_interval

PROPERTY = settings(deadline=None, derandomize=True, max_examples=50)
counts = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
Z = 1.959963984540054


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # to seven places, solved independently with 30-digit arithmetic
        (0, 10, 0.0, 0.2775328),
        (10, 10, 0.7224672, 1.0),
        (5, 10, 0.2365931, 0.7634069),
        (1, 1, 0.2065493, 1.0),
        (81, 263, 0.2552885, 0.3662096),
        (512, 512, 0.9925530, 1.0),
    ],
)
def test_known_values(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-8)


@PROPERTY
@given(counts)
def test_bounds_solve_the_score_equation(count):
    successes, trials = count
    rate = successes / trials
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= rate
    assert rate <= high <= 1
    assert low < high
    for bound in (low, high):
        assert trials * (rate - bound) ** 2 == pytest.approx(Z**2 * bound * (1 - bound), abs=1e-9)


@PROPERTY
@given(counts)
def test_failures_mirror_successes(count):
    successes, trials = count
    low, high = wilson_interval(successes, trials)
    assert wilson_interval(trials - successes, trials) == pytest.approx((1 - high, 1 - low))


def test_more_trials_tell_more():
    widths = [high - low for low, high in (wilson_interval(n // 2, n) for n in (4, 16, 64, 256))]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5), (0, -1)])
def test_impossible_counts(successes, trials):
    with pytest.raises(ValueError, match=f"{successes} successes of {trials} trials"):
        wilson_interval(successes, trials)


def test_interval_of_a_mean_agrees_with_scipy():
    from scipy import stats

    generator = np.random.default_rng(0)
    for count in (2, 3, 5, 11, 12, 40):
        values = generator.normal(3, 2, count).tolist()
        right = stats.t.interval(0.95, count - 1, np.mean(values), stats.sem(values))
        assert mean_interval(values) == pytest.approx(right, rel=1e-3)
    assert mean_interval([0.5]) == (0.5, 0.5)
    low, high = mean_interval([0.1, 0.2, 0.6])
    assert low < 0 < high < 1
    assert mean_interval([0.1, 0.2, 0.6], 0, 0.7) == (0, 0.7)
    with pytest.raises(ValueError, match="no values"):
        mean_interval([])


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end():
    assert interquartile_mean([100.0, 3, 2, 1, 4, -50, 3, 2]) == 2.5
    assert interquartile_mean([2.0, 4.0]) == 3.0
    assert interquartile_mean([1.0, 2.0, 3.0, math.inf]) == 2.5
    assert interquartile_mean([1.0, math.inf, math.inf, math.inf]) == math.inf
    with pytest.raises(ValueError, match="no values"):
        interquartile_mean([])

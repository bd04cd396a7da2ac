"""Comparisons: statistics against scipy and by hand, intervals that cover, the same twice."""

import numpy as np
import pytest

from mmrl.evaluation.comparison import (
    ComparedArm,
    ScoredRun,
    bootstrap,
    markdown,
    performance_profile,
    probability_of_improvement,
    summarize,
)
from mmrl.evaluation.statistics import interquartile_mean


def arm(name, scores, controls=None, metric="success_rate"):
    runs = tuple(
        ScoredRun(f"{name}-{env}-{k}", env, k, {}, {}, {metric: score, "controls": controls})
        for env, values in scores.items()
        for k, score in enumerate(values)
    )
    return ComparedArm(name, runs, metric)


def test_means_and_interquartile_means():
    scores = {"a": [0.1, 0.9, 0.5, 0.6], "b": [0.0, 1.0, 0.7, 0.8]}
    one = arm("one", scores)
    pooled = scores["a"] + scores["b"]
    assert one.scores == scores
    assert one.mean().value == pytest.approx(np.mean(pooled))
    assert one.interquartile_mean().value == pytest.approx(interquartile_mean(pooled))
    for estimate in (one.mean(), one.interquartile_mean()):
        assert estimate.low < estimate.value < estimate.high
    assert one.mean() == arm("one", scores).mean()  # the same twice
    same = arm("same", {"a": [0.5] * 3})
    assert (same.mean().low, same.mean().high) == (0.5, 0.5)


def test_intervals_cover_the_mean_in_about_95_of_100_cases():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        scores = {"a": rng.normal(1, 1, 30), "b": rng.normal(3, 1, 30)}
        found = bootstrap(scores, lambda rows: rows.mean(1))
        covered += found.low <= 2 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_strata_are_kept_apart():
    """Between two environments there is a difference, within them none: no uncertainty."""
    found = bootstrap({"a": [0.0] * 5, "b": [1.0] * 5}, lambda rows: rows.mean(1))
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_the_probability_of_improvement_is_that_of_mann_and_whitney():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 5, 7).astype(float), rng.integers(0, 5, 6).astype(float)
    found = probability_of_improvement({"a": x}, {"a": y})
    assert found.value == pytest.approx(stats.mannwhitneyu(x, y).statistic / 42)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert probability_of_improvement({"a": [2, 3]}, {"a": [0, 1]}).low == 1
    assert probability_of_improvement({"a": [1, 1]}, {"a": [1]}).value == 0.5


def test_profiles():
    shares, low, high = performance_profile({"a": [0.2, 0.4, 0.9]}, np.array([0.0, 0.3, 0.95]))
    assert shares.tolist() == pytest.approx([1, 2 / 3, 0])
    assert (low <= shares).all()
    assert (shares <= high).all()


def test_a_table_with_controls():
    controls = {"random_policy": {"success_rate": 0.25}, "expert": {"spl": 0.8}}
    arms = [
        arm("film", {"a": [0.9, 1.0]}, controls), arm("concat", {"a": [0.5, 0.6]}),
    ]  # fmt: skip
    first, second = summarize(arms)
    assert first["probability_of_improvement"] is None
    assert second["probability_of_improvement"]["value"] == 0
    assert (first["random_policy"], second["random_policy"]) == (0.25, None)
    lines = markdown([first, second]).splitlines()
    assert lines[2].startswith("| film | 2 | 95.0% (90.0% to 100.0%) | 95.0% (")
    assert lines[2].endswith("| 90.0% | 25.0% | – | – | 0.80 | – |")
    assert lines[3].endswith("| 50.0% | – | – | – | – | 0.0% (0.0% to 0.0%) |")
    returns = markdown(summarize([arm("r", {"a": [-3.5, -2.5]}, metric="mean_return")]))
    assert "| r | 2 | -3.00 (-3.50 to -2.50) |" in returns

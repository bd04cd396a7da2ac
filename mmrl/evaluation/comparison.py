"""Trainings compared over seeds, with stratified bootstrap intervals: means, interquartile means,
performance profiles, and the probability of improvement (Agarwal et al., 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.evaluation.statistics import interquartile_mean

Scores = Mapping[str, Sequence[float]]
"""The scores of one arm: for each environment one score a seed."""
_RESAMPLES: Final = 2_000
_SEED: Final = 0


@dataclass(frozen=True)
class Estimate:
    """A statistic and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ScoredRun:
    """A run that has been evaluated.

    Attributes:
        path: its folder.
        env: its environment.
        seed: of the training.
        settings: its configuration by dotted names, without what differs between seeds.
        protocol: how it was evaluated, which has to be the same in all runs that are compared.
        result: what ``result.json`` holds.
    """

    path: str
    env: str
    seed: int
    settings: Mapping[str, Any]
    protocol: Mapping[str, Any]
    result: Mapping[str, Any]


@dataclass(frozen=True)
class ComparedArm:
    """Runs of one configuration.

    Attributes:
        name: what is different from the other arms, such as ``model.fusion=film``.
        runs: one for each environment and seed.
        metric: ``success_rate`` or ``mean_return``.
    """

    name: str
    runs: tuple[ScoredRun, ...]
    metric: str

    @cached_property
    def scores(self) -> dict[str, list[float]]:
        """The metric, by environment, in the order of the seeds."""
        found: dict[str, list[float]] = {}
        for run in sorted(self.runs, key=lambda one: (one.env, one.seed)):
            found.setdefault(run.env, []).append(float(run.result[self.metric]))
        return found

    def mean(self) -> Estimate:
        """The mean over environments and seeds."""
        return bootstrap(self.scores, lambda rows: rows.mean(1))

    def interquartile_mean(self) -> Estimate:
        """The mean of the middle half (IQM)."""
        pooled = [score for scores in self.scores.values() for score in scores]
        estimate = bootstrap(self.scores, _interquartile_means)
        return Estimate(interquartile_mean(pooled), estimate.low, estimate.high)

    def control(self, *path: str) -> float | None:
        """The mean of a number of the controls over the runs; None where a run lacks it."""
        values = [_find(run.result.get("controls"), path) for run in self.runs]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if len(known) == len(values) else None


def _find(report: Any, path: tuple[str, ...]) -> float | None:
    for key in path:
        report = (report or {}).get(key)
    return None if report is None else float(report)


def bootstrap(
    scores: Scores, statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Estimate:
    """A statistic of all scores with its percentile bootstrap interval, stratified: the seeds of
    each environment are drawn again, with replacement.

    Args:
        scores: by environment.
        statistic: float64 [R, n] → [R], each row pooled over the environments.

    Returns:
        The same for the same scores, as the generator has a fixed seed.
    """
    rng = np.random.default_rng(_SEED)
    strata = [np.asarray(one, np.float64) for one in scores.values()]
    whole = np.concatenate(strata)[None]
    drawn = np.concatenate([rng.choice(one, (_RESAMPLES, len(one))) for one in strata], axis=1)
    low, high = np.quantile(statistic(drawn), [0.025, 0.975])
    return Estimate(float(statistic(whole)[0]), float(low), float(high))


def _interquartile_means(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """As :func:`interquartile_mean`, of each row."""
    cut = rows.shape[1] // 4
    return np.asarray(np.sort(rows, axis=1)[:, cut : rows.shape[1] - cut].mean(1))


def probability_of_improvement(ours: Scores, theirs: Scores) -> Estimate:
    """The probability that a run of ours has a higher score than one of theirs in the same
    environment, ties counting half, averaged over the environments; with its stratified bootstrap
    interval.
    """
    rng = np.random.default_rng(_SEED)
    shares, drawn = [], []
    for env, scores in ours.items():
        x, y = np.asarray(scores, np.float64), np.asarray(theirs[env], np.float64)
        shares.append(_win_rate(x[None], y[None]))
        resampled = (rng.choice(one, (_RESAMPLES, len(one))) for one in (x, y))
        drawn.append(_win_rate(*resampled))
    low, high = np.quantile(np.mean(drawn, 0), [0.025, 0.975])
    return Estimate(float(np.mean(shares)), float(low), float(high))


def _win_rate(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Float64 [R, n] and [R, m] → the share of pairs in which x is larger, [R]."""
    difference = x[:, :, None] - y[:, None, :]
    return np.asarray(((difference > 0) + 0.5 * (difference == 0)).mean((1, 2)))


def performance_profile(
    scores: Scores, thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The share of runs whose score is at least each threshold, and its 95% band.

    Args:
        scores: by environment.
        thresholds: float64 [K].

    Returns:
        Shares, lower and upper ends of the intervals, float64 [K] each.
    """
    each = [bootstrap(scores, partial(_shares_above, least=least)) for least in thresholds]
    return (
        np.array([one.value for one in each]),
        np.array([one.low for one in each]),
        np.array([one.high for one in each]),
    )


def _shares_above(rows: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    return np.asarray((rows >= least).mean(1))


def summarize(arms: Sequence[ComparedArm]) -> list[dict[str, Any]]:
    """The comparison as plain data, an entry for each arm; improvements are over the first one."""
    first = arms[0]
    return [
        {
            "arm": arm.name,
            "metric": arm.metric,
            "runs": [run.path for run in arm.runs],
            "scores": arm.scores,
            "mean": vars(arm.mean()),
            "interquartile_mean": vars(arm.interquartile_mean()),
            "worst": min(min(scores) for scores in arm.scores.values()),
            "random_policy": arm.control("random_policy", arm.metric),
            "swapped_instructions": arm.control("swapped_instructions", arm.metric),
            "empty_instruction": arm.control("empty_instruction", arm.metric),
            "spl": arm.control("expert", "spl"),
            "probability_of_improvement": None
            if arm is first
            else vars(probability_of_improvement(arm.scores, first.scores)),
        }
        for arm in arms
    ]


def markdown(summaries: Sequence[Mapping[str, Any]]) -> str:
    """The comparison as a table."""
    lines = [
        "| arm | runs | mean (95% interval) | IQM (95% interval) | worst | random policy "
        "| swapped instructions | empty instruction | SPL | better than the first |",
        "|---|--:|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for one in summaries:
        shown = _rate if one["metric"] == "success_rate" else _number
        better = one["probability_of_improvement"]
        cells = [
            one["arm"],
            str(len(one["runs"])),
            _estimate(one["mean"], shown),
            _estimate(one["interquartile_mean"], shown),
            shown(one["worst"]),
            *(shown(one[name]) for name in _CONTROLS),
            _number(one["spl"]),
            "–" if better is None else _estimate(better, _rate),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


_CONTROLS: Final = ("random_policy", "swapped_instructions", "empty_instruction")


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _estimate(one: Mapping[str, float], shown: Callable[[float], str]) -> str:
    return f"{shown(one['value'])} ({shown(one['low'])} to {shown(one['high'])})"

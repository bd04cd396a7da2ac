"""A comparison as a plot: intervals of each arm, and performance profiles."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from mmrl.evaluation.comparison import ComparedArm, performance_profile
from mmrl.optional_packages import import_pyplot

_POINTS = 61


def comparison_plot(arms: Sequence[ComparedArm], title: str) -> bytes:
    """A PNG image: on the left the mean, its 95% interval and a dot for each run; on the right the
    share of runs that reach each score.

    Args:
        arms: at least one.
        title: above it.

    Raises:
        UserError: matplotlib is not installed.
    """
    plt = import_pyplot()
    height = max(2.6, 1.3 + 0.4 * len(arms))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, height), layout="constrained")
    pooled = [[s for scores in arm.scores.values() for s in scores] for arm in arms]
    low, high = min(map(min, pooled)), max(map(max, pooled))
    if arms[0].metric == "success_rate":
        low, high = 0.0, 1.0
    thresholds = np.linspace(low, high, _POINTS)
    for y, (arm, scores) in enumerate(zip(arms, pooled, strict=True)):
        mean, color = arm.mean(), f"C{y % 10}"
        left.plot([mean.low, mean.high], [y, y], color=color, lw=6, alpha=0.35)
        left.plot(scores, [y] * len(scores), "o", color=color, ms=4)
        left.plot(mean.value, y, "|", color="#101820", ms=14, mew=2)
        share, least, most = performance_profile(arm.scores, thresholds)
        right.plot(thresholds, share, color=color, lw=1.5, label=arm.name)
        right.fill_between(thresholds, least, most, color=color, alpha=0.15, lw=0)
    what = "success" if arms[0].metric == "success_rate" else "mean return"
    left.set_yticks(range(len(arms)), [arm.name for arm in arms], fontsize=8)
    left.invert_yaxis()
    left.set_xlabel(f"{what}: runs, mean, 95% interval")
    right.set(xlabel=what, ylabel="share of runs that reach it", ylim=(-0.02, 1.02))
    for axes in (left, right):
        axes.grid(alpha=0.25)
    figure.suptitle(title, fontsize=10)
    with io.BytesIO() as buffer:
        figure.savefig(buffer, dpi=120, format="png", metadata={"Software": None})
        content = buffer.getvalue()
    plt.close(figure)
    return content

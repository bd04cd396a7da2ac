"""Ablations: one thing changed at a time, everything trained alike, side by side in a table."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from mmrl.errors import UserError
from mmrl.evaluation.report import known_success, machine, versions
from mmrl.evaluation.statistics import mean_interval
from mmrl.experiment.curves import read_curve
from mmrl.files import write_atomically, write_bytes, write_json
from mmrl.optional_packages import import_pyplot, is_installed
from mmrl.schema import Finite, OpenSchema, convert, read_json

_VALUE: Final = re.compile(r"(?P<value>[^\[\]]*)(?:\[(?P<more>[^\[\]]*)\])?")
BASE: Final = "as configured"


@dataclass(frozen=True)
class Arm:
    """One thing to compare.

    Attributes:
        name: what is shown, such as ``model.fusion=film``.
        overrides: keys of the configuration and their values, as text.
    """

    name: str
    overrides: tuple[tuple[str, str], ...]

    @property
    def folder(self) -> str:
        """A file name of its own."""
        return re.sub(r"[^\w=.+-]+", "_", self.name).strip("_")

    @property
    def options(self) -> list[str]:
        """The overrides as options of ``mmrl train``."""
        return [f"--{key}={value}" for key, value in self.overrides]


def parse_axis(text: str) -> list[Arm]:
    """The arms of one axis.

    Args:
        text: ``key=value,value,…``; a value may bring further settings that go with it:
            ``optimizer.name=adam,sgd[ppo.learning_rate=0.05]``, several between semicolons.

    Raises:
        UserError: it is written otherwise.
    """
    key, equals, values = text.partition("=")
    if not equals or not key or not values:
        raise UserError(f"--over {text!r}: write key=value,value, such as model.fusion=film,concat")
    arms = []
    for part in re.split(r",(?![^\[]*\])", values):
        match = _VALUE.fullmatch(part.strip())
        if match is None or not match["value"]:
            raise UserError(f"--over {text!r}: {part!r} is no value, nor value[key=value]")
        overrides = [(key, match["value"])]
        for setting in filter(None, (match["more"] or "").split(";")):
            name, equals, value = setting.strip().partition("=")
            if not equals:
                raise UserError(f"--over {text!r}: {setting!r} is no key=value")
            overrides.append((name, value))
        arms.append(Arm(f"{key}={match['value']}", tuple(overrides)))
    return arms


def plan(axes: Sequence[str], *, product: bool) -> list[Arm]:
    """All arms, the configuration as it stands first.

    Args:
        axes: as :func:`parse_axis` takes them.
        product: every combination of values; otherwise one axis is changed at a time.

    Raises:
        UserError: an axis that cannot be read, or the same arm twice.
    """
    parsed = [parse_axis(axis) for axis in axes]
    if product:
        arms = [
            Arm(
                " ".join(arm.name for arm in combination),
                tuple(pair for arm in combination for pair in arm.overrides),
            )
            for combination in itertools.product(*parsed)
        ]
    else:
        arms = [Arm(BASE, ()), *(arm for axis in parsed for arm in axis)]
    folders = [arm.folder for arm in arms]
    for folder in folders:
        if folders.count(folder) > 1:
            raise UserError(f"--over: {folder} is there twice")
    return arms


class _Result(OpenSchema):
    """What a table needs of ``result.json``."""

    training_seconds: Annotated[float, Meta(ge=0, le=1e12)]
    success_rate: Annotated[float, Meta(ge=0, le=1)] | None
    mean_return: Finite | None = None
    env: str = ""


@dataclass(frozen=True)
class Row:
    """What an arm reached.

    Attributes:
        arm: its name.
        success: the success rate on held-out episodes, of each seed.
        area: the mean success rate over training, of each seed: how fast it learnt.
        seconds: the wall time of training, of each seed.
    """

    arm: str
    success: list[float]
    area: list[float]
    seconds: list[float]

    def summary(self) -> dict[str, Any]:
        """Means, and 95% intervals of the mean over seeds (Student's t)."""
        success, area = (mean_interval(shares, 0.0, 1.0) for shares in (self.success, self.area))
        return {
            "arm": self.arm,
            "seeds": len(self.success),
            "success": round(sum(self.success) / len(self.success), 4),
            "success_low": round(success[0], 4),
            "success_high": round(success[1], 4),
            "area": round(sum(self.area) / len(self.area), 4),
            "area_low": round(area[0], 4),
            "area_high": round(area[1], 4),
            "seconds": round(sum(self.seconds) / len(self.seconds), 1),
        }


def read_row(arm: Arm, folder: Path, seeds: Sequence[int]) -> Row | None:
    """What an arm has reached so far; None before its first run has ended."""
    results = [
        (_read_result(run / "result.json"), area_under_curve(run))
        for seed in seeds
        if ((run := folder / arm.folder / f"seed-{seed}") / "result.json").is_file()
    ]
    if not results:
        return None
    return Row(
        arm.name,
        [result["success_rate"] for result, _ in results],
        [area for _, area in results],
        [result["training_seconds"] for result, _ in results],
    )


def _read_result(path: Path) -> dict[str, Any]:
    result = read_json(path, dict[str, Any])
    convert(result, _Result, str(path))
    try:
        known_success(result, result.get("env", ""))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return result


def area_under_curve(run: Path) -> float:
    """The mean over training of the success rate of recent episodes, by the trapezoid rule; 0 where
    it was too short for an episode of each environment.

    Raises:
        FileError: as :func:`mmrl.experiment.curves.read_curve`.
    """
    points = read_curve(run)
    if len(points) < 2:
        return points[0][1] if points else 0.0
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(points))
    return float(area / (points[-1][0] - points[0][0]))


def write_tables(
    folder: Path, rows: Sequence[Row], title: str, about: Mapping[str, Any] | None = None
) -> list[Path]:
    """``ablation.md``, ``ablation.csv``, ``ablation.json`` and the plot ``ablation.png``.

    Args:
        folder: where to.
        rows: what the arms reached, at least one.
        title: of table and plot.
        about: whatever else belongs into the JSON file, such as the command.

    Returns:
        The files; without the plot where matplotlib is not installed.
    """
    summaries = [row.summary() for row in rows]
    write_atomically(folder / "ablation.md", markdown(summaries, title))
    table = io.StringIO()
    writer = csv.DictWriter(table, list(summaries[0]))
    writer.writeheader()
    writer.writerows(summaries)
    write_atomically(folder / "ablation.csv", table.getvalue())
    write_json(
        folder / "ablation.json",
        {
            "title": title,
            "rows": [{**row.summary(), "each_seed": asdict(row)} for row in rows],
            "wall_seconds_of_trainings": round(sum(sum(row.seconds) for row in rows), 1),
            "versions": versions(),
            "machine": machine(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            **(about or {}),
        },
    )
    written = [folder / f"ablation.{ending}" for ending in ("md", "csv", "json")]
    if is_installed("matplotlib"):
        written.append(folder / "ablation.png")
        plot(rows, written[-1], title)
    return written


def markdown(summaries: Sequence[dict[str, Any]], title: str) -> str:
    """The table as Markdown."""
    lines = [
        f"# {title}",
        "",
        "Success on held-out episodes after training, and the mean success over training "
        "(how fast it learnt), with 95% intervals of the mean over seeds.",
        "",
        "| what | seeds | success | 95% | over training | 95% | training |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {s['arm']} | {s['seeds']} "
        f"| {s['success']:.1%} | {s['success_low']:.1%} to {s['success_high']:.1%} "
        f"| {s['area']:.1%} | {s['area_low']:.1%} to {s['area_high']:.1%} "
        f"| {s['seconds']:.0f} s |"
        for s in summaries
    ]
    return "\n".join(lines) + "\n"


def plot(rows: Sequence[Row], path: Path, title: str) -> None:
    """Success of every arm: the mean with its interval, and a dot for each seed."""
    plt = import_pyplot()
    figure, axes = plt.subplots(figsize=(7.2, 1.3 + 0.34 * len(rows)), layout="constrained")
    for y, row in enumerate(rows):
        summary = row.summary()
        axes.plot([summary["success_low"], summary["success_high"]], [y, y], color="#9db4d0", lw=6)
        axes.plot(row.success, [y] * len(row.success), "o", color="#33557d", ms=4)
        axes.plot(summary["success"], y, "|", color="#101820", ms=14, mew=2)
    axes.set_yticks(range(len(rows)), [row.arm for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlim=(-0.01, 1.01), xlabel="success on held-out episodes: seeds, mean, 95% interval")
    axes.set_title(title, fontsize=9)
    axes.grid(axis="x", alpha=0.25)
    with io.BytesIO() as buffer:
        figure.savefig(buffer, dpi=130, format="png")
        content = buffer.getvalue()
    plt.close(figure)
    write_bytes(path, content)

"""The result of an evaluation, with all that is needed to repeat it, as data and as text."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any, Final

from mmrl.env_sets import members_of, short_name
from mmrl.errors import UserError
from mmrl.evaluation.environments import (
    ENVIRONMENTS,
    NORMALIZED,
    environments_markdown,
    environments_text,
)
from mmrl.evaluation.episodes import Episodes
from mmrl.machine import load, processor
from mmrl.registry import find_spec
from mmrl.splits import SPLIT
from mmrl.text_output import printable

_PACKAGES = (
    "multimodal-rl",
    "gymnasium",
    "stable-baselines3",
    "torch",
    "torchvision",
    "transformers",
    "numba",
    "numpy",
    "minigrid",
)

CONTROLS: Final = "controls"
"""The key of the controls in a report."""
HELD_OUT: Final = "held_out"
"""The key of the evaluation of held-out instructions in a report."""
PROVENANCE: Final = ("versions", "machine", "date")
"""The keys of a report that say by what it was measured, and when."""
WITHOUT_READING: Final = (
    "This level can be solved without reading: with another episode's instruction the agent "
    "succeeds as often."
)
SUCCESS_BY: Final = "success_by"
"""The key of the success by groups of instructions in a report."""
PARAPHRASES: Final = "paraphrases"
"""The key of the evaluation of paraphrased instructions in a report."""
_RATES: Final = (
    "random_policy", "swapped_instructions", "empty_instruction", "blank_image", "greedy_actions",
    "sampled_actions",
)  # fmt: skip
_AS_OFTEN: Final = 0.1

_THREADS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def versions(*more: str) -> dict[str, str]:
    """The versions of Python, of what results depend on, and of ``more`` packages."""
    found = {"python": platform.python_version()}
    for package in (*_PACKAGES, *more):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def packages_of(env_id: str) -> list[str]:
    """The installed packages whose code an environment is; none where it is a file, or unknown."""
    try:
        entry = find_spec(env_id).entry_point
    except UserError:
        return []
    module = entry if isinstance(entry, str) else getattr(entry, "__module__", "")
    top = module.partition(":")[0].partition(".")[0]
    return _distributions().get(top, [])


@cache
def _distributions() -> Mapping[str, list[str]]:
    """The installed packages by their modules, which takes a moment to find."""
    return packages_distributions()


def machine() -> dict[str, Any]:
    """Processor, number of cores, load of the last minute, operating system, and the GPUs that
    torch finds where it was imported; the load is None where the system does not report it.
    """
    cuda: Any = getattr(sys.modules.get("torch"), "cuda", None)
    cards = [cuda.get_device_name(k) for k in range(cuda.device_count())] if cuda else []
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "load": None if (now := load()) is None else round(now, 2),
        "system": f"{platform.system()} {platform.machine()}",
        **({"gpus": cards} if cards else {}),
    }


def provenance(started: float, *packages: str) -> dict[str, Any]:
    """What a measurement's file ends with: how it was made, where, with what, and how long it took.

    Args:
        started: ``time.monotonic()`` at the beginning.
        packages: whose versions matter, too.
    """
    return {
        "command": shlex.join(["python", *sys.argv]),
        "wall_seconds": round(time.monotonic() - started, 1),
        "versions": versions(*packages),
        "machine": machine(),
        "threads": {name: os.environ[name] for name in _THREADS if name in os.environ},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def result(
    episodes: Episodes, env_id: str, env_args: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """What ``result.json`` holds.

    Args:
        episodes: that were played.
        env_id, env_args: where.
        more: whatever else belongs to it, such as the training steps.
    """
    return with_provenance(env_id, env_args, {**episodes.summary(), **more})


def with_provenance(
    env_id: str, env_args: dict[str, Any], measured: Mapping[str, Any]
) -> dict[str, Any]:
    """What was measured, with where, by what and when."""
    packages = dict.fromkeys(p for one in members_of(env_id) for p in packages_of(one.env))
    return {
        "env": env_id,
        "env_args": env_args,
        **measured,
        "versions": versions(*packages),
        "machine": machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def known_success(report: dict[str, Any], env_id: str) -> float:
    """The success rate of a report, for what compares agents by it.

    Raises:
        UserError: it is not known.
    """
    if report["success_rate"] is None:
        raise UserError(
            f"environment {env_id} does not say whether an episode was a success: give "
            "env_adapter, such as {success: {return_above: 0.5}}"
        )
    return float(report["success_rate"])


def format_report(report: dict[str, Any]) -> str:
    """The result of an evaluation: one line, and one for each control, side by side.

    Args:
        report: as :func:`result` makes it; of earlier versions, too.
    """
    rows = [*_beside(report), *(_rows(report) if report.get(CONTROLS) else [])]
    name = max((len(row[0]) for row in rows), default=0)
    value = max((len(row[1]) for row in rows), default=0)
    lines = [f"  {row[0]:<{name}}  {row[1]:>{value}}  {row[2]}".rstrip() for row in rows]
    lines += [f"  {printable(reason)}" for reason in _reasons(report)]
    warning = [WITHOUT_READING] if solves_without_reading(report) else []
    table = environments_text(report)
    return "\n".join([_headline(report), *lines, *warning, *table])


def solves_without_reading(report: dict[str, Any]) -> bool:
    """Whether an agent that is clearly better than a random policy succeeds as often, up to ten
    points, with another episode's instruction.
    """
    controls = report.get(CONTROLS, {})
    if not {"random_policy", "swapped_instructions"} <= controls.keys():
        return False
    compared = [report, controls["random_policy"], controls["swapped_instructions"]]
    if any(ENVIRONMENTS in one for one in compared[1:]):  # of fewer environments
        return False
    if any(one["success_rate"] is None for one in compared):
        return False
    is_better = report["success_rate_95"][0] > controls["random_policy"]["success_rate_95"][1]
    swapped = controls["swapped_instructions"]["success_rate"]
    return bool(is_better and swapped >= report["success_rate"] - _AS_OFTEN)


def scalars(report: dict[str, Any]) -> dict[str, float]:
    """The numbers of an evaluation for TensorBoard, by their tags."""
    controls = report.get(CONTROLS, {})
    rates = {name: one.get("success_rate") for name, one in controls.items() if name in _RATES}
    expert = controls.get("expert", {})
    numbers = {
        "success_rate": report["success_rate"],
        "mean_length": report["mean_length"],
        "mean_return": report["mean_return"],
        **rates,
        "spl": expert.get("spl"),
        "expert_steps": expert.get("mean_length"),
        "held_out_success_rate": report.get(HELD_OUT, {}).get("success_rate"),
        "language_accuracy": controls.get("language_accuracy", {}).get("rate"),
        NORMALIZED: expert.get(NORMALIZED),
    }
    for env, one in report.get(ENVIRONMENTS, {}).items():
        numbers[f"success/{env}"] = one["success_rate"]
    return {f"eval/{name}": one for name, one in numbers.items() if one is not None}


def markdown(report: dict[str, Any]) -> str:
    """The result of an evaluation as a table in Markdown, under its one line."""
    rows = [*_beside(report), *(_rows(report) if report.get(CONTROLS) else [])]
    if report["success_rate"] is not None:
        rows = [("success", *_share(report, "success_rate", report)), *rows]
    lines = [f"| {name} | {value} | {note} |" for name, value, note in rows]
    reasons = [f"- {one}" for one in _reasons(report)]
    warning = [WITHOUT_READING] if solves_without_reading(report) else []
    parts = [
        [_headline(report)],
        ["| measure | value | 95% interval |", "|---|--:|---|", *lines],
        reasons,
        warning,
        environments_markdown(report),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _headline(report: dict[str, Any]) -> str:
    cut = report.get("episodes_at_limit")
    if report["success_rate"] is None:
        low, high = report["mean_return_95"]
        measure = f"return {report['mean_return']:.2f} (95% interval {low:.2f} to {high:.2f})"
    else:
        low, high = report["success_rate_95"]
        measure = f"success {report['success_rate']:.1%} (95% interval {low:.1%} to {high:.1%})"
    return (
        f"{measure} on "
        f"{report['episodes']} held-out episodes of {printable(short_name(report['env']))}, "
        f"{report['mean_length']:.1f} steps on average"
        + (", with swapped instructions" if report.get("swap_instructions") else "")
        + _side(report)
        + (f", {cut} of them cut at {report['max_episode_steps']:,} steps" if cut else "")
    )


def _side(report: dict[str, Any]) -> str:
    """Which side of a split the instructions are on, if on one."""
    split = (report.get("env_args") or {}).get(SPLIT)
    if not isinstance(split, Mapping):
        return ""
    side = "held out" if split.get("held_out") else "trained on"
    return f", instructions {side} by split {printable(str(split.get('name')))}"


def _beside(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The measures of instructions that were evaluated apart: those that a split holds out, and
    paraphrases by their type.
    """
    rows = []
    if held_out := report.get(HELD_OUT):
        rows.append((f"held out: {printable(held_out['split'])}", *_measure(held_out, report)))
    for kind, one in report.get(PARAPHRASES, {}).get("types", {}).items():
        rows.append((f"paraphrased: {printable(kind)}", *_measure(one, report)))
    return rows


def _reasons(report: dict[str, Any]) -> list[str]:
    """Why what stands beside the success rate is not all there."""
    return [
        reason
        for key in (PARAPHRASES, CONTROLS)
        for reason in report.get(key, {}).get("left_out", {}).values()
    ]


def _rows(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and notes of what stands beside the success rate."""
    controls = report[CONTROLS]
    rows = [
        (name.replace("_", " "), *_measure(controls[name], report))
        for name in _RATES
        if name in controls
    ]
    expert = controls.get("expert")
    note = _interval(report, "mean_length")
    if expert is not None:
        note += f", the expert's {expert['mean_length']:.1f}"
        if expert["success_rate"] is not None and expert["success_rate"] < 1:
            note += f" with {expert['success_rate']:.1%} success"
        if "spl" in expert:
            note += f"; SPL {expert['spl']:.2f} {_interval(expert, 'spl', 2)}"
    rows.append(("steps", f"{report['mean_length']:.1f}", note))
    rows.append(("return", f"{report['mean_return']:.2f}", _interval(report, "mean_return", 2)))
    if language := controls.get("language_accuracy"):
        value, note = _share(language, "rate", report)
        for other, whose in (("random_policy", "a random policy's"), ("expert", "the expert's")):
            if other in language:
                note += f", {whose} {language[other]:.1%}"
        rows.append(("language accuracy", value, f"{note}: first act was the one asked for"))
    return rows


def _measure(one: dict[str, Any], report: dict[str, Any]) -> tuple[str, str]:
    """The success rate of a control, or its return where success is not known."""
    if one["success_rate"] is not None:
        return _share(one, "success_rate", report)
    return f"{one['mean_return']:.2f}", f"return {_interval(one, 'mean_return', 2)}"


def _share(one: dict[str, Any], key: str, report: dict[str, Any]) -> tuple[str, str]:
    """A share, and its interval and episodes."""
    low, high = one[f"{key}_95"]
    fewer = f" on {one['episodes']} episodes" if one["episodes"] != report["episodes"] else ""
    return f"{one[key]:.1%}", f"({low:.1%} to {high:.1%}){fewer}"


def _interval(one: dict[str, Any], key: str, digits: int = 1) -> str:
    low, high = one[f"{key}_95"]
    return f"({low:.{digits}f} to {high:.{digits}f})"

"""The result of an evaluation, with all that is needed to repeat it."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mmrl.evaluation.episodes import Episodes
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


def machine() -> dict[str, Any]:
    """Processor, number of cores, load of the last minute, and operating system."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
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
    return {
        "env": env_id,
        "env_args": env_args,
        **episodes.summary(),
        **more,
        "versions": versions(),
        "machine": machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def format_report(report: dict[str, Any]) -> str:
    """The result of an evaluation in one line."""
    low, high = report["success_rate_95"]
    cut = report.get("episodes_at_limit")
    return (
        f"success {report['success_rate']:.1%} (95% interval {low:.1%} to {high:.1%}) on "
        f"{report['episodes']} held-out episodes of {printable(report['env'])}, "
        f"{report['mean_length']:.1f} steps on average"
        + (", with swapped instructions" if report.get("swap_instructions") else "")
        + (f", {cut} of them cut at {report['max_episode_steps']:,} steps" if cut else "")
    )

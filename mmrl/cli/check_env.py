"""``mmrl check-env``: whether an environment trains, and what is understood of it."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from PIL import Image

from mmrl.arguments.parser import Parser
from mmrl.errors import UserError
from mmrl.files import write_bytes, write_json
from mmrl.images import fitted, png
from mmrl.progress import ProgressBar
from mmrl.text_output import format_table, printable
from mmrl.training.env_check import EnvReport, check_env

_DESCRIPTION = (
    "Play random steps in an environment, print what an agent would get of it, how fast and how "
    "large it is, and every violation with the step at which it happened and the fix. The exit "
    "status is 0 where agents can be trained in it, and 1 where they cannot."
)
_SIDE, _COLUMNS = 160, 4


def run(arguments: list[str]) -> int:
    """Check an environment; 1 where no agent can be trained in it."""
    parser = Parser(prog="mmrl check-env", description=_DESCRIPTION)
    parser.add_argument("env", type=str, help="id of the environment, or module:id")
    parser.add_argument(
        "--env-args", type=dict[str, Any], default={}, help="arguments of the environment"
    )
    parser.add_argument(
        "--env-adapter", type=dict[str, Any], default={}, help="of the adapter, as of 'mmrl train'"
    )
    parser.add_argument("--steps", type=int, default=200, help="how many random steps")
    parser.add_argument("--seed", type=int, default=0, help="of the environment and the actions")
    parser.add_argument(
        "--out", type=str | None, default=None, help="PNG file for what an agent sees"
    )
    parser.add_argument("--json", type=str | None, default=None, help="file for the report as JSON")
    options = parser.parse_args(arguments)
    if options.steps < 1:
        raise UserError(f"--steps {options.steps}: must be at least 1")
    args = {**options.env_args}
    if options.env_adapter:
        args["env_adapter"] = options.env_adapter
    with ProgressBar("checking", options.steps, "steps") as bar:
        report = check_env(
            options.env, args, steps=options.steps, seed=options.seed, on_step=bar.advance
        )
    print(format_check(report))
    if options.out and report.images:
        write_bytes(Path(options.out), png(sheet(report)))
        print(f"what an agent sees: {options.out}")
    if options.json:
        write_json(Path(options.json), plain(report))
    return 0 if report.trains else 1


def plain(report: EnvReport) -> dict[str, Any]:
    """The report as plain data, without its images."""
    kept = {key: value for key, value in vars(report).items() if key != "images"}
    return {**kept, "findings": [one._asdict() for one in report.findings], "trains": report.trains}


def format_check(report: EnvReport) -> str:
    """The report of a check, for people."""
    lines = []
    if report.adaptation:
        lines += [format_table(("observation", "is", "becomes", "note"), report.adaptation)]
    elif report.steps:
        lines += ["  the observations are taken as they are"]
    if report.steps:
        resume = "exactly" if report.resumes_exactly else "with new episodes"
        lines += [
            f"{report.steps_per_second:,.0f} steps/s, {report.megabytes:,.0f} MB for one "
            f"environment; a training resumes {resume}",
            _episodes(report),
        ]
    for one in report.findings:
        where = "" if one.step is None else f"step {one.step}: "
        grade = "error" if one.is_fatal else "warning"
        lines += [f"{grade}: {where}{printable(one.what)}", f"  → {one.fix}"]
    verdict = "agents can be trained in it" if report.trains else "no agent can be trained in it"
    return "\n".join([*lines, f"{printable(report.env)}: {verdict}"])


def _episodes(report: EnvReport) -> str:
    """A line about the episodes of random actions."""
    if not report.episodes:
        return f"no episode ended within {report.steps} random steps"
    known = [one for one in report.successes if one is not None]
    success = f"success {fmean(known):.0%}" if known else "success unknown"
    return (
        f"{report.episodes} episodes of random actions: mean return "
        f"{fmean(report.returns):.3g}, {success}"
    )


def sheet(report: EnvReport) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A contact sheet of what an agent sees, uint8 [H, W, 3]."""
    rows = -(-len(report.images) // _COLUMNS)
    page = Image.new("RGB", (_COLUMNS * _SIDE, rows * _SIDE), "white")
    for k, image in enumerate(report.images):
        page.paste(fitted(image, _SIDE - 8), (k % _COLUMNS * _SIDE + 4, k // _COLUMNS * _SIDE + 4))
    return np.asarray(page)

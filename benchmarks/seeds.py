"""Several seeds of one measurement, each in a process of its own.

A script adds :func:`add_options` to its own, and in its ``main`` calls :func:`is_one` first, which
is how those processes come back to it. With ``--folder`` a measurement that was interrupted is
resumed: seeds that are done are not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from mmrl.files import write_json

Report = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which seeds, how many at once, and where."""
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once, one thread each")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    add_folder(parser)


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Where to work: see :func:`work_folder`."""
    parser.add_argument("--folder", type=Path, help="to work in, and to keep; a new one otherwise")


def is_one(
    options: argparse.Namespace,
    overrides: Sequence[str],
    measure: Callable[[int, Path, list[str]], Report],
) -> bool:
    """Whether this process is of a single seed, which is then measured."""
    if options.one is None:
        return False
    report = measure(options.one, options.folder, list(overrides))
    write_json(_report(options.folder, options.one), report)
    return True


def share_cores(jobs: int) -> None:
    """Give each of so many processes at once its share of the cores."""
    if jobs > 1:
        os.environ["OMP_NUM_THREADS"] = str(max((os.cpu_count() or 1) // jobs, 1))


@contextmanager
def work_folder(options: argparse.Namespace) -> Iterator[Path]:
    """The folder that was named, or one that is gone afterwards."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        yield folder


def each_name(
    names: Sequence[str], options: argparse.Namespace, measure: Callable[[str, int], Report]
) -> Iterator[tuple[str, list[Report]]]:
    """What is measured under each name for every seed, as soon as a name is done."""
    plan = [(name, seed) for name in names for seed in options.seeds]
    with ThreadPoolExecutor(options.jobs) as pool:
        reports = pool.map(lambda one: measure(*one), plan)
        for name in names:
            yield name, list(islice(reports, len(options.seeds)))


def each_seed(
    script: str, options: argparse.Namespace, folder: Path, overrides: Sequence[str]
) -> list[Report]:
    """What a script (its ``__file__``) measures for every seed."""
    with ThreadPoolExecutor(options.jobs) as pool:
        waiting = [pool.submit(_one, script, s, folder, overrides) for s in options.seeds]
        return [one.result() for one in waiting]


def _one(script: str, seed: int, folder: Path, overrides: Sequence[str]) -> Report:
    done = _report(folder, seed)
    if not done.is_file():
        command = [sys.executable, script, "--folder", str(folder), "--one", str(seed)]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([*command, *overrides], check=True, start_new_session=True, env=env)
    read: Report = json.loads(done.read_text())
    return read


def _report(folder: Path, seed: int) -> Path:
    return folder / f"seed-{seed}.json"

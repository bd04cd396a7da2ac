"""Runs the probe: again, after what has crashed it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

_PATIENCE: Final = 300.0  # seconds
_PROGRAM: Final = "import sys; from mmrl.doctor.probe import main; main(sys.argv[1:])"


def run_probes(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What :func:`mmrl.doctor.probe.probe` gives for each name, in a process of its own; also what
    made that crash or hang is an error.
    """
    results: dict[str, dict[str, Any]] = {}
    waiting = list(names)
    while waiting:
        for name, result in _run_once(waiting):
            results[name] = result
            waiting.remove(name)
    return results


def _run_once(names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The results up to the first crash; at least one."""
    command = [sys.executable, "-P", "-c", _PROGRAM, *names]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
        output, end = done.stdout, _end(done.returncode, done.stderr)
    except subprocess.TimeoutExpired as error:
        output, end = error.stdout or b"", f"takes more than {_PATIENCE:.0f} seconds"
    lines = [json.loads(line) for line in output.decode(errors="replace").splitlines()]
    while len(lines) > 1:
        begun, result, *lines = lines
        yield begun["name"], result
    if lines:
        yield lines[0]["name"], {"error": end}
    elif not output:
        yield names[0], {"error": f"Python itself fails: {end}"}


def _end(status: int, errors: bytes) -> str:
    """How a process ended."""
    last = (errors.decode(errors="replace").strip().splitlines() or [""])[-1]
    names = {one.value: one.name for one in signal.Signals}
    how = f"crashes Python by {names.get(-status, -status)}" if status < 0 else f"exits ({status})"
    return f"{how}: {last}" if last else how

"""The ``mmrl`` commands that measurements are made of. Each is started, resumed if it was
interrupted, or skipped if it is done.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from mmrl.files import write_json

MMRL: Final = [sys.executable, "-m", "mmrl"]
DONE: Final = "done.json"
"""What :func:`finish` leaves in a run folder: the wall time in seconds of all sittings."""


def finish(out: Path, *command: object, log: Path | None = None) -> float:
    """Have ``mmrl train`` or ``mmrl fit`` make a run folder, from the newest checkpoint on if there
    is one.

    Args:
        out: the run folder.
        command: words and options, such as ``"fit", "tokenizer", "--steps", 500``; ``--out`` is
            added.
        log: a file that what is printed is added to; None prints it here.

    Returns:
        Its wall time in seconds: of a sitting that was interrupted, up to its last checkpoint.

    Raises:
        subprocess.CalledProcessError: if the command fails. The folder stays.
    """
    done, sitting = out / DONE, out.with_name(f"{out.name}.sitting.json")
    if not done.is_file():
        words = [str(one) for one in command]
        reached = [one.stat().st_mtime for one in out.glob("checkpoints/step_*")]
        before = 0.0
        if reached and sitting.is_file():
            last = json.loads(sitting.read_text())
            before = last["before"] + max(max(reached) - last["started"], 0.0)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json(sitting, {"started": time.time(), "before": before})
        started = time.monotonic()
        if reached:
            begin = takewhile(lambda word: not word.startswith("--"), words)
            run([*begin, "--resume", str(out)], log)
        else:
            shutil.rmtree(out, ignore_errors=True)
            run([*words, "--out", str(out)], log)
        write_json(done, round(before + time.monotonic() - started, 1))
        sitting.unlink()
    return float(json.loads(done.read_text()))


def collect(
    out: Path,
    env: str,
    by: str,
    episodes: int,
    seed: int = 0,
    env_args: Mapping[str, Any] | None = None,
) -> Path:
    """A dataset by ``mmrl collect``, which resumes by itself where it was interrupted."""
    if not (out / "data" / "metadata.json").is_file():
        options = ["--by", by, "--episodes", str(episodes), "--seed", str(seed)]
        args = ["--env-args", json.dumps(dict(env_args or {}))]
        run(["collect", env, *options, *args, "--out", str(out)])
    return out


def run(command: list[str], log: Path | None = None) -> None:
    """One ``mmrl`` command."""
    if log is None:
        subprocess.run([*MMRL, *command], check=True)
        return
    with log.open("a") as printed:
        subprocess.run([*MMRL, *command], check=True, stdout=printed, stderr=subprocess.STDOUT)

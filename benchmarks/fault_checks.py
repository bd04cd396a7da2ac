"""Checks of ``faults.py``: a command or Python code in a process of its own, and what is right."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import fault_server

from mmrl.experiment.run import Run, Status

MMRL: Final = [sys.executable, "-P", "-m", "mmrl"]
RESULTS: Final = Path(__file__).parent / "results"
SMALL: Final = [
    "--ppo.num_envs", "4", "--ppo.n_steps", "32", "--ppo.batch_size", "64", "--ppo.n_epochs", "1",
    "--eval_episodes", "4", "--controls", "false", "--steps", "256", "--device", "cpu",
    "--model.text", "bag_of_words", "--model.image_args", "{width: 8}", "--model.features", "8",
]  # fmt: skip
NO_CLIPS: Final = ["--clip_every", "0"]
SECONDS: Final = 400
LONGEST: Final = 1_200  # characters of an error


@dataclass(frozen=True)
class Outcome:
    """What happened.

    Attributes:
        now: in one line.
        holds: whether it is right.
    """

    now: str
    holds: bool


Check = Callable[[Path], Outcome]
"""Runs something in a folder that has the inputs."""


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        id: of the fault.
        input: what is tried.
        before: what happened when the fault was found, shortened.
        checks: all have to hold.
    """

    id: str
    input: str
    before: str
    checks: Sequence[Check] = field(default_factory=tuple)


def run(command: Sequence[str], place: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command of mmrl, or Python code after ``-c``; in a fork of a process that has imported
    mmrl already, where nothing about its environment matters.
    """
    if command[0] != "-c" and not env:
        return fault_server.command(list(command), place)
    start = [sys.executable] if command[0] == "-c" else MMRL
    if "PLUGIN" in env:  # a folder that packages are found in
        paths = [str(place / env.pop("PLUGIN")), os.environ.get("PYTHONPATH", "")]
        env["PYTHONPATH"] = os.pathsep.join(paths)
    return subprocess.run(
        [*start, *command],
        cwd=place,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS,
        env={**os.environ, "PYTHONWARNINGS": "default", **env},
    )


def outcome(done: subprocess.CompletedProcess[str], holds: bool, says: Sequence[str]) -> Outcome:
    """The outcome of a process: its last line, or a line that has what is looked for."""
    output = f"{done.stdout}\n{done.stderr}".replace(str(Path.home()), "~")
    missing = [text for text in says if not re.search(text, output)]
    crashed = "Traceback (most recent call last)" in output
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    found = [line for line in lines if any(re.search(text, line) for text in says)]
    line = (found or [line for line in lines if line.startswith("mmrl ")] or lines or ["-"])[-1]
    note = f" (lacks {', '.join(missing)})" if missing else ""
    return Outcome(
        f"{'traceback: ' * crashed}{line[:220]}{note} [{done.returncode}]",
        holds and not missing and not crashed,
    )


def works(*command: str, says: Sequence[str] = (), **env: str) -> Check:
    """It ends well, and prints what is looked for."""

    def check(place: Path) -> Outcome:
        done = run(command, place, **env)
        return outcome(done, done.returncode == 0, says)

    return check


def refused(*command: str, says: Sequence[str] = (), **env: str) -> Check:
    """A user's error in one short sentence."""

    def check(place: Path) -> Outcome:
        done = run(command, place, **env)
        lines = [line for line in done.stderr.splitlines() if line.startswith("mmrl ")]
        short = sum(map(len, lines)) < LONGEST
        return outcome(done, done.returncode == 2 and bool(lines) and short, says)

    return check


def without_traceback(*command: str) -> Check:
    """It ends well, or is refused in one sentence."""

    def check(place: Path) -> Outcome:
        done = run(command, place)
        return outcome(done, done.returncode in (0, 2), [])

    return check


def train(env: str, *options: str) -> list[str]:
    """The command that trains a little, in a folder named after its arguments."""
    name = re.sub(r"\W+", "-", "-".join([env, *options]))[-120:]
    return ["train", "--env", env, *SMALL, "--out", f"runs/{name}", *options]


def trains(env: str, *options: str, says: Sequence[str] = ()) -> Check:
    """A small training ends well."""
    return works(*train(env, *options), says=says)


def trains_not(env: str, *options: str, says: Sequence[str] = ()) -> Check:
    """A small training is refused in one sentence."""
    return refused(*train(env, *options), says=says)


def python(code: str, says: Sequence[str] = (), **env: str) -> Check:
    """Code that prints what is looked for."""

    def check(place: Path) -> Outcome:
        paths = os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])
        done = run(["-c", code], place, **{"PYTHONPATH": paths, **env})
        return outcome(done, done.returncode == 0, says)

    return check


def script(name: str, found: Callable[[Any], tuple[str, bool]]) -> Check:
    """What another script of this folder has measured, from its file."""

    def check(_: Path) -> Outcome:
        text, holds = found(json.loads((RESULTS / f"{name}.json").read_text()))
        return Outcome(f"{name}.py: {text}", holds)

    return check


def tested(path: str) -> Check:
    """What a test of the suite tries."""
    return lambda _: Outcome(
        f"tested: {path}", (Path(__file__).parent.parent / path.partition("::")[0]).is_file()
    )


def interrupted(name: str, presses: int, *more: str, signum: int = signal.SIGINT) -> Check:
    """A training that gets a signal keeps its folder, and a checkpoint if there was an update."""

    def check(place: Path) -> Outcome:
        out = place / "runs" / f"interrupted-{name}"
        command = train("room:Room-v0", *NO_CLIPS, "--eval_episodes", "0", "--steps", "2000000")
        process = subprocess.Popen(
            [*MMRL, *command, "--out", str(out), *more],
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while process.poll() is None and Run(out, {}).status is not Status.TRAINING:
            time.sleep(0.2)
        time.sleep(1)
        for _ in range(presses):
            process.send_signal(signum)
            time.sleep(0.05)
        last = ["-", *process.communicate(timeout=SECONDS)[0].strip().splitlines()][-1]
        kept = sorted(one.name for one in out.glob("checkpoints/step_*"))
        begun = Run(out, {}).status is Status.INTERRUPTED  # the same command begins again
        return Outcome(f"{last}: {kept} [{process.returncode}]", bool(kept) or begun)

    return check

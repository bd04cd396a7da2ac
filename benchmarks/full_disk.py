"""A disk that is full: one line, what was good stays, and the same command continues with room.

    python benchmarks/full_disk.py

Runs in a mount namespace of its own (``unshare``, as root or where users may have one) with a small
tmpfs. For each case the disk is filled up to so many kilobytes, a command is run, and it is noted
how it ended, whether there was a traceback, and what can be read afterwards. Then the disk gets
room again, and the command is run to its end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.progress import track

from mmrl.errors import UserError
from mmrl.evaluation.report import provenance
from mmrl.experiment.run import Run
from mmrl.files import write_json

RESULTS = Path(__file__).parent / "results"
INSIDE = "MMRL_FULL_DISK"
SIZE_KB = 96 * 1024
MMRL = [sys.executable, "-P", "-m", "mmrl"]
SMALL = [
    "--env=mmrl/GoToObjS4-v0", "--device=cpu", "--eval-episodes=0", "--clip-every=0",
    "--model.image-args={width: 8}", "--model.text=bag_of_words", "--model.features=8",
    "--ppo.num-envs=8", "--ppo.n-steps=16", "--ppo.batch-size=64", "--ppo.n-epochs=1",
]  # fmt: skip
FIT = ["--data=./data", "--device=cpu", "--batch-size=16", "--evaluate-every=100", "--steps=30"]
SAVE = (
    "from mmrl.models.build import ModelConfig, ModelInputs, build_model\n"
    "from mmrl.models.io import save_model; from mmrl.errors import UserError\n"
    "inputs = ModelInputs.standard((24, 24), 9)\n"
    "model = build_model(ModelConfig(text='bag_of_words'), inputs)\n"
    "try: save_model(model, 'model')\nexcept UserError as error: raise SystemExit(f'save: {error}')"
)


@dataclass
class Case:
    """A command on a disk with little room.

    Attributes:
        name: of the case.
        free_kb: room before the command.
        command: of mmrl, or Python code after ``-c``.
        then: the command that continues with room; the same one, if None.
        run: the run folder that is looked at.
        honest: what is there before.
    """

    name: str
    free_kb: int
    command: list[str]
    then: list[str] | None = None
    run: str | None = None
    honest: list[str] = field(default_factory=list)


def cases(checkpoint_kb: int) -> list[Case]:
    """All cases, by the size of a checkpoint."""
    one = checkpoint_kb
    train = ["train", *SMALL, "--out=run"]
    resume = ["train", "--resume=run"]
    more = [*resume, "--steps=1024", "--allow-changes", "--checkpoint-every=128"]
    steps, often = "--steps=512", "--checkpoint-every=128"
    return [
        Case("training: no room at all", 0, [*train, steps], run="run"),
        Case("training: first checkpoint", one // 2, [*train, steps], run="run"),
        Case("training: middle", 2 * one, [*train, steps, often], resume, "run"),
        Case("training: last checkpoint", one + one // 2,
             [*train, steps, "--checkpoint-every=0"], resume, "run"),
        Case("training: an old checkpoint makes room", 2 * one + one // 2,
             [*train, "--steps=1024", often, "--keep-checkpoints=9"], resume, "run"),
        Case("resuming: no room at all", 0, more, more, "run", ["run"]),
        Case("training: clips", one + 60, [*train, steps, "--clip-every=128"], resume, "run"),
        Case("fit: no room at all", 0, ["fit", "captioner", *FIT, "--out=new"],
             run="new", honest=["data"]),
        Case("fit: first checkpoint", 500, ["fit", "captioner", *FIT, "--out=new"],
             run="new", honest=["data"]),
        Case("evaluation: --json", 0, ["eval", "run", "--episodes=2", "--json=a.json"],
             honest=["run"]),
        Case("clip", 0, ["clip", "run", "--episodes=1", "--out=a.gif"], honest=["run"]),
        Case("collect: no room at all", 0,
             ["collect", "mmrl/GoToObjS4-v0", "--episodes=2000", "--by=expert", "--out=./new"]),
        Case("collect: parts", 300,
             ["collect", "mmrl/GoToObjS4-v0", "--episodes=2000", "--by=expert", "--out=./new"]),
        Case("collect: joining", 1500,
             ["collect", "mmrl/GoToObjS4-v0", "--episodes=2000", "--by=expert", "--out=./new"]),
        Case("model.save", 100, ["-c", SAVE]),
        Case("index", 0, ["index", "./data", "--model=retrieval", "--out=new.index"],
             honest=["data", "retrieval"]),
    ]  # fmt: skip


def run(command: list[str], where: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of mmrl, or Python code."""
    start = [sys.executable, "-P"] if command[0] == "-c" else MMRL
    return subprocess.run(
        [*start, *command], cwd=where, capture_output=True, text=True, errors="replace",
        timeout=900, env={**os.environ, "SDL_VIDEODRIVER": "dummy", "PYTHONWARNINGS": "default"},
    )  # fmt: skip


def kept(folder: Path) -> str:
    """What can be read of a run."""
    if not folder.exists():
        return "no folder"
    try:
        opened = Run.open(folder)
        return f"{opened.read_checkpoint().steps} steps ({opened.status})"
    except UserError:
        return f"no checkpoint ({Run(folder, {}).status})"


def fill(disk: Path, free_kb: int) -> Path:
    """Fill a disk up to so many kilobytes."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        while (left := shutil.disk_usage(disk).free - 1024 * free_kb) > 0:
            file.write(b"\0" * min(left, 2**20))
            file.flush()
    return filler


def measure(case: Case, disk: Path, honest: Path) -> dict[str, Any]:
    """One case on an empty disk."""
    for one in disk.iterdir():
        shutil.rmtree(one) if one.is_dir() else one.unlink()
    for name in case.honest:
        shutil.copytree(honest / name, disk / name)
    filler = fill(disk, case.free_kb)
    done = run(case.command, disk)
    errors = [line for line in done.stderr.splitlines() if line.startswith("mmrl ")]
    row: dict[str, Any] = {
        "case": case.name,
        "free_kb": case.free_kb,
        "status": done.returncode,
        "traceback": "Traceback" in done.stderr,
        "message": (errors or done.stderr.strip().splitlines() or ["-"])[-1][:300],
        "kept": kept(disk / case.run) if case.run else "-",
    }
    filler.unlink()
    has_checkpoint = "steps" in row["kept"]
    again = case.then if case.then is not None and has_checkpoint else case.command
    finished = run(again, disk)
    row["with_room"] = finished.returncode
    row["kept_with_room"] = kept(disk / case.run) if case.run else "-"
    return {key: str(v).replace(str(disk), "DISK") if isinstance(v, str) else v
            for key, v in row.items()}  # fmt: skip


def prepare(folder: Path) -> int:
    """Honest files in a folder; the size of a checkpoint in kilobytes."""
    for command in (
        ["train", *SMALL, "--steps=256", "--out=run"],
        ["collect", "mmrl/GoToObjS4-v0", "--episodes=64", "--by=expert", "--out=./data"],
        ["fit", "retrieval", *FIT, "--out=retrieval"],
    ):
        done = run(command, folder)
        if done.returncode:
            raise SystemExit(done.stderr)
    files = (folder / "run/checkpoints/step_256").iterdir()
    return sum(-(-file.stat().st_size // 4096) * 4 for file in files)


def main() -> None:
    """Measure all cases, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="cases whose name has this in it")
    options = parser.parse_args()
    if INSIDE not in os.environ:
        how = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root"]
        os.environ[INSIDE] = "1"
        raise SystemExit(subprocess.call([*how, sys.executable, *sys.argv]))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(
        ignore_cleanup_errors=True
    ) as place:  # a disk is mounted in it
        disk, honest = Path(place) / "disk", Path(place) / "honest"
        disk.mkdir()
        honest.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KB}k", "tmpfs", str(disk)]
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(mount, check=True)
        size = prepare(honest)
        chosen = [one for one in cases(size) if not options.only or options.only in one.name]
        rows = []
        for case in track(chosen, description="cases"):
            rows.append(measure(case, disk, honest))
            row = rows[-1]
            print(f"{row['case']}: {row['status']}, then {row['with_room']}; kept {row['kept']}, "
                  f"then {row['kept_with_room']}{', TRACEBACK' * row['traceback']}\n"
                  f"  {row['message']}", flush=True)  # fmt: skip
    if not options.only:
        write_json(
            RESULTS / "full_disk.json",
            {"disk_kb": SIZE_KB, "checkpoint_kb": size, "cases": rows, **provenance(started)},
        )
    if any(row["traceback"] or row["with_room"] for row in rows):
        raise SystemExit("there was a traceback, or a command did not end well with room")


if __name__ == "__main__":
    main()

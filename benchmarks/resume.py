"""Trainings that are interrupted at random moments and resumed: the same weights, bit for bit.

    python benchmarks/resume.py

Six kinds of training (a policy that reads, one with a memory, one whose frozen sentence encoder
caches its features, one by two workers, a captioner, a world model) are each run once without
interruption. Then, ``--interrupts`` times in all, one of them is run again and interrupted at a
random moment from its first second on: half of them by SIGKILL, a quarter by SIGTERM, a quarter by
Ctrl-C. Where there is a checkpoint it is resumed by ``--resume``, and where there is none the same
command begins it again. What is compared at the end: weights, the rest of the last checkpoint
(optimiser, random generators, environments), and every curve in TensorBoard but those of the
process: its speed, and what its caches hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.progress import track
from seeds import add_folder, work_folder
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.evaluation.report import provenance
from mmrl.files import write_json

RESULTS = Path(__file__).parent / "results"
MMRL = [sys.executable, "-P", "-m", "mmrl"]
POLICY = [
    "--env=mmrl/GoToObjS6-v0", "--device=cpu", "--eval-episodes=0", "--clip-every=3000",
    "--checkpoint-every=1024", "--ppo.num-envs=16", "--ppo.n-steps=32", "--ppo.batch-size=128",
]  # fmt: skip
FIT = ["--device=cpu", "--batch-size=16", "--evaluate-every=100", "--checkpoint-every=40"]
WORLD = ["--window=4", "--width=32", "--heads=2", "--layers=2"]


class Kind:
    """A kind of training.

    Args:
        begin: its command, without the folder.
        resume: the beginning of the command that resumes it.
        steps: of the whole training.
    """

    def __init__(self, begin: list[str], resume: list[str], steps: int) -> None:
        self.begin, self.resume, self.steps = [*begin, f"--steps={steps}"], resume, steps

    def start(self, out: Path) -> subprocess.Popen[bytes]:
        """Begin it, or resume it where there is something to resume."""
        known = any(out.glob("checkpoints/step_*"))
        command = [*self.resume, f"--resume={out}"] if known else [*self.begin, f"--out={out}"]
        with (out.parent / f"{out.name}.log").open("a") as log:
            return subprocess.Popen([*MMRL, *command], stdout=log, stderr=log)


def kinds(data: Path, tokenizer: Path, steps: int) -> dict[str, Kind]:
    """All kinds by name, the fitted ones on a dataset."""
    train, workers = ["train", *POLICY], ["--workers=2"]
    captioner = ["fit", "captioner", f"--data={data}", *FIT]
    world = ["fit", "world-model", f"--data={data}", f"--tokenizer={tokenizer}", *FIT, *WORLD]
    return {
        "film": Kind(train, ["train"], steps),
        "workers 2": Kind([*train, *workers], ["train", *workers], steps),
        "captioner": Kind(captioner, captioner[:2], 200),
        "lstm": Kind([*train, "--ppo.memory=lstm", "--model.fusion=concat"], ["train"], steps),
        "world-model": Kind(world, world[:2], 200),
        "frozen minilm": Kind(
            [*train, "--model.text=minilm", "--model.text-trained=0"], ["train"], steps
        ),
    }


def outcome(out: Path, steps: int) -> dict[str, Any]:
    """What is compared: checksums of the last checkpoint, and the curves."""
    sums = json.loads((out / f"checkpoints/step_{steps}/manifest.json").read_text())["sha256"]
    accumulator = EventAccumulator(str(out), size_guidance={"scalars": 0})
    accumulator.Reload()
    curves = {
        tag: [(event.step, repr(event.value)) for event in accumulator.Scalars(tag)]  # also nan
        for tag in accumulator.Tags()["scalars"]
        if not tag.startswith(("time/", "cache/"))
    }
    return {"weights": sums["weights.safetensors"], "state": sums["state.npz"], "curves": curves}


def finish(process: subprocess.Popen[bytes], out: Path) -> None:
    """Wait for a training that is to end well."""
    if process.wait(1200):
        raise SystemExit(f"{out} failed:\n{(out.parent / f'{out.name}.log').read_text()[-2000:]}")


def interrupt(kind: Kind, out: Path, signum: int, seconds: float) -> dict[str, Any]:
    """Start a training, interrupt it so many seconds later, and train to the end."""
    process = kind.start(out)
    time.sleep(seconds)
    process.send_signal(signum)
    status = process.wait(300)
    found = sorted(out.glob("checkpoints/step_*"), key=lambda path: int(path.name[5:]))
    finish(kind.start(out), out)
    return {"status": status, "resumed_from": found[-1].name if found else None}


def schedule(count: int, names: list[str], seed: int) -> list[tuple[str, int, float]]:
    """Which kind is interrupted, by what, and at which share of its time."""
    rng = random.Random(seed)
    signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT] * (count // 4 + 1)
    plan = [(names[k % len(names)], int(signals[k // len(names)]), 0.0) for k in range(count)]
    return [(name, signum, rng.random()) for name, signum, _ in plan]


def prepare(folder: Path) -> tuple[Path, Path]:
    """A dataset, and a tokenizer of its images."""
    data, tokenizer = folder / "data", folder / "tokenizer"
    subprocess.run(
        [*MMRL, "collect", "mmrl/GoToObjS6-v0", "--episodes=60", "--by=expert", f"--out={data}"],
        check=True,
    )
    if not (tokenizer / "result.json").is_file():
        subprocess.run(
            [*MMRL, "fit", "tokenizer", f"--data={data}", "--steps=60", f"--out={tokenizer}"],
            check=True,
        )
    return data, tokenizer


def main() -> None:
    """Interrupt, resume, compare; print a table; write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--interrupts", type=int, default=50)
    parser.add_argument("--steps", type=int, default=3072, help="of the policies")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    add_folder(parser)
    options = parser.parse_args()
    started, rows = time.monotonic(), []
    with work_folder(options) as folder:
        every = kinds(*prepare(folder), options.steps)
        whole, spans = {}, {}
        for name, kind in every.items():
            out = folder / name.replace(" ", "-")
            begun = time.monotonic()
            finish(kind.start(out), out)
            spans[name] = time.monotonic() - begun
            whole[name] = outcome(out, kind.steps)
            print(f"{name}: {spans[name]:.0f} s without interruption", flush=True)
        plan = schedule(options.interrupts, list(every), options.seed)
        for number, (name, signum, share) in enumerate(track(plan, description="interrupts")):
            kind, out = every[name], folder / f"interrupted-{number}"
            seconds = 1 + share * (spans[name] - 1)
            ending = interrupt(kind, out, signum, seconds)
            got = outcome(out, kind.steps)
            same = {key: got[key] == whole[name][key] for key in got}
            row = {"kind": name, "signal": signal.Signals(signum).name,
                   "after_seconds": round(seconds, 1), **ending, "equal": same}  # fmt: skip
            rows.append(row)
            print(os.linesep + json.dumps(row), flush=True)
    for key in ("weights", "state", "curves"):
        print(f"{key}: equal in {sum(one['equal'][key] for one in rows)} of {len(rows)}")
    write_json(
        RESULTS / "resume.json",
        {
            "kinds": {
                name: [part.replace(str(folder), "FOLDER") for part in kind.begin]
                for name, kind in every.items()
            },
            "seconds_without_interruption": {name: round(s, 1) for name, s in spans.items()},
            "interrupts": rows,
            **provenance(started),
        },
    )


if __name__ == "__main__":
    main()

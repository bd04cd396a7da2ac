"""Trainings that are killed at random moments, and go on: the same weights, bit for bit.

    python benchmarks/resume.py

Each of three configurations (one that reads, one with a memory, one whose frozen sentence encoder
remembers its features) is trained once without interruption. Then, ``--kills`` times in all, it is
trained again, killed by SIGKILL at a random moment between its first checkpoint and its end, taken
up by ``mmrl train --resume``, and compared at the end: weights, the rest of the last checkpoint
(optimiser, random generators, environments), and every curve in TensorBoard but those that tell of
the process: its speed, and what its caches hold.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.progress import track
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.evaluation.report import provenance
from mmrl.files import write_json

RESULTS = Path(__file__).parent / "results"
COMMON = [
    "--env=mmrl/GoToObjS6-v0", "--device=cpu", "--eval_episodes=0", "--clip_every=3000",
    "--checkpoint_every=1024", "--ppo.num_envs=16", "--ppo.n_steps=32", "--ppo.batch_size=128",
]  # fmt: skip
CONFIGURATIONS = {
    "film": [],
    "lstm": ["--ppo.memory=lstm", "--model.fusion=concat"],
    "frozen minilm": ["--model.text=minilm", "--model.text_trained=0"],
}


def command(out: Path, how: list[str], steps: int) -> list[str]:
    """A training from the beginning."""
    train = [sys.executable, "-m", "mmrl", "train", *COMMON, *how]
    return [*train, f"--steps={steps}", f"--out={out}"]


def kill(out: Path, how: list[str], steps: int, seconds: float) -> str:
    """Start a training and kill it so many seconds after its first checkpoint; its newest one."""
    process = subprocess.Popen(
        command(out, how, steps), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and not list(out.glob("checkpoints/step_*")):
        time.sleep(0.02)
    time.sleep(seconds)
    process.kill()
    process.wait()
    return max(out.glob("checkpoints/step_*"), key=lambda path: int(path.name[5:])).name


def resume(out: Path) -> None:
    """Go on to the end."""
    train = [sys.executable, "-m", "mmrl", "train", "--resume", str(out)]
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def outcome(out: Path, steps: int) -> dict[str, Any]:
    """What is compared: checksums of the last checkpoint, and the curves."""
    sums = json.loads((out / f"checkpoints/step_{steps}/manifest.json").read_text())["sha256"]
    accumulator = EventAccumulator(str(out), size_guidance={"scalars": 0})
    accumulator.Reload()
    curves = {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
        if not tag.startswith(("time/", "cache/"))
    }
    return {"weights": sums["weights.safetensors"], "state": sums["state.npz"], "curves": curves}


def main() -> None:
    """Kill, resume, compare; print a table; write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=8192)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    moments, started = random.Random(options.seed), time.monotonic()
    names, kills = list(CONFIGURATIONS), []
    with tempfile.TemporaryDirectory() as folder:
        whole, spans = {}, {}
        for name, how in CONFIGURATIONS.items():
            out = Path(folder) / name.replace(" ", "-")
            process = subprocess.Popen(command(out, how, options.steps))
            while process.poll() is None and not list(out.glob("checkpoints/step_*")):
                time.sleep(0.02)
            begun = time.monotonic()
            if process.wait():
                raise SystemExit(f"{name} failed")
            spans[name] = time.monotonic() - begun
            whole[name] = outcome(out, options.steps)
        for number in track(range(options.kills), description="kills"):
            name = names[number % len(names)]
            out = Path(folder) / f"killed-{number}"
            seconds = moments.uniform(0, 0.9 * spans[name])
            newest = kill(out, CONFIGURATIONS[name], options.steps, seconds)
            resume(out)
            got = outcome(out, options.steps)
            same = {key: got[key] == whole[name][key] for key in got}
            kills.append(
                {"configuration": name, "killed_after_seconds": round(seconds, 2),
                 "newest_checkpoint": newest, "equal": same}
            )  # fmt: skip
    for key in ("weights", "state", "curves"):
        print(f"{key}: equal in {sum(one['equal'][key] for one in kills)} of {len(kills)}")
    RESULTS.mkdir(exist_ok=True)
    write_json(
        RESULTS / "resume.json",
        {
            "common": COMMON,
            "configurations": CONFIGURATIONS,
            "steps": options.steps,
            "kills": kills,
            **provenance(started),
        },
    )


if __name__ == "__main__":
    main()

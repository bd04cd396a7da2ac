"""Training by many workers: the same result, whatever happens to one of them, and how fast.

    python benchmarks/workers.py

Three things are measured with the model and settings of ``configs/scaling.yaml``, all of them by
the command ``mmrl train``:

- equality: 2 workers with 32 environments each against one process with all 64: the largest
  difference of any weight after 1, 2, 4 … updates. Adam makes much of the smallest gradients, and
  trainings drift apart by rounding alone; beside it is therefore how far one process drifts from
  itself when it has one thread instead of two, and both by SGD, which makes less of rounding.
- a worker that is killed (SIGKILL) in the middle: the training ends, every step is there once, and
  the weights are those of the training that nothing happened to.
- speed: steps a second in one process (all cores), and with 1 and 2 workers (each its share of the
  cores), from the first update's end to the last one's. All take turns.

And, as a basis for larger teams, the parts of an update in one process with one thread: collecting,
learning, summing the gradients over two local processes, and drawing actions for the environments
of all workers. ``predictions`` is computed from these: see docs/scaling.md.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as mp
import yaml
from rich.progress import track
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.evaluation.report import provenance
from mmrl.experiment.checkpoint import read_checkpoint
from mmrl.files import write_json
from mmrl.models.build import build_tokenizer
from mmrl.models.config import ModelConfig
from mmrl.wrappers.adapters import instruction_words, make_vec_env
from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.team import Team
from mmrl_agents.vec_env import MultimodalVecEnv

RESULTS = Path(__file__).parent / "results"
CONFIG = Path("configs/scaling.yaml")
OPTIMIZERS: dict[str, list[str]] = {
    "adam": [], "sgd": ["--optimizer.name", "sgd", "--ppo.learning-rate", "0.03"],
}  # fmt: skip
UPDATE = 2048  # steps of the configuration's 64 environments between updates
ARMS: dict[str, list[str]] = {
    "one process": [], "1 worker": ["--workers", "1"], "2 workers": ["--workers", "2"],
}  # fmt: skip


def command(out: Path, steps: int, *more: str) -> list[str]:
    """A training without an evaluation."""
    return [
        sys.executable, "-m", "mmrl", "train", "--config", str(CONFIG), "--out", str(out),
        "--steps", str(steps), "--eval-episodes", "0", "--clip-every", "0", "--device", "cpu",
        *more,
    ]  # fmt: skip


def train(out: Path, steps: int, *more: str, threads: int | None = None) -> None:
    """Run it to its end."""
    limit = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    subprocess.run(
        command(out, steps, *more), check=True, env={**os.environ, **limit},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def scalars(run: Path, tag: str) -> list[Any]:
    """Events of a curve."""
    accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0})
    accumulator.Reload()
    found: list[Any] = accumulator.Scalars(tag)
    return found


def difference(one: Path, other: Path) -> float:
    """The largest of any weight of two checkpoints."""
    a, b = read_checkpoint(one).weights, read_checkpoint(other).weights
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def equality(folder: Path, updates: int) -> dict[str, dict[str, float]]:
    """Two workers, or one thread, against one process with two threads: the largest difference of a
    weight, after each number of updates that is a power of two.
    """
    powers = [2**k for k in range(int(math.log2(updates)) + 1)]
    drifts: dict[str, dict[str, float]] = {}
    for optimizer, how in OPTIMIZERS.items():
        often = ["--checkpoint-every", "1", "--keep-checkpoints", "1000", *how]
        one = folder / optimizer / "one"
        train(one, updates * UPDATE, *often)
        for name, more in (("2 workers", ["--workers", "2"]), ("1 thread", [])):
            other = folder / optimizer / name.replace(" ", "-")
            train(other, updates * UPDATE, *often, *more, threads=None if more else 1)
            drifts[f"{optimizer}, {name}"] = {
                str(k): difference(
                    *(run / f"checkpoints/step_{k * UPDATE}" for run in (one, other))
                )
                for k in powers
            }
    return drifts


def worker_processes() -> list[int]:
    """The process ids of Ray Train's workers on this machine."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            name = (place / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if name.startswith("ray::") and "RayTrainWorker" in name:
            found.append(int(place.name))
    return sorted(found)


def killed(folder: Path, updates: int) -> dict[str, Any]:
    """Kill a worker once there is a checkpoint, and see how it ends."""
    steps = updates * UPDATE
    every = ["--checkpoint-every", str(2 * UPDATE)]
    train(folder / "whole", steps, *every, "--workers", "2")
    out = folder / "killed"
    process = subprocess.Popen(
        command(out, steps, *every, "--workers", "2"),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None and not list(out.glob("checkpoints/step_*")):
        time.sleep(0.05)
    time.sleep(1.0)
    victim = worker_processes()[-1]
    os.kill(victim, signal.SIGKILL)
    _, printed = process.communicate()
    steps_shown = [event.step for event in scalars(out, "rollout/success_rate")]
    return {
        "exit_status": process.returncode,
        "said": [line for line in printed.splitlines() if "worker was lost" in line],
        "steps_shown_once_each": steps_shown == list(range(UPDATE, steps + 1, UPDATE)),
        "steps_in_last_checkpoint": read_checkpoint(out / f"checkpoints/step_{steps}").steps,
        "largest_difference_to_the_uninterrupted": difference(
            *(folder / who / f"checkpoints/step_{steps}" for who in ("whole", "killed"))
        ),
    }


def speed(run: Path) -> float:
    """Steps a second from the end of the first update on."""
    events = scalars(run, "time/episodes")
    first, last = events[0], events[-1]
    return float((last.step - first.step) / (last.wall_time - first.wall_time))


def parts(repetitions: int) -> dict[str, Any]:
    """Seconds of the parts of an update, one thread."""
    torch.set_num_threads(1)
    env_id, config = yaml.safe_load(CONFIG.read_text())["env"], ModelConfig()
    tokenizer = build_tokenizer(config, instruction_words(env_id))
    env = MultimodalVecEnv(make_vec_env(env_id, 64), tokenizer)
    ppo = PPO(
        MultimodalPolicy, env, n_steps=32, batch_size=512, n_epochs=4, device="cpu", seed=0,
        policy_kwargs={"model": config},
    )  # fmt: skip
    collecting: list[float] = []
    learning: list[float] = []
    collect, learn = ppo.collect_rollouts, ppo.train

    def timed(work: Any, into: list[float]) -> Any:
        def run(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            outcome = work(*arguments, **named)
            into.append(time.perf_counter() - started)
            return outcome

        return run

    setattr(ppo, "collect_rollouts", timed(collect, collecting))  # noqa: B010
    setattr(ppo, "train", timed(learn, learning))  # noqa: B010
    ppo.learn(UPDATE * (repetitions + 1))
    drawing = {}
    latent = torch.zeros(64, 64)
    for workers in (1, 10, 100, 1000):
        team = Team(0, workers)
        times = []
        for _ in range(repetitions):
            started = time.perf_counter()
            with torch.no_grad():
                everybody = ppo.policy._get_action_dist_from_latent(team.among_all(latent))
                everybody.log_prob(everybody.get_actions())
            times.append(time.perf_counter() - started)
        drawing[str(workers)] = statistics.median(times)
    weights = sum(p.numel() for p in ppo.policy.parameters() if p.requires_grad)
    return {
        "collecting": statistics.median(collecting[1:]),
        "learning": statistics.median(learning[1:]),
        "spread_of_learning": statistics.stdev(learning[1:]) / statistics.median(learning[1:]),
        "minibatches": 16,
        "weights": weights,
        "drawing_actions_of_a_step": drawing,
        "summing_gradients_of_two_local_processes": summing(weights),
    }


def summing(weights: int) -> float:
    """Seconds to sum the gradients of so many weights over two processes of this machine."""
    with tempfile.TemporaryDirectory() as place:
        mp.spawn(_sum, (place, weights), nprocs=2)
        return float((Path(place) / "seconds").read_text())


def _sum(rank: int, place: str, weights: int) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", rank=rank, world_size=2, init_method=f"file://{place}/store"
    )
    team, message, times = Team(rank, 2), torch.zeros(weights), []
    for _ in range(50):
        started = time.perf_counter()
        team.sum(message)
        times.append(time.perf_counter() - started)
    if rank == 0:
        (Path(place) / "seconds").write_text(str(statistics.median(times)))


def predict(measured: dict[str, Any], weights: int) -> list[dict[str, Any]]:
    """Steps a second of large teams, each worker with 64 environments and minibatches of 512 of its
    own: T = collecting + drawing + learning · (1 + spread · √(2 ln N)) + 16 · message, where a
    message is 2 log₂ N · latency + 2 (N − 1) / N · bytes / bandwidth (a ring in chunks).
    """
    rows = []
    for gigabit, latency in ((1, 200e-6), (10, 50e-6), (100, 10e-6)):
        for workers in (1, 10, 100, 1000):
            draw = measured["drawing_actions_of_a_step"]
            drawing = 32 * (draw[str(workers)] - draw["1"])
            waiting = measured["spread_of_learning"] * math.sqrt(2 * math.log(max(workers, 1)))
            message = 0.0
            if workers > 1:
                size = 2 * (workers - 1) / workers * 4 * weights / (gigabit * 1e9 / 8)
                message = 2 * math.log2(workers) * latency + size
            messages = measured["minibatches"] * message
            learning = measured["learning"] * (1 + waiting)
            total = measured["collecting"] + drawing + learning + messages
            alone = measured["collecting"] + measured["learning"]
            rows.append(
                {
                    "weights": weights, "gigabit_per_second": gigabit, "workers": workers,
                    "steps_per_second": round(workers * UPDATE / total),
                    "efficiency": round(alone / total, 3),
                    "seconds_of_drawing": round(drawing, 4),
                    "seconds_of_messages": round(messages, 4),
                }
            )  # fmt: skip
    return rows


def main() -> None:
    """Measure, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--updates", type=int, default=10, help="of a training that is timed")
    options = parser.parse_args()
    started = time.monotonic()
    measured = parts(7)
    speeds: dict[str, list[float]] = {name: [] for name in ARMS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number in track(range(options.repetitions), description="repetitions"):
            for name, how in ARMS.items():
                out = folder / f"{name.replace(' ', '-')}-{number}"
                train(out, options.updates * UPDATE, "--checkpoint-every", "0", *how)
                speeds[name].append(round(speed(out), 1))
        same = equality(folder / "equality", 8)
        accident = killed(folder / "accident", 12)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    models = {"demo": measured["weights"], "ResNet-18 + BERT-base": 121_000_000}
    predictions = {name: predict(measured, weights) for name, weights in models.items()}
    print("| path | steps/s (median) |\n|---|--:|")
    for name, median in medians.items():
        print(f"| {name} | {median:,.0f} |")
    print(f"2 workers / 1 worker: {medians['2 workers'] / medians['1 worker']:.2f} ×")
    print(f"largest difference of a weight after so many updates: {same}")
    print(f"a killed worker: {accident}")
    for name, rows in predictions.items():
        for row in rows:
            print(name, row)
    write_json(
        RESULTS / "workers.json",
        {
            "config": yaml.safe_load(CONFIG.read_text()),
            "steps_per_second": speeds,
            "medians": medians,
            "largest_difference_after_updates": same,
            "killed_worker": accident,
            "parts_of_an_update_seconds": measured,
            "predictions": predictions,
            **provenance(started, "ray"),
        },
    )


if __name__ == "__main__":
    main()

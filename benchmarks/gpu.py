"""Training speed and memory on a GPU, and that a training which is killed there is resumed.

    python benchmarks/gpu.py               # a CUDA GPU where there is one, otherwise the CPU
    python benchmarks/gpu.py --device cpu  # smaller batches, to compare or to try the script

Takes about six minutes, after which nothing further is begun. Each measurement has a process and a
time limit of its own, in float32 and in bfloat16; one that fails is kept with its error. Measured
are whole updates of PPO, collecting and learning, and gradient steps of a world model:

- ``demo``: the network of ``configs/demo.yaml``.
- ``recurrent``: the same with a GRU.
- ``frozen``, ``trained``: ResNet-18 and BERT-base, of their published sizes with random weights.
- ``world model``: that of ``configs/fit/world_model.yaml``, on episodes that are collected first.

Then ``mmrl train`` is killed and resumed, and its weights are compared with those of a training
without interruption; they may differ on a GPU, which adds numbers in another order.
``benchmarks/results/gpu-<card>.json`` has it all.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
import yaml
from commands import MMRL, collect, finish
from frozen_features import save_bert_base
from ppo_speed import fps

from mmrl.device import AUTO, DEVICES, find_device
from mmrl.evaluation.report import machine, provenance
from mmrl.experiment.config import read_config
from mmrl.files import write_json
from mmrl.models.build import build_tokenizer
from mmrl.training.tasks.world_model import WorldModelConfig, WorldModelTask
from mmrl.training.trainer import Training
from mmrl.wrappers.adapters import instruction_words
from mmrl_agents.algorithms.ppo import PPOAgent, PPOConfig
from mmrl_agents.vec_env import MultimodalVecEnv

HERE: Final = Path(__file__).parent
CONFIGS: Final = HERE.parent / "configs"
LEVEL: Final = "mmrl/GoToLocal-v0"
ARMS: Final = ("demo", "recurrent", "world model", "frozen", "trained")
PRECISIONS: Final = ("fp32", "bf16")
LIMIT: Final = 360  # seconds of everything
_ARM: Final = 60  # seconds of one measurement
_REPETITIONS: Final = 3
_LARGE: Final = {"frozen", "trained"}
_ON_CPU: Final = {"num_envs": 16, "n_steps": 8, "batch_size": 128, "n_epochs": 1}
_LARGE_ON_CPU: Final = {"num_envs": 16, "n_steps": 2, "batch_size": 32, "n_epochs": 1}
_LARGE_ON_GPU: Final = {"num_envs": 128, "n_steps": 8, "batch_size": 256, "n_epochs": 4}


def measure(arm: str, precision: str, device: str, folder: Path) -> dict[str, Any]:
    """Steps a second in each repetition, after a step to warm up; and the peak of GPU memory."""
    if arm == "world model":
        step = world_model(precision, device, folder)
    else:
        step = ppo(arm, precision, device, folder)
    step()
    speeds = [round(step(), 1) for _ in range(_REPETITIONS)]
    peak = round(torch.cuda.max_memory_allocated() / 2**20) if is_cuda(device) else None
    return {"steps_per_second": speeds, "gpu_memory_mib": peak}


def ppo(arm: str, precision: str, device: str, folder: Path) -> Callable[[], float]:
    """Does an update of PPO, and gives the environment steps a second."""
    given = yaml.safe_load((CONFIGS / "demo.yaml").read_text())
    given |= {"device": device, "model": {**given["model"], "precision": precision}}
    if not is_cuda(device):
        given["ppo"] |= _ON_CPU
    if arm == "recurrent":
        given["ppo"]["memory"] = "gru"
    if arm in _LARGE:
        given |= {"env": LEVEL, "env_args": {}}
        given["ppo"] = _LARGE_ON_GPU if is_cuda(device) else _LARGE_ON_CPU
        given["model"] = {
            "image": "resnet18", "text": str(folder / "bert"), "fusion": "cross_attention",
            "precision": precision,
            **({"text_trained": 0, "image_trained": 0} if arm == "frozen" else {}),
        }  # fmt: skip
    config, hyper = read_config(given, PPOConfig)
    parts = PPOAgent.make_parts(hyper)
    words = instruction_words(config.env, **config.env_args)
    env = MultimodalVecEnv(
        PPOAgent.make_batch(config, hyper.num_envs, parts), build_tokenizer(config.model, words)
    )
    algorithm = PPOAgent.build(config, hyper, env, parts)
    return lambda: fps(algorithm, 1)


def world_model(precision: str, device: str, folder: Path) -> Callable[[], float]:
    """Does gradient steps, and gives how many a second."""
    given = yaml.safe_load((CONFIGS / "fit" / "world_model.yaml").read_text())
    del given["task"]
    config = WorldModelConfig(
        str(folder / "unused"),
        **{
            **given, "data": str(folder / "data"), "tokenizer": str(folder / "tokenizer"),
            "device": device, "precision": precision,
        },
    )  # fmt: skip
    training = Training(WorldModelTask.prepare(config), config)
    count = 50 if is_cuda(device) else 5

    def advance() -> float:
        started = time.perf_counter()
        for _ in range(count):
            training.advance()  # reads the loss, and so waits for the GPU
        return count / (time.perf_counter() - started)

    return advance


def prepare(folder: Path) -> None:
    """A BERT of random weights, episodes, and a tokenizer of their images."""
    save_bert_base(str(folder / "bert"))
    collect(folder / "data", LEVEL, "expert", 300)
    finish(
        folder / "tokenizer", "fit", "tokenizer", "--data", folder / "data", "--steps", 100,
        log=folder / "tokenizer.log",
    )  # fmt: skip


def kill_and_resume(device: str, folder: Path) -> dict[str, Any]:
    """A training of three updates that is killed after its first checkpoint, beside a whole one."""
    config = yaml.safe_load((CONFIGS / "demo.yaml").read_text())["ppo"]
    n_steps = config["n_steps"] if is_cuda(device) else _ON_CPU["n_steps"]
    update = config["num_envs"] * n_steps
    command = [
        "train", "--config", str(CONFIGS / "demo.yaml"), "--device", device,
        "--ppo.n-steps", str(n_steps), "--steps", str(3 * update),
        "--checkpoint-every", str(update), "--clip-every", "0", "--eval-episodes", "0",
    ]  # fmt: skip
    killed, whole = folder / "killed", folder / "whole"
    with (folder / "killed.log").open("w") as log:
        training = subprocess.Popen(
            [*MMRL, *command, "--out", str(killed)], stdout=log, stderr=subprocess.STDOUT
        )
        until = time.monotonic() + _ARM
        while not any(killed.glob("checkpoints/step_*/manifest.json")):
            if training.poll() is not None or time.monotonic() > until:
                training.kill()
                raise RuntimeError(f"no checkpoint: {(folder / 'killed.log').read_text()[-500:]}")
            time.sleep(0.05)
        training.send_signal(signal.SIGKILL)
        training.wait()
    reached = max(int(one.name[5:]) for one in killed.glob("checkpoints/step_*"))
    finish(killed, *command, log=folder / "killed.log")
    finish(whole, *command, log=folder / "whole.log")
    sums = [
        json.loads((out / f"checkpoints/step_{3 * update}/manifest.json").read_text())["sha256"]
        for out in (killed, whole)
    ]
    same = sums[0]["weights.safetensors"] == sums[1]["weights.safetensors"]
    return {
        "killed_after": reached, "resumed_to": 3 * update, "same_weights_as_uninterrupted": same
    }  # fmt: skip


def is_cuda(device: str) -> bool:
    """Whether it is a GPU whose memory torch counts."""
    return find_device(device).type == "cuda"


def in_process(arm: str, precision: str, device: str, folder: Path) -> dict[str, Any]:
    """:func:`measure` in a process of its own; or what went wrong."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    command = [
        sys.executable, __file__, "--one", arm, "--precision", precision, "--device", device,
        "--folder", str(folder),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ARM)
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {_ARM} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]}
    read: dict[str, Any] = json.loads(report.read_text())
    return read


def table(measured: dict[str, Any]) -> str:
    """One measurement a line."""
    lines = ["| | precision | steps/s (median) | GPU memory |", "|---|---|--:|--:|"]
    for name, one in measured.items():
        arm, _, precision = name.rpartition(", ")
        if "error" in one:
            lines.append(f"| {arm} | {precision} | failed: {one['error']} | |")
            continue
        memory = one["gpu_memory_mib"]
        shown = "–" if memory is None else f"{memory:,} MiB"
        speed = statistics.median(one["steps_per_second"])
        lines.append(f"| {arm} | {precision} | {speed:,.1f} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    """Measure all, print a table, write the result file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default=AUTO, help=DEVICES)
    parser.add_argument("--one", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="fp32", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measured = measure(options.one, options.precision, options.device, options.folder)
        write_json(options.folder / "report.json", measured)
        return
    os.environ["HF_HUB_OFFLINE"] = "1"
    device, started = str(find_device(options.device)), time.monotonic()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder)
        try:
            resumed = kill_and_resume(device, folder)
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            resumed = {"error": str(error)}
        print(f"killed and resumed: {resumed}", flush=True)
        for arm in ARMS:
            for precision in PRECISIONS:
                if time.monotonic() - started > LIMIT - _ARM:
                    results[f"{arm}, {precision}"] = {"error": f"{LIMIT} s were over"}
                    continue
                results[f"{arm}, {precision}"] = in_process(arm, precision, device, folder)
                print(f"{arm}, {precision}: {results[f'{arm}, {precision}']}", flush=True)
    card = torch.cuda.get_device_name(device) if is_cuda(device) else device
    slug = re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-")
    report = {
        "device": device,
        "card": card if is_cuda(device) else machine()["cpu"],
        "measured": results,
        "killed_and_resumed": resumed,
        **provenance(started),
    }
    write_json(HERE / "results" / f"gpu-{slug}.json", report)
    print(table(results))


if __name__ == "__main__":
    main()

"""Memory and speed of replay buffers: every frame once, against stable-baselines3's.

    python benchmarks/replay.py

Both take the same transitions of 64 environments of GoToLocal (frames of 56 × 56 pixels, token ids,
random actions), more of them than they hold, each in a process of its own; then batches of 512 are
drawn. What counts is what the process holds in memory beyond what it held before. The two take
turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from mmrl.evaluation.report import provenance
from mmrl.files import write_json

RESULTS = Path(__file__).parent / "results"
LEVEL = "mmrl/GoToLocal-v0"


def resident() -> int:
    """Bytes that this process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(kind: str, transitions: int) -> dict[str, float]:
    """Fill a buffer and draw from it."""
    from stable_baselines3.common.buffers import DictReplayBuffer
    from stable_baselines3.common.vec_env import VecTransposeImage

    from mmrl.models.build import build_tokenizer
    from mmrl.models.config import ModelConfig
    from mmrl.wrappers.adapters import instruction_words, make_vec_env
    from mmrl_agents.buffers.replay import FrameReplay
    from mmrl_agents.vec_env import MultimodalVecEnv

    tokenizer = build_tokenizer(ModelConfig(), instruction_words(LEVEL))
    env: Any = MultimodalVecEnv(make_vec_env(LEVEL, 64), tokenizer)
    if kind != "ours":
        env = VecTransposeImage(env)  # as theirs is wrapped
    env.seed(0)
    before_step = env.reset()
    generator = np.random.default_rng(0)
    before = resident()
    classes: dict[str, Any] = {"ours": FrameReplay, "stable-baselines3": DictReplayBuffer}
    replay = classes[kind](transitions, env.observation_space, env.action_space, "cpu", n_envs=64)
    adding = 0.0
    for _ in range(int(transitions * 1.1) // 64):
        actions = generator.integers(0, 7, 64)
        after, rewards, dones, infos = env.step(actions)
        last = {key: one.copy() for key, one in after.items()}
        for e in np.flatnonzero(dones):
            for key, one in infos[e]["terminal_observation"].items():
                last[key][e] = one
        started = time.perf_counter()
        replay.add(before_step, last, actions, rewards, dones, infos)
        adding += time.perf_counter() - started
        before_step = after
    held = resident() - before
    started = time.perf_counter()
    for _ in range(50):
        replay.sample(512)
    drawing = (time.perf_counter() - started) / 50
    return {
        "resident_bytes": held,
        "transitions": int(replay.size() * (1 if kind == "ours" else 64)),
        "add_seconds_of_64": adding / (int(transitions * 1.1) // 64),
        "sample_seconds_of_512": drawing,
    }


def main() -> None:
    """Measure, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transitions", type=int, default=200_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--only", help="measure this one here, and print it as JSON")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.transitions)))
        return
    started = time.monotonic()
    measured: dict[str, list[dict[str, float]]] = {"ours": [], "stable-baselines3": []}
    for _ in track(range(options.repetitions), description="repetitions"):
        for kind, values in measured.items():
            command = [sys.executable, __file__, "--only", kind]
            command += ["--transitions", str(options.transitions)]
            values.append(json.loads(subprocess.check_output(command)))
    medians = {
        kind: {name: statistics.median(one[name] for one in values) for name in values[0]}
        for kind, values in measured.items()
    }
    print("| buffer | transitions | resident | add, 64 | sample, 512 |")
    print("|---|---|---|---|---|")
    for kind, one in medians.items():
        print(
            f"| {kind} | {one['transitions']:,} | {one['resident_bytes'] / 1e9:.2f} GB "
            f"| {one['add_seconds_of_64'] * 1e3:.2f} ms "
            f"| {one['sample_seconds_of_512'] * 1e3:.2f} ms |"
        )
    write_json(
        RESULTS / "replay.json",
        {
            "level": LEVEL,
            "medians": medians,
            "measured": measured,
            **provenance(started),
        },
    )


if __name__ == "__main__":
    main()

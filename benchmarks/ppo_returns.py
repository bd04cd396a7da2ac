"""Does our PPO learn as stable-baselines3's does? Curves of both, several seeds each.

    python benchmarks/ppo_returns.py

The same policy, environments and settings; what differs is the class of PPO, whose loop, buffer
and losses are ours in one case and stable-baselines3's in the other. With equal seeds both begin
with the same weights and episodes; rounding drives them apart, as it does two seeds. What is
compared is the mean return of the last training episodes at each tenth of the training, with its
95% interval over seeds, and the success of the final agent on held-out episodes.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import mean_interval
from mmrl.files import write_json
from mmrl.models.build import build_tokenizer
from mmrl.models.config import ModelConfig
from mmrl.wrappers.adapters import instruction_words, make_vec_env
from mmrl_agents.actor import SB3Actor
from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.schedules import LinearDecay
from mmrl_agents.vec_env import MultimodalVecEnv

RESULTS = Path(__file__).parent / "results"
CLASSES = {"ours": PPO, "stable-baselines3": stable_baselines3.PPO}
SETTINGS: dict[str, Any] = {
    "n_steps": 32, "batch_size": 512, "n_epochs": 4, "gae_lambda": 0.95, "ent_coef": 0.02,
}  # fmt: skip
TENTHS = 10


class Curve(BaseCallback):
    """The mean return of the last 128 training episodes, at each tenth of the training."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._steps, self.points = steps, list[float]()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        due = TENTHS * self.num_timesteps // self._steps
        recent = [episode["r"] for episode in self.model.ep_info_buffer or ()]
        while len(self.points) < min(due, TENTHS):
            self.points.append(float(np.mean(recent)))


def train(job: tuple[str, int, str, int, int]) -> dict[str, Any]:
    """One training, on one thread: its curve, success on held-out episodes, and time."""
    kind, seed, level, steps, episodes = job
    torch.set_num_threads(1)
    config = ModelConfig()
    tokenizer = build_tokenizer(config, instruction_words(level))
    env = MultimodalVecEnv(make_vec_env(level, 64), tokenizer)
    algorithm = CLASSES[kind](
        MultimodalPolicy, env, seed=seed, device="cpu", policy_kwargs={"model": config},
        learning_rate=LinearDecay(1e-3, 1e-4), stats_window_size=128, **SETTINGS,
    )  # fmt: skip
    algorithm.set_logger(Logger(None, []))
    curve, started = Curve(steps), time.monotonic()
    algorithm.learn(steps, callback=curve)
    seconds = time.monotonic() - started
    actor = SB3Actor(algorithm.policy, env.preprocessing)
    played = play_episodes(actor, level, episodes)
    return {
        "algorithm": kind,
        "seed": seed,
        "returns": [round(point, 4) for point in curve.points],
        "success": float(played.success.mean()),
        "held_out_return": float(played.returns.mean()),
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Train all, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--level", default="mmrl/GoToRedBallGrey-v0")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=512, help="held-out ones")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    options = parser.parse_args()
    started = time.monotonic()
    jobs = [
        (kind, seed, options.level, options.steps, options.episodes)
        for seed in range(options.seeds)
        for kind in CLASSES
    ]
    runs = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for run in pool.map(train, jobs):
            print(run, flush=True)
            runs.append(run)
    summary: dict[str, Any] = {}
    for kind in CLASSES:
        its = [run for run in runs if run["algorithm"] == kind]
        curves = np.array([run["returns"] for run in its])
        summary[kind] = {
            "returns": curves.mean(0).round(4).tolist(),
            "returns_95": [mean_interval(tenth.tolist()) for tenth in curves.T],
            "held_out_return_95": mean_interval([run["held_out_return"] for run in its]),
            "success_95": mean_interval([run["success"] for run in its], 0.0, 1.0),
        }
    overlaps = [
        max(one[0], other[0]) <= min(one[1], other[1])
        for one, other in zip(*(part["returns_95"] for part in summary.values()), strict=True)
    ]
    for kind, part in summary.items():
        print(kind, part)
    print(f"intervals overlap at {sum(overlaps)} of {len(overlaps)} tenths")
    write_json(
        RESULTS / "ppo_returns.json",
        {
            "level": options.level,
            "steps": options.steps,
            "settings": SETTINGS,
            "summary": summary,
            "intervals_overlap": overlaps,
            "runs": runs,
            **provenance(started),
        },
    )


if __name__ == "__main__":
    main()

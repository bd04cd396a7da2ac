"""What a world model is worth to a policy: as an auxiliary loss, and to train in imagination.

    python benchmarks/imagination.py --jobs 2

Trains, for each seed, three arms by the ``mmrl train`` command, with the model of
``configs/imagination.yaml`` and without a memory: PPO; the same whose features also learn to
predict the next step (``--ppo.auxiliary world_model``); and ``--agent imagination``, which plays
real episodes, fits a world model to them and trains PPO on imagined ones. Counted are real episodes
alone. Every checkpoint plays held-out episodes, of seeds that were never trained on; the first with
a success of 90% is where an arm has arrived.

Options that the script does not know are handed to ``mmrl train``: ``--ppo.…`` to the first two
arms, ``--imagination.…`` to the last, others to all. Kept in
``benchmarks/results/imagination.json``: for each arm and seed the real episodes, real steps and
wall time until it had arrived, and the whole curve, of which a plot lies beside it. Intervals are
95% ones over seeds, by Student's t. The wall time of an arm is that of its training, without the
playing of held-out episodes. All of it takes two hours of one core of an EPYC.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from commands import run
from learning import curves, play_checkpoints
from seeds import add_options, each_seed, is_one, work_folder

from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import mean_interval
from mmrl.experiment.run import Run
from mmrl.files import write_json

RESULTS: Final = Path(__file__).parent / "results"
CONFIG: Final = Path(__file__).parent.parent / "configs" / "imagination.yaml"
ARMS: Final = ("ppo", "auxiliary", "imagination")
SHARED: Final = ("num_envs", "n_steps", "batch_size")  # hyperparameters of all arms
TARGET: Final = 0.9
EVERY: Final = 4_096  # real steps between PPO's checkpoints
MEASURED: Final = ("episodes", "steps", "seconds")


def configuration(arm: str, options: argparse.Namespace) -> dict[str, Any]:
    """What an arm is trained by."""
    config = {**yaml.safe_load(CONFIG.read_text()), "env": options.env}
    if arm == "imagination":
        return {**config, "steps": options.imagination_steps}
    hyper = config.pop("imagination")
    ppo = {name: hyper[name] for name in SHARED}
    if arm == "auxiliary":
        ppo["auxiliary"] = "world_model"
    return {**config, "agent": "ppo", "steps": options.steps, "ppo": ppo}


def meant_for(agent: str, overrides: list[str]) -> list[str]:
    """The options of ``mmrl train`` without those of other agents."""
    chosen: list[str] = []
    keep = True
    for word in overrides:
        if word.startswith("--"):
            section, dot, _ = word[2:].partition(".")
            section = section.replace("-", "_")
            keep = not dot or section in (agent, "model", "optimizer", "env_args")
        if keep:
            chosen.append(word)
    return chosen


def train(
    arm: str, seed: int, folder: Path, options: argparse.Namespace, overrides: list[str]
) -> dict[str, Any]:
    """One training, and what each of its checkpoints can do; what is done is not done again."""
    out = folder / f"{arm}-{seed}"
    done, file = out.with_suffix(".json"), out.with_suffix(".yaml")
    if done.is_file():
        read: dict[str, Any] = json.loads(done.read_text())
        return read
    shutil.rmtree(out, ignore_errors=True)  # of a process that was killed
    config = configuration(arm, options)
    file.write_text(yaml.safe_dump(config))
    command = [
        "train", "--config", str(file), "--seed", str(seed),
        "--out", str(out), "--checkpoint-every", str(EVERY), "--keep-checkpoints", "100000",
        "--eval-episodes", "0", "--clip-every", "0", *meant_for(config["agent"], overrides),
    ]  # fmt: skip
    started = time.time()
    run(command, out.with_suffix(".log"))
    seconds = time.time() - started
    points = measure_checkpoints(out, started, options.episodes)
    print(f"{arm}, seed {seed}: {points[-1]}", flush=True)
    reached = next((point for point in points if point["success"] >= TARGET), None)
    report = {"reached": reached, "training_seconds": round(seconds, 1), "points": points}
    write_json(done, report)
    return report


def measure_checkpoints(path: Path, started: float, episodes: int) -> list[dict[str, Any]]:
    """Real episodes, real steps, seconds since the training was started, and success on held-out
    episodes, for each checkpoint of a run.
    """
    run = Run.open(path)
    return [
        {
            "episodes": real_episodes(run.config, checkpoint.state),
            "steps": checkpoint.steps,
            "seconds": round(folder.stat().st_mtime - started, 1),
            "success": success,
        }
        for folder, checkpoint, success in play_checkpoints(run, episodes)
    ]


def real_episodes(config: dict[str, Any], state: dict[str, Any]) -> int:
    """That were played up to a checkpoint."""
    if config["agent"] == "imagination":
        return int(state["rounds"]) * int(config["imagination"]["episodes"])
    return int(state["counters"]["_episode_num"])


def measure(
    options: argparse.Namespace, seed: int, folder: Path, overrides: list[str]
) -> dict[str, Any]:
    """All arms with one seed."""
    return {"seed": seed, **{arm: train(arm, seed, folder, options, overrides) for arm in ARMS}}


def compare(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The arms side by side: until they had arrived, None where they never had, and at the end."""
    table: dict[str, Any] = {}
    for arm in ARMS:
        own = [run[arm] for run in runs]
        reached = [one["reached"] for one in own if one["reached"] is not None]
        table[arm] = {"arrived": len(reached), "of": len(own)}
        for name in MEASURED:
            table[arm][name] = [one["reached"] and one["reached"][name] for one in own]
            whole = [float(one[name]) for one in reached] if len(reached) == len(own) else []
            table[arm][f"mean_{name}"] = round(float(np.mean(whole)), 1) if whole else None
            edges = mean_interval(whole, least=0.0) if len(whole) > 1 else None
            table[arm][f"mean_{name}_95"] = edges and [round(edge, 1) for edge in edges]
        table[arm]["final_success"] = [one["points"][-1]["success"] for one in own]
        table[arm]["training_seconds"] = [one["training_seconds"] for one in own]
    return table


def plot(runs: list[dict[str, Any]], env: str, path: Path) -> None:
    """All curves, one colour an arm, over real episodes, and where each arrived."""
    with curves(path, env, "real episodes", "success, held-out episodes") as axes:
        for k, arm in enumerate(ARMS):
            for number, run in enumerate(runs):
                points, reached = run[arm]["points"], run[arm]["reached"]
                axes.plot(
                    [point["episodes"] for point in points],
                    [point["success"] for point in points],
                    color=f"C{k}", linewidth=1.2, label=None if number else arm,
                )  # fmt: skip
                if reached is not None:
                    axes.plot(reached["episodes"], reached["success"], "o", color=f"C{k}")
        axes.axhline(TARGET, color="0.6", linewidth=0.8, linestyle="--")


def main() -> None:
    """Train and measure all arms and seeds, compare, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", default="mmrl/GoToRedBall-v0")
    parser.add_argument("--steps", type=int, default=80_000, help="real ones of the PPO arms")
    parser.add_argument("--imagination-steps", type=int, default=9_000, help="real ones")
    parser.add_argument("--episodes", type=int, default=256, help="held-out ones, a checkpoint")
    add_options(parser)
    parser.add_argument("--out", type=Path, default=RESULTS / "imagination.json")
    options, overrides = parser.parse_known_args()
    if is_one(options, overrides, partial(measure, options)):
        return
    started = time.monotonic()
    own = [f"--env={options.env}", f"--steps={options.steps}", f"--episodes={options.episodes}"]
    own.append(f"--imagination-steps={options.imagination_steps}")
    with work_folder(options) as folder:
        runs = each_seed(__file__, options, folder, [*own, *overrides])
    report = {
        "env": options.env,
        "config": yaml.safe_load(CONFIG.read_text()),
        "overrides": overrides,
        "steps": options.steps,
        "imagination_steps": options.imagination_steps,
        "held_out_episodes": options.episodes,
        "target": TARGET,
        "jobs": options.jobs,
        "comparison": compare(runs),
        "runs": runs,
        **provenance(started),
    }
    write_json(options.out, report)
    plot(runs, options.env, options.out.with_suffix(".png"))
    print(f"| arm | episodes to {TARGET:.0%} | steps | seconds | final success |")
    print("|---|--:|--:|--:|--:|")
    for arm, one in report["comparison"].items():
        cells = [one["episodes"], one["steps"], one["seconds"], one["final_success"]]
        print(f"| {arm} | {' | '.join(', '.join(map(str, cell)) for cell in cells)} |")


if __name__ == "__main__":
    main()

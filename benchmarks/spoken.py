"""Agents with spoken instructions: trained from speech alone, tested on clean and on noisy speech.

    python benchmarks/spoken.py configs/spoken.yaml
    python benchmarks/spoken.py configs/listening.yaml
    python benchmarks/spoken.py configs/listening.yaml --instruction text --name listening-text

The agent gets the image and the waveform of the instruction, never its text. Each seed is trained
by ``mmrl train`` and tested on held-out episodes: as in training, without noise, in noise up to ten
times as loud as in training, and by voices not used in training. As controls, it is also tested
with the audio muted (deaf), and with another episode's instruction (misled). An agent that reads
(``--instruction text``) is tested as it was trained, and with swapped instructions.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from commands import finish
from seeds import add_folder, work_folder

from mmrl.agent import ActorWrapper
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import mean_interval
from mmrl.evaluation.wrappers import InstructionSwap
from mmrl.experiment.run import Run
from mmrl.files import write_json
from mmrl.registry import find_agent

RESULTS = Path(__file__).parent / "results"
UNKNOWN_VOICES = ["en-029", "en-us+f5", "en+m7"]


class Muted(ActorWrapper):
    """An actor whose audio is muted."""

    def change(self, observation: Any) -> Any:
        """The same with silence as speech."""
        return {**observation, "speech": np.zeros_like(observation["speech"])}


def conditions(speech: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The speakers of each test, by its key in the committed results."""
    return {
        "as trained": speech,
        "clean": {**speech, "noise": 0.0},
        "noise 0.05": {**speech, "noise": 0.05},
        "noise 0.1": {**speech, "noise": 0.1},
        "unheard voices": {**speech, "voices": UNKNOWN_VOICES},
    }


def main() -> None:
    """Train and test every seed, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, help="YAML file of 'mmrl train' with speech")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--episodes", type=int, default=512, help="of each test")
    add_folder(parser)
    parser.add_argument("--name", help="of the result file; the configuration's name otherwise")
    options, overrides = parser.parse_known_args()
    started = time.monotonic()
    runs = []
    with work_folder(options) as folder:
        for seed in options.seeds:
            out = folder / f"seed-{seed}"
            seconds = train(options.config, seed, out, overrides)
            runs.append({"seed": seed, "training_seconds": seconds, **test(out, options.episodes)})
    names = [name for name in runs[0] if name not in ("seed", "training_seconds")]
    print("| test | success, mean over seeds | 95% |", flush=True)
    print("|---|---|---|")
    summary = {}
    for name in names:
        rates = [run[name]["success_rate"] for run in runs]
        low, high = mean_interval(rates, 0.0, 1.0)
        summary[name] = {"mean": float(np.mean(rates)), "interval_95": [low, high]}
        print(f"| {name} | {np.mean(rates):.1%} | {low:.1%} to {high:.1%} |")
    RESULTS.mkdir(exist_ok=True)
    write_json(
        RESULTS / f"{options.name or options.config.stem}.json",
        {
            "config": yaml.safe_load(options.config.read_text()),
            "overrides": overrides,
            "summary": summary,
            "runs": runs,
            **provenance(started, "espeakng-loader"),
        },
    )


def train(config: Path, seed: int, out: Path, overrides: list[str]) -> float:
    """One training; its wall time in seconds."""
    options = ["--config", config, "--seed", seed, "--eval-episodes", 0]
    return finish(out, "train", *options, *overrides)


def test(out: Path, episodes: int) -> dict[str, Any]:
    """The results of one trained agent, by test: "misled", with swapped instructions, and "deaf",
    with the audio muted, are keys of the committed results.
    """
    run = Run.open(out)
    actor = find_agent(run.config["agent"]).load(run)
    env_args = dict(run.config["env_args"])

    def play(actor: Any, speech: dict[str, Any] | None) -> dict[str, Any]:
        spoken = env_args if speech is None else {**env_args, "speech": speech}
        played = play_episodes(actor, run.config["env"], episodes, env_args=spoken)
        return played.summary()

    speech = env_args.pop("speech", None)
    if run.config["instruction"] == "text":
        return {"as trained": play(actor, None), "misled": play(InstructionSwap(actor), None)}
    results = {name: play(actor, how) for name, how in conditions(speech).items()}
    results["deaf"] = play(Muted(actor), speech)
    with contextlib.suppress(UserError):  # a level of one sentence
        results["misled"] = play(InstructionSwap(actor), speech)
    return results


if __name__ == "__main__":
    main()

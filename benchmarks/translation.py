"""Chinese ↔ English: held-out sentences, and an agent trained in English instructed in Chinese.

    python benchmarks/translation.py
    python benchmarks/translation.py --seeds 0 --sentences 100 --episodes 64

Each seed trains two translators by ``mmrl fit translation --config configs/fit/translation.yaml``,
one each way, on the instructions of ``mmrl/BossLevel-v0``: up to four things to do, one before the
other. A tenth of all sentences, by their hash, is held out; what counts is how many of those are
translated exactly, each different sentence once.

Then an agent learns, in English alone, to open one of four doors, where a wrong one ends the
episode (``configs/minilm.yaml`` with a small BERT that learns with it). It is tested on held-out
episodes in English; in Chinese through the translator of the same seed, which was fitted to
another level; in Chinese without one; and through the translator, with another episode's
instruction (misled).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from commands import finish
from seeds import add_folder, work_folder

from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import mean_interval, wilson_interval
from mmrl.evaluation.wrappers import InstructionSwap, TranslatedInstructions
from mmrl.experiment.run import Run
from mmrl.files import write_json
from mmrl.preprocessing.text import split_words
from mmrl.registry import find_agent
from mmrl.training.load import load
from mmrl.training.tasks.translation import TranslationConfig, held_out_pairs

RESULTS = Path(__file__).parent / "results"
CONFIG = Path("configs/fit/translation.yaml")
AGENT = (
    "train", "--config", "configs/minilm.yaml", "--model.text", "small_bert",
    "--model.text-trained", "null", "--clip-every", "0", "--eval-episodes", "0",
    "--steps", "150000",
)  # fmt: skip
WAYS = (("zh", "en"), ("en", "zh"))


def train(arguments: tuple[str, ...], seed: int, out: Path) -> float:
    """One run of a command; its wall time in seconds."""
    return finish(out, *arguments, "--seed", seed)


def fitted(source: str, target: str, seed: int, folder: Path, count: int) -> dict[str, Any]:
    """A translator on held-out sentences, short ones and long ones."""
    out = folder / f"{source}-{target}-{seed}"
    way = ("--source", source, "--target", target)
    seconds = train(("fit", "translation", "--config", str(CONFIG), *way), seed, out)
    translator: Any = load(out, "translation")
    options = yaml.safe_load(CONFIG.read_text()) | {"source": source, "target": target}
    pairs = held_out_pairs(TranslationConfig("", **options), count)
    translated = [one.sentence for one in translator.translate([pair.source for pair in pairs])]
    right = np.array([one == pair.target for one, pair in zip(translated, pairs, strict=True)])
    english = [pair.source if source == "en" else pair.target for pair in pairs]
    lengths = np.array([len(split_words(sentence)) for sentence in english])
    wrong = [  # under the keys of the committed results
        {"source": pair.source, "said": one, "is": pair.target}
        for one, pair in zip(translated, pairs, strict=True)
        if one != pair.target
    ]
    return {
        "seed": seed,
        "training_seconds": seconds,
        "exact": float(right.mean()),
        "exact_95": wilson_interval(int(right.sum()), len(right)),
        "sentences": len(right),
        "exact_by_english_words": {
            f"{low} to {high}": [
                int(right[(lengths >= low) & (lengths <= high)].sum()),
                int(((lengths >= low) & (lengths <= high)).sum()),
            ]
            for low, high in ((1, 9), (10, 19), (20, 29), (30, 60))
        },
        "wrong": wrong[:5],
    }


def instructed(seed: int, folder: Path, episodes: int, overrides: list[str]) -> dict[str, Any]:
    """An agent that was trained in English, instructed in both languages."""
    out = folder / f"agent-{seed}"
    seconds = train((*AGENT, *overrides), seed, out)
    run = Run.open(out)
    actor = find_agent("ppo").load(run)
    translator: Any = load(folder / f"zh-en-{seed}", "translation")
    english = dict(run.config["env_args"])
    chinese = {**english, "language": "zh"}
    tests = {
        "English": (actor, english),
        "Chinese, through the translator": (TranslatedInstructions(actor, translator), chinese),
        "Chinese, without it": (actor, chinese),
        "through the translator, misled": (
            InstructionSwap(TranslatedInstructions(actor, translator)),
            chinese,
        ),
    }
    return {
        "seed": seed,
        "steps": run.config["steps"],
        "training_seconds": seconds,
        **{
            name: play_episodes(one, run.config["env"], episodes, env_args=args).summary()
            for name, (one, args) in tests.items()
        },
    }


def averaged(rates: list[float]) -> dict[str, Any]:
    """The mean of some seeds and its interval, within 0 and 1."""
    low, high = mean_interval(rates, 0.0, 1.0)
    return {"mean": float(np.mean(rates)), "interval_95": [low, high]}


def main() -> None:
    """Train and test every seed, print tables, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sentences", type=int, default=500, help="that are held out")
    parser.add_argument("--episodes", type=int, default=512, help="of each test")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    started = time.monotonic()
    with work_folder(options) as folder:
        translators = {
            f"{source} → {target}": [
                fitted(source, target, seed, folder, options.sentences) for seed in options.seeds
            ]
            for source, target in WAYS
        }
        agents = [instructed(seed, folder, options.episodes, overrides) for seed in options.seeds]
    summary = {
        way: averaged([run["exact"] for run in runs]) for way, runs in translators.items()
    } | {
        name: averaged([run[name]["success_rate"] for run in agents])
        for name in agents[0]
        if name not in ("seed", "steps", "training_seconds")
    }
    print("| test | mean over seeds | 95% |")
    print("|---|---|---|")
    for name, one in summary.items():
        low, high = one["interval_95"]
        print(f"| {name} | {one['mean']:.1%} | {low:.1%} to {high:.1%} |")
    RESULTS.mkdir(exist_ok=True)
    write_json(
        RESULTS / "translation.json",
        {
            "config": yaml.safe_load(CONFIG.read_text()),
            "overrides": overrides,
            "summary": summary,
            "translators": translators,
            "agents": agents,
            **provenance(started),
        },
    )


if __name__ == "__main__":
    main()

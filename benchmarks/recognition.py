"""Speech → text: word error rates on voices and noise outside the training data, beside Sphinx.

    python benchmarks/recognition.py
    python benchmarks/recognition.py --seeds 0 --utterances 50

Each seed is trained by ``mmrl fit speech --config configs/fit/speech.yaml``: instructions of
``mmrl/SynthLoc-v0`` spoken by five voices of eSpeak NG, in noise. The test data are the
instructions of held-out episodes, spoken by the same five voices and by three others, with a pause
of 0.2 s before and after, and white noise over all of it, up to twice as loud as the loudest in
training.

PocketSphinx 5 gets the very same samples: with the US-English acoustic model that it comes with,
and a grammar of the environment's instructions; and, on a part of them, with its own language
model. Its acoustic model is of people, ours of eSpeak, and only one of the voices outside the
training data is American: each voice is counted alone as well.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from commands import finish
from numpy.typing import NDArray
from rich.progress import track
from seeds import add_folder, work_folder

from mmrl.data.splits import held_out_seeds, training_seeds
from mmrl.evaluation.report import provenance
from mmrl.evaluation.statistics import mean_interval, wilson_interval
from mmrl.evaluation.text_metrics import word_error_interval, word_error_rate
from mmrl.files import write_atomically, write_json
from mmrl.preprocessing.speech import RATE
from mmrl.training.load import load
from mmrl.training.utterances import Utterance, synthesise, transcribe
from mmrl.wrappers.adapters import instructions
from mmrl.wrappers.speech import Speakers

RESULTS = Path(__file__).parent / "results"
CONFIG = Path("configs/fit/speech.yaml")
PAUSE = 0.2  # seconds
FAINT = 1e-4  # standard deviation of what is called no noise
NOISES = {"": FAINT, ", noise 0.02": 0.02, ", noise 0.05": 0.05, ", noise 0.1": 0.1,
          ", noise 0.2": 0.2}  # fmt: skip
GRAMMAR = """\
#JSGF V1.0;
grammar instructions;
public <clause> = go to <thing> | pick up <thing> | open <thing> | put <thing> next to <thing>;
<thing> = (the | a) [<colour>] (box | ball | key | door | object) [<place>];
<colour> = red | green | blue | purple | yellow | grey;
<place> = in front of you | behind you | on your left | on your right;
"""
Test = dict[str, list[Utterance]]


def noisy(sound: NDArray[np.int16], noise: float, generator: np.random.Generator) -> Any:
    """A sound with pauses around it and white noise on all of it, int16."""
    quiet = np.pad(sound / 32768, round(PAUSE * RATE))
    loud = quiet + noise * generator.standard_normal(len(quiet))
    return (loud.clip(-1, 1) * 32767).round().astype(np.int16)


def tests(config: dict[str, Any], count: int) -> tuple[dict[str, Test], dict[str, float]]:
    """The utterances of each test, by voice; and how far the speech is above the noise, in dB."""
    found: dict[str, Test] = {}
    ratios = {}
    sentences = instructions(config["env"], held_out_seeds(count))
    for whose, noises in {"known": [""], "unknown": list(NOISES)}.items():
        voices = config["voices" if whose == "known" else "unknown_voices"]
        seconds = config["seconds"] - 2 * PAUSE
        speakers = {
            voice: Speakers([voice], config["words_per_minute"], config["pitch"], 0.0, seconds)
            for voice in voices
        }
        spoken = {
            voice: synthesise(sentences[k :: len(voices)], speakers[voice], k)
            for k, voice in enumerate(voices)
        }
        for name in noises:
            noise, generator = NOISES[name], np.random.default_rng(0)
            found[f"{whose} voices{name}"] = {
                voice: [Utterance(one.sentence, noisy(one.sound, noise, generator)) for one in some]
                for voice, some in spoken.items()
            }
            powers = [
                float(np.mean((one.sound / 32768.0) ** 2))
                for some in spoken.values()
                for one in some
            ]
            ratios[f"{whose} voices{name}"] = float(
                np.mean(10 * np.log10(np.array(powers) / noise**2))
            )
    return found, ratios


def score(recognise: Callable[[list[Utterance]], list[str]], test: Test) -> dict[str, Any]:
    """Word errors and sentences without any, of all voices and of each."""
    found = {voice: recognise(some) for voice, some in test.items()}
    true = {voice: [one.sentence for one in some] for voice, some in test.items()}
    all_true, all_found = (list(chain(*some.values())) for some in (true, found))
    right = sum(one == other for one, other in zip(all_true, all_found, strict=True))
    return {
        "word_error_rate": word_error_rate(all_true, all_found),
        "word_error_rate_95": word_error_interval(all_true, all_found),
        "exact": right / len(all_true),
        "exact_95": wilson_interval(right, len(all_true)),
        "utterances": len(all_true),
        "by_voice": {voice: word_error_rate(true[voice], found[voice]) for voice in true},
        "samples": [list(pair) for pair in zip(all_true[:5], all_found[:5], strict=True)],
    }


def sphinx(**options: Any) -> Callable[[list[Utterance]], list[str]]:
    """PocketSphinx, as a function of utterances."""
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL", cmn="batch", **options)

    def recognise(utterances: list[Utterance]) -> list[str]:
        sentences = []
        for utterance in track(utterances, "pocketsphinx"):
            decoder.start_utt()
            decoder.process_raw(utterance.sound.tobytes(), no_search=False, full_utt=True)
            decoder.end_utt()
            best = decoder.hyp()
            sentences.append(best.hypstr if best else "")
        return sentences

    return recognise


def rivals(found: dict[str, Test], folder: Path, part: int) -> dict[str, Any]:
    """The results of PocketSphinx, unless they are kept already."""
    kept = folder / "rivals.json"
    if not kept.is_file():
        grammar = folder / "instructions.jsgf"
        write_atomically(grammar, GRAMMAR)
        by_grammar, by_model = sphinx(jsgf=str(grammar)), sphinx()
        started = time.monotonic()
        results: dict[str, Any] = {
            "grammar": {name: score(by_grammar, test) for name, test in found.items()},
            "language model": {
                name: score(by_model, {voice: some[:part] for voice, some in found[name].items()})
                for name in ("known voices", "unknown voices")
            },
        }
        write_json(kept, {**results, "seconds": round(time.monotonic() - started, 1)})
    return dict(json.loads(kept.read_text()))


def train(seed: int, out: Path, overrides: list[str]) -> float:
    """One training; its wall time in seconds."""
    return finish(out, "fit", "speech", "--config", CONFIG, "--seed", seed, *overrides)


def test(out: Path, found: dict[str, Test]) -> dict[str, Any]:
    """The results of one recogniser."""
    recogniser: Any = load(out, "speech")
    return {
        name: score(lambda some: [one.sentence for one in transcribe(recogniser, some)], one)
        for name, one in found.items()
    }


def main() -> None:
    """Train and test every seed, run PocketSphinx, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--utterances", type=int, default=240, help="of each test")
    parser.add_argument("--part", type=int, default=10, help="of a voice, with a language model")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    started = time.monotonic()
    config = yaml.safe_load(CONFIG.read_text())
    found, ratios = tests(config, options.utterances)
    with work_folder(options) as folder:
        others = rivals(found, folder, options.part)
        runs = []
        for seed in options.seeds:
            seconds = train(seed, folder / f"seed-{seed}", overrides)
            results = test(folder / f"seed-{seed}", found)
            runs.append({"seed": seed, "training_seconds": seconds, **results})
    if not runs:
        return
    print("| test | speech above noise | word error rate, mean of seeds | 95% | Sphinx, grammar |")
    print("|---|---|---|---|---|")
    summary = {}
    for name in found:
        rates = [run[name]["word_error_rate"] for run in runs]
        low, high = mean_interval(rates, least=0.0)
        summary[name] = {
            "mean": float(np.mean(rates)),
            "interval_95": [low, high],
            "exact": float(np.mean([run[name]["exact"] for run in runs])),
        }
        print(
            f"| {name} | {ratios[name]:.0f} dB | {np.mean(rates):.1%} | {low:.1%} to "
            f"{high:.1%} | {others['grammar'][name]['word_error_rate']:.1%} |"
        )
    trained = {
        seed: set(instructions(config["env"], training_seeds(config["utterances"], seed)))
        for seed in options.seeds
    }
    tested = [one.sentence for some in found["known voices"].values() for one in some]
    RESULTS.mkdir(exist_ok=True)
    write_json(
        RESULTS / "recognition.json",
        {
            "config": config,
            "overrides": overrides,
            "speech_above_noise_db": ratios,
            "sentences_never_learnt_from": {
                seed: sum(one not in known for one in tested) / len(tested)
                for seed, known in trained.items()
            },
            "summary": summary,
            "pocketsphinx": others,
            "runs": runs,
            **provenance(started, "pocketsphinx", "espeakng-loader", "scipy"),
        },
    )


if __name__ == "__main__":
    main()

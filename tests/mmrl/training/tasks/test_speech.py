"""The recogniser: it learns a few utterances, resumes exactly, and refuses what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.preprocessing.speech import RATE, resample
from mmrl.training.load import load
from mmrl.training.tasks.speech import SpeechConfig, SpeechTask
from mmrl.training.trainer import Training, fit
from mmrl.training.utterances import augment, synthesise, transcribe
from mmrl.wrappers.speech import Speakers

pytest.importorskip("espeakng_loader")

SENTENCES = ["go to the red bell", "open a drum", "pick up the kite on the left"]


def config(out: Path, **changes: Any) -> SpeechConfig:
    options: dict[str, Any] = {
        "env": "mmrl/GoToObjS4-v0", "utterances": 6, "voices": ["en-us", "en+m4"],
        "unknown_voices": ["en+f3"], "words_per_minute": [200, 200], "pitch": [50, 50],
        "noise": 0.01, "pause": 0.05, "seconds": 2.0, "test_sentences": 4, "mels": 20, "width": 32,
        "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "dropout": 0.0, "length": 12,
        "steps": 10, "batch_size": 6, "learning_rate": 4e-3, "evaluate_every": 1000,
        "checkpoint_every": 0, "device": "cpu", **changes,
    }  # fmt: skip
    return SpeechConfig(str(out), **options)


def test_a_few_utterances_are_learnt_by_heart(tmp_path: Path) -> None:
    options = config(tmp_path / "run", steps=250, utterances=4)
    task = SpeechTask.prepare(options)
    run = Run.create(tmp_path / "run", {"task": "speech"})
    evaluation = fit(task, options, run)
    recognised = transcribe(task.module, task.train)
    assert [one.sentence for one in recognised] == [one.sentence for one in task.train]
    assert min(one.probability for one in recognised) > 0.3
    assert set(evaluation.metrics) == {
        f"{whose}_{how}/{what}"
        for whose in ("known", "unknown")
        for how in ("clean", "noisy")
        for what in ("word_error_rate", "exact")
    }
    assert len(evaluation.samples) == 12
    again = load(run.path, "speech", "cpu")
    assert transcribe(again, task.train) == recognised  # type: ignore[arg-type]
    with pytest.raises(UserError, match="'mmrl fit translation' makes"):
        load(run.path, "translation")


def test_resuming_is_exact(tmp_path: Path) -> None:
    options = config(tmp_path, steps=6)
    whole = Training(SpeechTask.prepare(options), options)
    for _ in range(6):
        whole.advance()
    stopped = Training(SpeechTask.prepare(options), options)
    for _ in range(3):
        stopped.advance()
    stopped.task.evaluate()  # evaluating changes nothing
    resumed = Training(SpeechTask.prepare(options), options)
    resumed.resume(stopped.checkpoint())
    for _ in range(3):
        resumed.advance()
    for one, other in zip(
        whole.task.module.parameters(), resumed.task.module.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_each_seed_has_its_own_utterances_and_the_same_tests(tmp_path: Path) -> None:
    one, same, other = (
        SpeechTask.prepare(config(tmp_path, seed=seed, env="mmrl/GoToLocal-v0"))
        for seed in (0, 0, 1)
    )
    assert [u.sentence for u in one.train] == [u.sentence for u in same.train]
    assert all(np.array_equal(a.sound, b.sound) for a, b in zip(one.train, same.train, strict=True))
    assert [u.sentence for u in one.train] != [u.sentence for u in other.train]
    for name, test in one.tests.items():
        assert all(
            a.sentence == b.sentence and np.array_equal(a.sound, b.sound)
            for a, b in zip(test, other.tests[name], strict=True)
        )


def test_noise_and_pauses() -> None:
    utterances = synthesise(SENTENCES, Speakers(), 0)
    assert [one.sentence for one in utterances] == SENTENCES
    sound = utterances[0].sound
    assert sound.dtype == np.int16
    quiet = augment(sound, np.random.default_rng(0), 0.0, 0.0)
    assert np.array_equal(quiet, resample(sound, RATE))
    augmented = [augment(sound, np.random.default_rng(seed), 0.3, 0.1) for seed in range(20)]
    assert len({len(one) for one in augmented}) > 10
    assert all(len(sound) <= len(one) <= len(sound) + 2 * 0.3 * RATE for one in augmented)
    assert max(one[: RATE // 100].std() for one in augmented) > 0.02


def test_a_share_has_next_to_no_noise() -> None:
    silence = np.zeros(RATE, np.int16)
    generator = np.random.default_rng(0)
    noises = np.array([augment(silence, generator, 0.0, 0.1, 0.3).std() for _ in range(300)])
    fainter = noises < 0.01
    assert 0.27 < fainter.mean() < 0.45  # a tenth of the others is as faint
    assert noises[fainter].min() < 1e-5
    assert 0.09 < noises.max() < 0.11
    assert all(augment(silence, generator, 0.0, 0.1, 1.0).std() < 0.011 for _ in range(50))


def test_speech_that_is_too_long_is_refused(tmp_path: Path) -> None:
    recogniser = SpeechTask.prepare(config(tmp_path)).module
    with pytest.raises(UserError, match=r"speech number 2 takes 2\.5 s.*at most 2 s"):
        recogniser.transcribe([np.zeros(RATE, np.float32), np.zeros(RATE * 5 // 2, np.float32)])


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"utterances": 0}, "utterances=0"),
        ({"noise": -0.1}, "noise=-0.1"),
        ({"clean": 1.5}, "clean=1.5"),
        ({"pause": 1.0}, "pause=1.0"),
        ({"width": 33}, "width=33.*heads=2"),
        ({"voices": ["martian"]}, "unknown voice 'martian'"),
        ({"voices": []}, "voices"),
        ({"env": "mmrl/GoToObjS5-v0"}, "GoToObjS4"),
    ],
)
def test_what_cannot_be(tmp_path: Path, changes: dict[str, Any], hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        SpeechTask.prepare(config(tmp_path, **changes))

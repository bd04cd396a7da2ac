"""The translator: it learns both ways, never from held-out sentences, and names unknown words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.splits import is_test_sentence
from mmrl.training.load import load
from mmrl.training.tasks.translation import TranslationConfig, TranslationTask, held_out_pairs
from mmrl.training.trainer import Training, fit


def config(out: Path, **changes: Any) -> TranslationConfig:
    options: dict[str, Any] = {
        "env": "mmrl/GoToLocal-v0", "episodes": 200, "test_sentences": 8, "width": 32, "heads": 2,
        "held_out_share": 0.2, "encoder_layers": 1, "decoder_layers": 1, "length": 16, "steps": 10,
        "batch_size": 16, "learning_rate": 8e-3, "evaluate_every": 1000, "checkpoint_every": 0,
        "device": "cpu", **changes,
    }  # fmt: skip
    return TranslationConfig(str(out), **options)


@pytest.mark.parametrize(("source", "target"), [("zh", "en"), ("en", "zh")])
def test_it_learns_and_generalises_to_held_out_sentences(
    tmp_path: Path, source: str, target: str
) -> None:
    options = config(tmp_path / "run", source=source, target=target, steps=140)
    task = TranslationTask.prepare(options)
    run = Run.create(tmp_path / "run", {"task": "translation"})
    evaluation = fit(task, options, run)
    assert evaluation.metrics["exact"] >= 0.5
    known = task.train[:16]
    translated = task.module.translate([pair.source for pair in known])
    assert [one.sentence for one in translated] == [pair.target for pair in known]
    again = load(run.path, "translation", "cpu")
    assert again.translate([pair.source for pair in known]) == translated
    with pytest.raises(UserError, match="'mmrl fit speech' makes"):
        load(run.path, "speech")


def test_held_out_sentences_are_not_in_the_training_data(tmp_path: Path) -> None:
    options = config(tmp_path)
    task = TranslationTask.prepare(options)
    learnt = {pair.source for pair in task.train}
    tested = held_out_pairs(options, 8)
    assert len(set(tested)) == len(tested) > 2
    assert not learnt & {pair.source for pair in tested}
    assert not any(is_test_sentence(sentence, 0.2) for sentence in learnt)
    share = sum(is_test_sentence(f"sentence {k}", 0.2) for k in range(1000)) / 1000
    assert 0.15 < share < 0.25


def test_resuming_is_exact(tmp_path: Path) -> None:
    options = config(tmp_path, steps=6)
    whole = Training(TranslationTask.prepare(options), options)
    for _ in range(6):
        whole.advance()
    stopped = Training(TranslationTask.prepare(options), options)
    for _ in range(3):
        stopped.advance()
    resumed = Training(TranslationTask.prepare(options), options)
    resumed.resume(stopped.checkpoint())
    for _ in range(3):
        resumed.advance()
    for one, other in zip(
        whole.task.module.parameters(), resumed.task.module.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_sentences_that_it_cannot_read(tmp_path: Path) -> None:
    translator = TranslationTask.prepare(config(tmp_path)).module
    for sentence, hint in {
        "走到那条龙": "龙, 条|条, 龙",
        "走到" * 20: "has 40 words.*at most 15",
        "": "empty",
    }.items():
        with pytest.raises(UserError, match=hint):
            translator.translate(["走到一个球", sentence])


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"source": "en", "target": "en"}, "both en"),
        ({"source": "tlh"}, "language='tlh'"),
        ({"held_out_share": 1.0}, "held_out_share=1.0"),
        ({"episodes": 0}, "episodes=0"),
        ({"length": 5}, "length=5: must be at least"),
        ({"width": 33}, "width=33"),
    ],
)
def test_what_cannot_be(tmp_path: Path, changes: dict[str, Any], hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        TranslationTask.prepare(config(tmp_path, **changes))


def test_a_language_of_one_sentence(tmp_path: Path) -> None:
    task = TranslationTask.prepare(config(tmp_path, env="mmrl/GoToRedBall-v0"))
    with pytest.raises(UserError, match="GoToRedBall-v0's instructions is held out"):
        task.evaluate()

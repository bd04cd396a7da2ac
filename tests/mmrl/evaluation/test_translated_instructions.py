"""A translated actor reads its own language, and each sentence is translated once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmrl.contract import INSTRUCTION
from mmrl.evaluation.wrappers import TranslatedInstructions
from mmrl.generative.text.models import GeneratedText


class Dictionary:
    """Translates by heart, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def translate(self, sentences: Sequence[str]) -> list[GeneratedText]:
        self.asked += sentences
        return [
            GeneratedText({"红": "red", "绿": "green"}[sentence], 0.9) for sentence in sentences
        ]


class Recorder:
    """Takes note of observations, and that episodes begin."""

    def __init__(self) -> None:
        self.observations: list[Any] = []
        self.begun = 0

    def begin(self, count: int) -> None:
        self.begun = count

    def act(self, observation: Any, *, deterministic: bool) -> Any:
        self.observations.append(observation)
        return np.zeros(len(observation[INSTRUCTION]), np.int64)


def test_it_reads_translations() -> None:
    recorder, dictionary = Recorder(), Dictionary()
    actor = TranslatedInstructions(recorder, dictionary)  # type: ignore[arg-type]
    actor.begin(3)
    image = np.zeros((3, 1))
    for sentences in (("红", "绿", "红"), ("绿", "绿", "红")):
        actor.act({INSTRUCTION: sentences, "image": image}, deterministic=True)
    assert [one[INSTRUCTION] for one in recorder.observations] == [
        ("red", "green", "red"),
        ("green", "green", "red"),
    ]
    assert all(one["image"] is image for one in recorder.observations)
    assert dictionary.asked == ["红", "绿"]
    assert recorder.begun == 3

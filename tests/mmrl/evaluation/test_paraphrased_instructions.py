"""An agent reads its instructions in other words; the environment keeps its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmrl.contract import INSTRUCTION
from mmrl.errors import UserError
from mmrl.evaluation.evaluate import evaluate_actor
from mmrl.evaluation.wrappers import ParaphrasedInstructions
from mmrl.language import NEUTRAL
from mmrl.paraphrases import Paraphrases, find_paraphrases

FILE = """
types:
  verb: {phrases: {press: [push, hit]}}
  side: {sentences: {press the left: [not the right]}}
  none: {phrases: {pull: [draw]}}
"""


@pytest.fixture
def found(tmp_path: Path) -> Paraphrases:
    (tmp_path / "own.yaml").write_text(FILE)
    return find_paraphrases([str(tmp_path / "own.yaml")], NEUTRAL)


class Reader:
    """Presses the side that the sentence ends with, and remembers what it has read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def act(self, observation: Any, *, deterministic: bool) -> Any:
        self.read += observation[INSTRUCTION]
        return np.array([int(one.endswith("right")) for one in observation[INSTRUCTION]])


def test_success_by_type(signals: str, found: Paraphrases) -> None:
    reader = Reader()
    report = evaluate_actor(reader, signals, {}, 20, {}, first_seed=50, paraphrases=found)
    assert report["success_rate"] == 1
    types = report["paraphrases"]["types"]
    assert types["verb"]["success_rate"] == 1
    assert types["verb"]["episodes"] == 20
    assert types["side"]["success_rate"] == 0  # it ends with the other side
    assert types["side"]["episodes"] + types["side"]["left_out"] == 20
    assert set(report["paraphrases"]["left_out"]) == {"none"}
    verbs = {one.split()[0] for one in reader.read if one.split()[0] != "not"}
    assert verbs == {"press", "push", "hit"}
    again = evaluate_actor(Reader(), signals, {}, 20, {}, first_seed=50, paraphrases=found)
    assert again["paraphrases"] == report["paraphrases"]


def test_an_episode_keeps_its_paraphrase(found: Paraphrases) -> None:
    reader = Reader()
    actor = ParaphrasedInstructions(reader, found, "verb")
    actor.attach(None, [3, 4])  # type: ignore[arg-type]
    for _ in range(3):
        actor.act({INSTRUCTION: ("press it", "press it")}, deterministic=True)
    assert reader.read[:2] == reader.read[2:4] == reader.read[4:]
    assert not actor.left_out
    actor.act({INSTRUCTION: ("press it", "pull it")}, deterministic=True)
    assert not actor.left_out  # the instruction of an episode that is going on, or a later one


def test_spoken_instructions_are_refused(found: Paraphrases) -> None:
    actor = ParaphrasedInstructions(Reader(), found, "verb")
    spoken = {INSTRUCTION: ("press it",), "speech": np.zeros((1, 4), np.float32)}
    with pytest.raises(UserError, match="spoken, and paraphrases are written"):
        actor.act(spoken, deterministic=True)

"""Success by kind, length and mentions of the instructions."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from mmrl.evaluation.episodes import Episodes, play_episodes
from mmrl.evaluation.groups import success_by
from mmrl.evaluation.random_policy import RandomPolicy
from mmrl.language import NeutralLanguage


class Words(NeutralLanguage):
    """Its first word is the kind of a sentence; colours are mentioned."""

    def kind(self, instruction: str) -> str:
        return instruction.split()[0]

    def mentions(self, instruction: str) -> dict[str, list[str]]:
        if "??" in instruction:
            raise ValueError(instruction)
        return {"color": [one for one in instruction.split() if one in ("teal", "ochre")]}


def episodes(*pairs: tuple[str, bool], **more: Any) -> Episodes:
    sentences, success = zip(*pairs, strict=True)
    count = len(pairs)
    metadata = {"language": f"{__name__}:Words"}
    return Episodes(
        np.array(success), np.ones(count, np.int64), np.ones(count), 0,
        **{"instructions": sentences, "metadata": metadata, **more},
    )  # fmt: skip


def test_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmrl.language.import_trusted", lambda name: sys.modules[name])
    played = episodes(
        ("touch the teal cup", True), ("touch the ochre teal cup", False),
        ("lift the ochre cup", True), ("lift ??", False),
    )  # fmt: skip
    found = success_by(played)
    shares = {
        sort: {name: (one["success_rate"], one["episodes"]) for name, one in groups.items()}
        for sort, groups in found.items()
    }
    assert shares == {
        "kind": {"lift": (0.5, 2), "touch": (0.5, 2)},
        "words": {"4": (1.0, 2), "5": (0.0, 1), "1": (0.0, 1)},
        "color": {"ochre": (0.5, 2), "teal": (0.5, 2)},
    }
    assert found["words"]["4"]["success_rate_95"][1] == 1
    left = played.without({0, 3})
    assert left.instructions == played.instructions[1:3]
    assert success_by(left)["kind"]["lift"]["success_rate"] == 1
    assert success_by(episodes(("touch it", True), is_known=False)) == {}
    broken = episodes(("touch it", True), metadata={"language": "nowhere:Words"})
    monkeypatch.undo()
    assert set(success_by(broken)) == {"words"}


def test_of_an_environment_that_names_no_language(signals: str) -> None:
    played = play_episodes(RandomPolicy(), signals, 5)
    assert len(played.instructions) == 5
    found = success_by(played)
    assert set(found) == {"words"}
    assert found["words"]["3"]["episodes"] == 5

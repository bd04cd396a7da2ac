"""Language accuracy by hand: which acts count, and which of them is the first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmrl.evaluation.language_accuracy import Act, ActRecorder, first_acts

SHAPES = {"language": "worlds.shapes:ShapeLanguage"}


def recorded(*episodes: list[Act], metadata: dict[str, Any] | None = None) -> ActRecorder:
    acts = ActRecorder()
    acts.episodes, acts.metadata, acts.reports = list(episodes), metadata or {}, True
    return acts


def test_the_first_act_decides() -> None:
    own, other = ("touch the small teal star",), ("touch the large teal star", "touch a star")
    asked = "tap the small teal star"  # the same in this language
    acts = recorded(
        [Act(asked, own, True)],
        [Act(asked, other, False), Act(asked, own, True)],
        [],
        [Act(asked, own, False)],
        metadata=SHAPES,
    )
    assert first_acts(acts).tolist() == [True, False, True]
    neutral = recorded(*acts.episodes)  # here to tap is something else
    assert first_acts(neutral).tolist() == [True, False, False]


def test_success_is_an_act_where_sentences_have_no_kinds() -> None:
    acts = recorded([Act("serve tea", (), True)], [Act("serve tea", ("break a cup",), False)])
    assert first_acts(acts).tolist() == [True, False]


def test_acts_of_another_kind_are_on_the_way() -> None:
    asked = "touch the small teal star"
    passing, wrong = ("visit the large ochre arch",), ("touch the large ochre arch",)
    acts = recorded(
        [Act(asked, passing, False), Act(asked, (asked,), True)],
        [Act(asked, passing, False), Act(asked, wrong, False)],
        [Act(asked, passing, False)],
        [Act("count and touch them", passing, True)],  # of a kind that is never reported
        metadata=SHAPES,
    )
    assert first_acts(acts).tolist() == [True, False]


def test_what_is_recorded() -> None:
    class Batch:
        num_envs, metadata = 4, SHAPES

    acts = ActRecorder()
    acts.begin(Batch())  # type: ignore[arg-type]
    some = np.array([("a",), (), "text", ("not", 1)], object)
    final = {"achieved": np.array([("z",), None, None, None], object)}
    running, ended = np.array([True, True, True, True]), np.array([True, False, False, False])
    success = np.array([True, False, False, False])
    acts.record(["w"] * 4, {"achieved": some, "final_info": final}, running, ended, success)
    acts.record(["w"] * 4, {"achieved": some}, ~running | [False, True, False, False], ~running,
                success)  # fmt: skip
    some[1] = ("b", "c")
    acts.record(["v"] * 4, {"achieved": some}, np.array([False, True, True, True]), ~running,
                success)  # fmt: skip
    assert acts.episodes == [[Act("w", ("z",), True)], [Act("v", ("b", "c"), False)], [], []]
    assert acts.reports


def test_nothing_reported() -> None:
    acts = ActRecorder()
    assert not acts.reports
    assert len(first_acts(acts)) == 0


def test_a_language_that_is_missing() -> None:
    from mmrl.errors import UserError

    with pytest.raises(UserError, match="cannot be imported"):
        first_acts(recorded([], metadata={"language": "nowhere.at:All"}))

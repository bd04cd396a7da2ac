"""Hindsight replay: what is stored again is the failed episode, with other words and its reward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.preprocessing.text import WordTokenizer
from mmrl_agents.hindsight.replay import HindsightReplay

ENVS = 2
SPACE = spaces.Dict(
    image=spaces.Box(0, 255, (1, 1, 2), np.uint8), instruction=spaces.Box(0, 99, (6,), np.int32)
)
TOKENIZER = WordTokenizer(["a", "b", "c", "d"], 6)


class FakeRelabeller:
    """Labels every failed episode whose last step began with an even frame "d"; all "d d", when it
    is wiser.
    """

    def __init__(self, ready_after: int | None = None, wiser_after: int = 1_000) -> None:
        self.final_steps: list[Any] = []
        self.ready_after, self.wiser_after = ready_after, wiser_after

    @property
    def rounds(self) -> int | None:
        if self.ready_after is None:
            return None
        return sum(len(self.final_steps) >= one for one in (self.ready_after, self.wiser_after))

    def learn(self, final_steps: Any) -> None:
        self.final_steps += final_steps

    def label(self, final_steps: Any) -> list[str]:
        if self.rounds == 0:
            return [""] * len(final_steps)
        if self.rounds == 2:
            return ["d d"] * len(final_steps)
        return ["d" if one.images[0].flat[1] % 2 == 0 else "" for one in final_steps]

    def metrics(self) -> dict[str, float]:
        return {"episodes": len(self.final_steps)}

    def get_state(self) -> dict[str, Any]:
        return {"count": len(self.final_steps)}

    def set_state(self, state: dict[str, Any]) -> None:
        self.final_steps = [None] * state["count"]


def make(
    size: int = 64, ready_after: int | None = None, wiser_after: int = 1_000
) -> HindsightReplay:
    relabeller = FakeRelabeller(ready_after, wiser_after)
    return HindsightReplay(
        size, SPACE, spaces.Discrete(5), "cpu", ENVS, relabeller=relabeller, tokenizer=TOKENIZER
    )


def play(replay: HindsightReplay, plan: list[list[str]]) -> list[dict[str, Any]]:
    """Steps of each environment, "" to go on, "won", "lost" or "cut" to end; all transitions."""
    frame, said, happened = np.zeros(ENVS, np.int64), ["a", "b"], []
    for t, step in enumerate(plan):
        obs, after = _look(frame, said, 0), _look(frame + 1, said, 0)
        done = np.array([bool(one) for one in step])
        reward = np.array([0.7 if one == "won" else 0.0 for one in step], np.float32)
        infos: list[dict[str, Any]] = [
            {"is_success": one == "won", "TimeLimit.truncated": one == "cut", "achieved": ("d",)}
            if one
            else {}
            for one in step
        ]
        action = np.arange(ENVS) + t % 3
        replay.add(obs, after, action, reward, done, infos)
        happened += [
            {"e": e, "frame": int(frame[e]), "action": int(action[e]), "end": step[e]}
            for e in range(ENVS)
        ]
        frame += 1
        for e in np.flatnonzero(done):
            said[e] = {"a": "b", "b": "c", "c": "a"}[said[e]]
    return happened


def _look(frame: Any, said: list[str], _: int) -> dict[str, Any]:
    images = np.stack([[[[e, frame[e] % 256]]] for e in range(ENVS)]).astype(np.uint8)
    return {"image": images, "instruction": np.stack([TOKENIZER.encode(s) for s in said])}


def stored(replay: HindsightReplay) -> list[tuple[Any, ...]]:
    """All transitions: who, frame, the next frame, words, the next words, action, reward, done."""
    batch = replay._get_samples(np.arange(replay.size()))
    rows = zip(
        batch.observations["image"].flatten(1).tolist(),
        batch.next_observations["image"].flatten(1).tolist(),
        [TOKENIZER.decode(ids) for ids in batch.observations["instruction"].tolist()],
        [TOKENIZER.decode(ids) for ids in batch.next_observations["instruction"].tolist()],
        batch.actions.flatten().tolist(),
        batch.rewards.flatten().tolist(),
        batch.dones.flatten().tolist(),
        strict=True,
    )
    return [(one[0], one[1], after[1], *rest) for one, after, *rest in rows]


def test_a_failed_episode_is_stored_again_as_what_it_was():
    replay = make()
    play(replay, [["", "won"], ["", ""], ["lost", ""]])  # the end's first frame is 2: even
    kept = stored(replay)
    assert len(kept) == 3 * ENVS + 3
    again = kept[-3:]
    assert [(one[0], one[1], one[2]) for one in again] == [(0, 0, 1), (0, 1, 2), (0, 2, 2)]
    assert [one[3] for one in again] == [one[4] for one in again] == ["d"] * 3
    originals = [one for one in kept[:-3] if one[0] == 0]
    assert [one[3] for one in originals] == ["a"] * 3
    assert [one[5] for one in again] == [one[5] for one in originals]
    assert [one[6] for one in again] == [0, 0, pytest.approx(0.7)]  # as the last success
    assert [one[7] for one in again] == [0, 0, 1]
    assert replay.metrics()["relabelled"] == 1
    assert replay.metrics()["accuracy"] == 1


def test_failed_episodes_wait_until_the_relabeller_has_learnt():
    at_once, waiting = make(), make(ready_after=3)
    plan = [["", "won"], ["", ""], ["lost", ""]]
    for replay in (at_once, waiting):
        play(replay, plan)
    assert len(stored(waiting)) == 3 * ENVS
    assert len(stored(at_once)) == 3 * ENVS + 3
    again = make(ready_after=3)
    again.set_state(waiting.get_state())
    for replay in (waiting, again):
        play(replay, [["won", ""]])
        assert stored(replay)[-3:] == stored(at_once)[-3:]
        assert replay.metrics()["relabelled"] == 1
        assert replay.metrics()["accuracy"] == 1


def test_what_was_said_is_mended_when_the_relabeller_has_learnt_more():
    replay = make(ready_after=1, wiser_after=3)
    play(replay, [["", "lost"], ["", ""], ["lost", ""]])
    mended = make(ready_after=1, wiser_after=3)
    mended.set_state(replay.get_state())
    copies = [one for one in stored(replay) if one[3] == "d"]
    assert [(one[0], one[1]) for one in copies] == [(1, 0), (0, 0), (0, 1), (0, 2)]
    for each in (replay, mended):
        play(each, [["won", ""]])
        kept = stored(each)
        assert [one for one in kept if one[3] == "d"] == []
        assert [one[:3] + one[5:] for one in kept if one[3] == "d d"][: len(copies)] == [
            one[:3] + one[5:] for one in copies
        ]
        assert [one[3] for one in kept] == [one[4] for one in kept]
        assert each.metrics()["accuracy"] < 1  # "d" was right, "d d" is not
    assert replay.metrics() == mended.metrics()


def test_a_successful_episode_and_one_that_nobody_can_name_are_left_alone():
    replay = make()
    play(replay, [["", "won"], ["lost", ""]])  # the end's first frame is 1: odd
    assert len(stored(replay)) == 2 * ENVS
    assert replay.metrics() == {"relabelled": 0, "episodes": 2}


def test_frames_are_kept_once():
    replay = make()
    play(replay, [["", ""], ["", ""], ["lost", "lost"]])
    assert replay._rings["image"].count == 2 * 3
    assert len(stored(replay)) == 3 * ENVS + 2 * 3


def test_what_led_on_when_time_was_up_is_known():
    replay = make()
    play(replay, [["cut", ""]])
    original, again = stored(replay)[0], stored(replay)[-1]
    assert original[1:3] == again[1:3] == (0, 1)
    assert original[7] == 0  # time was up: it might have gone on
    assert again[7] == 1
    assert replay.relabeller.final_steps[0].truncated


STEPS = st.lists(
    st.lists(st.sampled_from(["", "", "won", "lost", "cut"]), min_size=ENVS, max_size=ENVS),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(8, 40))
def test_what_is_drawn_happened_or_is_a_relabelled_copy_of_it(plan: list[list[str]], size: int):
    replay = make(size)
    happened = {(one["e"], one["frame"]): one for one in play(replay, plan)}
    np.random.seed(0)
    batch = replay.sample(200)
    rows = zip(
        batch.observations["image"].flatten(1).tolist(),
        batch.actions.flatten().tolist(),
        [TOKENIZER.decode(ids) for ids in batch.observations["instruction"].tolist()],
        batch.rewards.flatten().tolist(),
        batch.dones.flatten().tolist(),
        strict=True,
    )
    for (e, frame), action, words, reward, done in rows:
        one = happened[e, frame]
        assert action == one["action"]
        if words == "d":  # a copy: its end, and nothing else, is rewarded
            assert (reward > 0) == bool(done) == (one["end"] in ("lost", "cut"))
        else:
            assert reward == pytest.approx(0.7 * (one["end"] == "won"))
            assert done == (one["end"] in ("won", "lost"))


@settings(max_examples=20, deadline=None)
@given(STEPS, STEPS)
def test_going_on_from_a_state(before: list[list[str]], after: list[list[str]]):
    one, other = make(24, 3, 9), make(24, 3, 9)
    play(one, before)
    other.set_state(one.get_state())
    for replay in (one, other):
        play(replay, after)
    assert stored(one) == stored(other)
    assert one.metrics() == other.metrics()


def test_states_of_earlier_versions_are_read():
    one, other = make(ready_after=9), make(ready_after=9)
    play(one, [["", "won"], ["lost", "lost"]])
    state = one.get_state()
    for failure in state["hindsight"]["failures"]:
        failure["ending"], failure["said"] = failure.pop("final_step"), failure.pop("label")
        failure["ending"]["cut"] = failure["ending"].pop("truncated")
    assert state["hindsight"]["failures"]
    other.set_state(state)
    assert repr(other.get_state()) == repr(one.get_state())


def test_an_agent_that_does_not_read_is_refused():
    space = spaces.Dict(image=SPACE["image"])
    with pytest.raises(ValueError, match="has to read"):
        HindsightReplay(
            8, space, spaces.Discrete(2), "cpu", 1, relabeller=FakeRelabeller(), tokenizer=TOKENIZER
        )

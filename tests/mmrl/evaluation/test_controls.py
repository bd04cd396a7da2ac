"""Each control is what its definition says; one that cannot be had is named, and nothing fails."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl.agent import Actor
from mmrl.contract import INSTRUCTION
from mmrl.errors import UserError
from mmrl.evaluation import controls
from mmrl.evaluation.controls import (
    BLANK,
    EMPTY,
    EXPERT,
    GREEDY,
    LANGUAGE,
    LEFT_OUT,
    RANDOM,
    SAMPLED,
    SWAPPED,
    ControlLimit,
    play_controls,
    play_recorded,
)
from mmrl.evaluation.episodes import Episodes, play_episodes
from mmrl.evaluation.expert import Expert
from mmrl.evaluation.random_policy import RandomPolicy
from mmrl.evaluation.report import (
    format_report,
    markdown,
    result,
    scalars,
    solves_without_reading,
)
from mmrl.evaluation.wrappers import BlankImage, EmptyInstruction, InstructionSwap


def evaluate(
    actor: Actor, env: str, episodes: int, args: dict[str, Any] | None = None, **how: Any
) -> tuple[Episodes, dict[str, Any]]:
    played, acts = play_recorded(actor, env, episodes, env_args=args or {}, first_seed=50)
    return played, play_controls(actor, env, played, acts, env_args=args or {}, **how)


def follows(image: Any, instruction: str) -> int:
    return int(instruction.endswith("right"))


def always_left(image: Any, instruction: str) -> int:
    return 0


@pytest.mark.parametrize("world", ["worlds.arms:arms/Arm-v0", "worlds.shapes:shapes/Asked-v0"])
def test_worker_processes_change_no_number(world: str) -> None:
    """Experts and equivalent sentences, too, are those of the environments in the workers."""
    actor = InstructionSwap(RandomPolicy())

    def numbers(workers: int) -> tuple[Any, dict[str, Any]]:
        how: dict[str, Any] = {"env_args": {}, "env_workers": workers}
        played, acts = play_recorded(actor, world, 6, first_seed=50, **how)
        return played.summary(), play_controls(actor, world, played, acts, **how)

    here, there = numbers(0), numbers(2)
    assert here == there
    assert EXPERT in here[1]


def test_an_agent_that_reads(signals: str, scripted: Any) -> None:
    noted: list[tuple[str, int]] = []
    played, found = evaluate(
        scripted(follows), signals, 24, on_episodes=lambda *one: noted.append(one)
    )
    assert played.success.all()
    assert found[SWAPPED]["success_rate"] == 0  # the other side, always
    # without an instruction it goes left, as one that does not read
    left = play_episodes(scripted(always_left), signals, 24, first_seed=50).success.mean()
    assert found[EMPTY]["success_rate"] == left
    random = play_episodes(RandomPolicy(), signals, 24, first_seed=50)
    assert found[RANDOM] == random.summary()
    assert 1.3 < random.lengths.mean() < 2.6  # up to four tries at one of two
    assert found[LEFT_OUT] == {
        EXPERT: "no expert: no SPL",
        LANGUAGE: "no events: no language accuracy",
    }
    totals = {name: sum(n for other, n in noted if other == name) for name, _ in noted}
    assert totals == dict.fromkeys((RANDOM, SWAPPED, EMPTY, BLANK), 24)


def test_an_agent_that_does_not_read(signals: str, scripted: Any) -> None:
    played, found = evaluate(scripted(always_left), signals, 24)
    for name in (SWAPPED, EMPTY):
        assert found[name]["success_rate"] == played.success.mean()
        assert found[name]["seeds"] == [50, 73]


class Guide:
    """Goes to the shape that the sentence names, or to the first one; another way than the
    expert, if ``detour``: up and down before anything else.
    """

    def __init__(self, world: Any, detour: bool = False) -> None:
        self.world, self.detour = world, detour

    def attach(self, env: Any, seeds: Any) -> None:
        self.envs = [one.unwrapped for one in env.unwrapped.envs]

    def act(self, observation: Any, *, deterministic: bool) -> Any:
        pairs = zip(self.envs, observation[INSTRUCTION], strict=True)
        return np.array([self.move(env, sentence) for env, sentence in pairs])

    def move(self, env: Any, sentence: str) -> int:
        if self.detour and env._steps < 2:
            return env._steps if env._cursor[0] else 1 - env._steps  # out and back
        name = sentence.partition(" the ")[2]
        own, env._target = env._target, env._names.index(name) if name in env._names else 0
        action = self.world.Asked.expert_action(env)
        env._target = own
        return int(action)


@pytest.fixture
def asked(shapes: str) -> tuple[Any, str]:
    import worlds.shapes as world

    return world, shapes.replace("Touch", "Asked")


def test_everything_there_is(asked: tuple[Any, str]) -> None:
    world, env = asked
    played, found = evaluate(Guide(world), env, 30, {"limit": 12})
    assert LEFT_OUT not in found
    assert played.success.all()
    expert = play_episodes(Expert(), env, 30, env_args={"limit": 12}, first_seed=50)
    assert found[EXPERT]["mean_length"] == expert.lengths.mean() == played.lengths.mean()
    assert found[EXPERT]["spl"] == 1
    assert found[EXPERT]["spl_episodes"] == 30
    # an agent without a known name goes to the first shape: half of the time it is the right one
    assert found[EMPTY]["success_rate"] < 0.9
    assert found[SWAPPED]["success_rate"] < 0.9
    assert found[LANGUAGE]["episodes"] == 30
    assert found[LANGUAGE]["rate"] == played_first_right(world, env)
    assert 0 < found[LANGUAGE][RANDOM] < 1
    assert found[LANGUAGE][EXPERT] == found[LANGUAGE]["rate"]
    low, high = found[LANGUAGE]["rate_95"]
    assert low <= found[LANGUAGE]["rate"] <= high


def played_first_right(world: Any, env: str) -> float:
    """The share of episodes in which the first shape on the way is the one asked for, by hand."""
    right = []
    for seed in range(50, 80):
        one = gym.make(env, limit=12).unwrapped
        one.reset(seed=seed)
        while True:
            one.step(world.Asked.expert_action(one))  # type: ignore[arg-type]
            if one._on() is not None:  # type: ignore[attr-defined]
                right.append(one._on() == one._target)  # type: ignore[attr-defined]
                break
    return float(np.mean(right))


def test_spl_of_an_agent_that_takes_detours(asked: tuple[Any, str]) -> None:
    world, env = asked
    played, found = evaluate(Guide(world, detour=True), env, 30, {"limit": 6})
    expert = play_episodes(Expert(), env, 30, env_args={"limit": 6}, first_seed=50)
    assert expert.success.all()
    terms = [
        s * shortest / max(p, shortest)
        for s, p, shortest in zip(played.success, played.lengths, expert.lengths, strict=True)
    ]
    assert found[EXPERT]["spl"] == pytest.approx(np.mean(terms))
    assert 0 < found[EXPERT]["spl"] < 1
    low, high = found[EXPERT]["spl_95"]
    assert 0 <= low < found[EXPERT]["spl"] < high <= 1


def test_one_instruction_only(signals: str, scripted: Any) -> None:
    _, found = evaluate(scripted(always_left), signals, 1)
    assert found[LEFT_OUT][SWAPPED] == "one instruction only: none to swap it with"
    assert found[EMPTY]["episodes"] == 1


def test_blank_images_in_every_camera(signals: str) -> None:
    class Looking:
        def act(self, observation: Any, *, deterministic: bool) -> Any:
            assert not observation["image"].any()
            assert not observation["wrist"].any()
            assert observation["state"].all()
            assert observation[INSTRUCTION] == ("a", "b")
            return np.zeros(2, np.int64)

    images = np.full((2, 4, 4, 3), 9, np.uint8)
    observation = {
        "image": images, "wrist": images, "state": np.ones((2, 3), np.float32),
        INSTRUCTION: ("a", "b"),
    }  # fmt: skip
    BlankImage(Looking()).act(observation, deterministic=True)
    assert images.all()  # its own are as they were


def test_the_other_way_to_act(signals: str, scripted: Any) -> None:
    class Two:
        """Follows its instruction where it acts greedily, and does not where it samples."""

        def act(self, observation: Any, *, deterministic: bool) -> Any:
            return scripted(follows if deterministic else always_left).act(
                observation, deterministic=deterministic
            )

    played, found = evaluate(Two(), signals, 12, other_actions=True)
    assert found[GREEDY]["success_rate"] == 1 > played.success.mean()
    assert SAMPLED not in found
    _, found = evaluate(Two(), signals, 12, other_actions=True, deterministic=True)
    assert found[SAMPLED]["success_rate"] == played.success.mean()


class StillActor:
    """Takes the first action, whatever it sees."""

    def act(self, observation: Any, *, deterministic: bool) -> Any:
        return np.zeros(len(observation["state"]), np.int64)


def test_no_instruction_and_no_success() -> None:
    """CartPole says neither what is asked for nor whether it was done: returns are reported."""
    played, found = evaluate(StillActor(), "CartPole-v1", 4)
    assert found[LEFT_OUT][SWAPPED] == "no instruction: no swapped instructions"
    assert found[LEFT_OUT][EMPTY] == "no instruction: no empty instruction"
    assert found[LEFT_OUT][BLANK] == "no image: no blank image"
    report = result(played, "CartPole-v1", {}, controls=found)
    assert report["success_rate"] is found[RANDOM]["success_rate"] is None
    for text in (format_report(report), markdown(report)):
        assert text.startswith("return 9.")
        assert "success" not in text
    assert "eval/success_rate" not in scalars(report)


@pytest.mark.parametrize("swap", [InstructionSwap, EmptyInstruction])
def test_wrappers_of_an_instruction_that_there_is_not(swap: Any) -> None:
    with pytest.raises(UserError, match="has no instruction: its observations are state"):
        play_episodes(swap(StillActor()), "CartPole-v1", 2)


def test_an_expert_whose_success_is_not_known() -> None:
    unknown = {"success_rate": None, "success_rate_95": None, "mean_length": 3.0}
    played, _ = evaluate(StillActor(), "CartPole-v1", 2)
    report = result(played, "CartPole-v1", {}, controls={EXPERT: unknown})
    assert "the expert's 3.0" in format_report(report)
    known = {"success_rate": 1.0, "success_rate_95": [0.9, 1.0]}
    some = {**report, **known, "controls": {RANDOM: {**report, **known}, SWAPPED: unknown}}
    assert not solves_without_reading(some)


class Failing:
    """Cannot do without an instruction."""

    def act(self, observation: Any, *, deterministic: bool) -> Any:
        if "" in observation[INSTRUCTION]:
            raise RuntimeError("no words\nat all")
        return np.zeros(len(observation[INSTRUCTION]), np.int64)


def test_an_agent_that_fails_without_an_instruction(signals: str) -> None:
    _, found = evaluate(Failing(), signals, 4)
    assert found[LEFT_OUT][EMPTY] == "no empty instruction: no words"
    assert SWAPPED in found


def test_an_environment_that_fails_with_reports(
    signals: str, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes any argument, declares nothing, and cannot step with this one."""
    cls: Any = gym.spec(signals).entry_point
    init, step = cls.__init__, cls.step

    def take(self: Any, *args: Any, achieved: bool = False, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.fails = achieved

    def refuse(self: Any, action: Any) -> Any:
        assert not self.fails
        return step(self, action)

    monkeypatch.setattr(cls, "__init__", take)
    monkeypatch.setattr(cls, "step", refuse)
    played, found = evaluate(scripted(follows), signals, 3)
    assert played.success.all()
    assert LANGUAGE in found[LEFT_OUT]


def test_at_most_so_many_episodes(
    signals: str, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controls, "EPISODES", 4)
    played, found = evaluate(scripted(always_left), signals, 9)
    assert len(played.success) == 9
    assert found[RANDOM]["episodes"] == found[SWAPPED]["episodes"] == 4
    assert found[EMPTY]["success_rate"] == played.success[:4].mean()


def test_controls_of_episodes_that_do_not_end(screen: str) -> None:
    """Where no limit is declared, a control is cut after four times the longest episode."""
    from mmrl.wrappers.adapters import make_vec_env

    env = make_vec_env(screen, 2)
    assert ControlLimit(None, 40).of(env) == 160
    assert ControlLimit(None, 3).of(env) == 100
    assert ControlLimit(7, 40).of(env) == 7
    env.close()
    limit = ControlLimit(5, 3)
    played = play_episodes(RandomPolicy(), screen, 2, env_args={"limit": 10**9}, limit=limit)
    assert played.lengths.tolist() == [5, 5]
    assert played.at_limit == 2
    grid = make_vec_env("mmrl/GoToObjS4-v0", 2, max_steps=300)
    grid.reset()
    assert ControlLimit(None, 3).of(grid) == 10_000  # which ends its episodes by itself
    grid.close()

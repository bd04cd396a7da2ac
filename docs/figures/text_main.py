"""Figures in sentences: speed, the demo, recipes, speech and captions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import mean
from typing import Any, Final

from figures.reading import (
    MEASURED,
    README,
    Statement,
    average,
    count,
    percent,
    percents,
    read,
    rounded,
    span,
)
from mmrl.evaluation.statistics import interquartile_mean


def env_speed() -> Iterator[Statement]:
    """Environment steps a second."""
    levels = read("env_speed")["levels"]
    one = levels["GoToLocal"]["median_steps_per_second"]
    batch, large = one["mmrl, pixels, batch of 64"], one["mmrl, pixels, batch of 256"]
    minigrid, envpool = one["Minigrid, pixels, one"], one["EnvPool, symbols, batch of 256"]
    yield README, f"| {count(batch)} (64 environments), {count(large)} (256) |"
    yield README, f"Minigrid, pixels: {count(minigrid)}. EnvPool, symbols as observations: "
    yield README, f"as observations: {count(envpool)} ([file]"
    yield README, f"up to {large / minigrid:.0f} times as fast"
    yield MEASURED, f"At its best that is {large / minigrid:.0f} times Minigrid"
    ratios = [
        levels[level]["ratios"]["mmrl, pixels, batch of 256 / EnvPool, symbols, batch of 256"]
        for level in ("GoToLocal", "BossLevel")
    ]
    yield MEASURED, f"are {ratios[0]:.1f} and {ratios[1]:.1f} times as fast"
    threads = levels["GoToLocal"]["threads"]["ratios"]
    few, many = (threads[f"batch of {n}, two threads / one"] for n in (4096, 16384))
    yield MEASURED, f"Two threads make {few:.1f} times the steps of one with 4,096 environments,"
    yield MEASURED, f"{many:.1f} times with 16,384"
    first = read("env_speed")["first_step_seconds"]
    yield MEASURED, f"compiles for {first['cold_first_step']:.0f} s"
    yield MEASURED, f"first answer for {first['cold_first_expert_action']:.0f} s more"


def ppo_speed() -> Iterator[Statement]:
    """Steps a second of PPO, and its returns."""
    found, ratios = read("ppo_speed")["medians"], read("ppo_speed")["ratios_median_of_pairs"]
    ours = f"{count(found['ours'])}, in bf16 {count(found['ours, bf16'])}"
    yield README, f"| {ours} | stable-baselines3 on Minigrid: {count(found['sb3'])}, or "
    yield README, f"or {count(found['sb3, text once'])} with each distinct instruction"
    fp32, bf16 = ratios["ours / sb3"], ratios["ours, bf16 / sb3"]
    yield MEASURED, f"That is {fp32:.1f} times stable-baselines3, {bf16:.1f} times in bf16"
    tape = [ratios[f"{one}, free / sb3, free"] for one in ("ours", "ours, bf16")]
    yield MEASURED, f"({tape[0]:.1f} and {tape[1]:.1f} on the tape)"
    runs = read("ppo_returns")["runs"]
    for who in ("ours", "stable-baselines3"):
        shares = percents(run["success"] for run in runs if run["algorithm"] == who)
        yield MEASURED, f"{shares} for {who.removesuffix('-baselines3')}"


def memory_and_replay() -> Iterator[Statement]:
    """PPO with a memory; the replay buffer."""
    found, ratios = read("memory_speed")["medians"], read("memory_speed")["ratios_median_of_pairs"]
    lstm, gru = count(found["ours, lstm"]), count(found["ours, gru"])
    yield MEASURED, f"with an LSTM {lstm}, with a GRU {gru} steps a second, "
    yield MEASURED, f"{ratios['ours, lstm / ours']:.2f} and {ratios['ours, gru / ours']:.2f} times"
    once = count(found["sb3-contrib, text once"])
    yield MEASURED, f"{found['sb3-contrib']:.0f}, and {once} with our shortcut"
    ours, theirs = (read("replay")["medians"][who] for who in ("ours", "stable-baselines3"))
    yield MEASURED, f"take {ours['resident_bytes'] / 1e9:.2f} GB of resident memory"
    yield MEASURED, f"`DictReplayBuffer` {theirs['resident_bytes'] / 1e9:.2f} GB"
    add = [1000 * one["add_seconds_of_64"] for one in (ours, theirs)]
    draw = [1000 * one["sample_seconds_of_512"] for one in (ours, theirs)]
    yield MEASURED, f"added in {add[0]:.1f} ms ({add[1]:.1f} ms)"
    yield MEASURED, f"drawn in {draw[0]:.1f} ms ({draw[1]:.1f} ms)"


def workers() -> Iterator[Statement]:
    """Training by several processes."""
    found = read("workers")["medians"]
    one, first, two = (count(found[key]) for key in ("one process", "1 worker", "2 workers"))
    yield MEASURED, f"one process makes {one} steps a second, one worker {first}, two workers"
    yield MEASURED, f"two workers with a core each {two}"


def demo() -> Iterator[Statement]:
    """``make demo``."""
    runs = read("learning-demo")["runs"]
    first = runs[0]
    controls = first["controls"]
    swapped = percents(run["controls"]["swapped_instructions"]["success_rate"] for run in runs)
    success = percents(run["success_rate"] for run in runs)
    chance = percent(controls["random_policy"]["success_rate"])
    yield README, f"| {success} | with another episode's instruction: {swapped}; random policy: "
    yield README, f"random policy: {chance} ([file]"
    yield README, f"trained in {first['training_seconds']:.0f} s"
    for page in (README, "docs/tutorial.md", "README.zh-CN.md", "docs/tutorial.zh-CN.md"):
        spread = span(first["success_rate_95"])
        yield page, f"success {percent(first['success_rate'])} (95% interval {spread}) on 512"
        for shown, key in (
            ("random policy", "random_policy"),
            ("swapped instructions", "swapped_instructions"),
            ("empty instruction", "empty_instruction"),
        ):
            one = controls[key]
            text = f"({span(one['success_rate_95'])}) on 256"
            yield page, f"{shown} {percent(one['success_rate'])} {text}"


def _recipe(name: str) -> Any:
    return read("recipes")["recipes"][name]["runs"]


def recipes() -> Iterator[Statement]:
    """Recipes, and how many episodes they need."""
    strict = _recipe("pickup_dist_strict")
    shares = [percent(run["success_rate"]) for run in strict]
    swapped = [percent(run["controls"]["swapped_instructions"]["success_rate"]) for run in strict]
    yield MEASURED, f"{shares[0]}, {shares[1]} and {shares[2]} of 512 held-out episodes, "
    yield MEASURED, f"instruction {swapped[0]}, {swapped[1]} and {swapped[2]}; a random policy "
    chance = average(strict, "controls", "random_policy", "success_rate")
    yield MEASURED, f"a random policy {percent(chance)}"
    runs = read("episodes-go_to_red_ball")["runs"]
    needed = [run["reached"]["episodes"] for run in runs]
    steps = [run["reached"]["steps"] for run in runs]
    middle, worst = count(interquartile_mean(needed)), count(max(needed))
    yield README, f"99%, {len(needed)} seeds | IQM {middle}, worst {worst} | BabyAI 1.1: 172,000"
    yield MEASURED, f"interquartile mean {middle}, worst {worst} episodes, after"
    yield MEASURED, f"after {rounded(min(steps), 2)} to {rounded(max(steps))} steps;"
    final = [run["final_success"] for run in runs]
    yield MEASURED, f"they succeed in {percent(min(final))} to {percent(max(final))}. A random walk"
    former = read("learning-minigrid")["runs"][0]
    took = f"{count(former['steps'])} steps and {former['training_seconds']:.0f} s"
    yield MEASURED, f"{percent(former['success_rate'])} after {took}"
    walk = read("random_policy")["levels"]
    grey, local, door = (
        walk[level]["walk"]["success"] for level in ("GoToRedBallGrey", "GoToLocal", "GoToDoor")
    )
    yield "docs/training.md", f"random walk succeeds in {percent(grey)} of episodes, on"
    yield "docs/training.md", f"on `GoToLocal` in {percent(local)}"
    yield "docs/environments.md", f"succeeds in {local:.0%} of the episodes of `GoToLocal`, and in"
    yield "docs/environments.md", f"{door:.0%} of those of `GoToDoor`"


def ablation() -> Iterator[Statement]:
    """Which parts of the model count."""
    rows = {one["arm"]: one for one in read("ablation/ablation")["rows"]}

    def share(arm: str) -> str:
        return percent(rows[arm]["success"])

    def spread(arm: str) -> str:
        return span((rows[arm]["success_low"], rows[arm]["success_high"]))

    yield MEASURED, f"{share('model.fusion=concat')} ({spread('model.fusion=concat')}) is the"
    yield MEASURED, f"`film` ({share('as configured')}, {spread('as configured')})"
    for shown, arm in (
        ("SGD with momentum", "optimizer.name=sgd"),
        ("Bag of words", "model.text=bag_of_words"),
        ("the plain CNN", "model.image=nature_cnn"),
        ("Dropout", "model.dropout=0.1"),
        ("L2", "optimizer.l2=0.0001"),
    ):
        yield MEASURED, f"{shown} ({share(arm)})"
    yield MEASURED, f"learning rate fails ({share('optimizer.name=rmsprop')})"


def speech() -> Iterator[Statement]:
    """Agents that listen."""
    found = read("listening")["summary"]
    heard, muted = percent(found["as trained"]["mean"]), percent(found["deaf"]["mean"])
    swapped = percent(found["misled"]["mean"])
    walk = read("random_policy")["levels"]["OpenDoorColorStrict, room_size 4"]["uniform"]
    text = f"| {heard} | audio muted: {muted}; another episode's instruction: {swapped}; random"
    yield README, text
    yield README, f"random policy: {percent(walk['success'])} ([file]"
    page = "docs/howto/speech.md"
    yield page, f"the agent opens the right one in {heard} of the episodes, and in {muted} with"


def captions() -> Iterator[Statement]:
    """The captioner, and what hindsight makes of it."""
    found = read("captioner")
    seen = [run["seen"]["accepted"] for run in found["runs"]]
    held_out = [run["held_out"]["accepted"] for run in found["runs"]]
    yield MEASURED, f"accepts {percent(min(seen))} to {percent(max(seen))} of the captions"
    yield MEASURED, f"captions of other random steps: {percent(found['blind']['seen']['accepted'])}"
    first, second, third = map(percent, held_out)
    yield MEASURED, f"it accepts {first}, {second} and {third} of 467"
    yield MEASURED, f"captions of other steps: {percent(found['blind']['held_out']['accepted'])}"
    arms = read("hindsight")["comparison"]["arms"]
    needed = mean(arms["learned"]["episodes_to_target"])
    page = "docs/howto/hindsight.md"
    yield README, f"| {count(needed)} on average | without relabelling at least"
    yield MEASURED, f"captioner needs {count(needed)} episodes on average"
    yield page, f"captioner needs {count(needed)} episodes on average"
    played = [
        run["curve"][-1][0] if episodes is None else episodes
        for run, episodes in zip(
            (run for run in read("hindsight")["runs"] if run["arm"] == "none"),
            arms["none"]["episodes_to_target"],
            strict=True,
        )
    ]
    least = f"at least {mean(played) / needed:.1f} times as many"
    yield README, least
    yield MEASURED, least
    yield page, least
    share = percent(arms["learned"]["share_of_oracle"])
    yield "docs/generative.md", f"reaches {share} of the oracle's area"


MAIN: Final[tuple[Callable[[], Iterator[Statement]], ...]] = (
    env_speed, ppo_speed, memory_and_replay, workers, demo, recipes, ablation, speech, captions,
)  # fmt: skip

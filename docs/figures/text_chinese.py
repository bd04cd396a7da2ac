"""Figures of README.zh-CN.md, which has the same rows as the README."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from statistics import mean
from typing import Final

from figures.reading import Statement, count, percent, read
from mmrl.evaluation.statistics import interquartile_mean

PAGE: Final = "README.zh-CN.md"


def _listed(texts: Iterable[str]) -> str:
    return "、".join(texts)


def speed() -> Iterator[Statement]:
    """Environment steps and PPO."""
    one = read("env_speed")["levels"]["GoToLocal"]["median_steps_per_second"]
    batch, large = (count(one[f"mmrl, pixels, batch of {n}"]) for n in (64, 256))
    minigrid, envpool = one["Minigrid, pixels, one"], one["EnvPool, symbols, batch of 256"]
    yield PAGE, f"| {batch}（64 个环境），{large}（256 个） | Minigrid（像素）：{count(minigrid)}；"
    yield PAGE, f"EnvPool（符号观测）：{count(envpool)}（"
    times = one["mmrl, pixels, batch of 256"] / minigrid
    yield PAGE, f"速度最高可达其 {times:.0f} 倍"
    found = read("ppo_speed")["medians"]
    yield (
        PAGE,
        f"| {count(found['ours'])}，bf16 为 {count(found['ours, bf16'])} | stable-baselines3",
    )
    once = count(found["sb3, text once"])
    yield PAGE, f"Minigrid：{count(found['sb3'])}；每条指令只编码一次时为 {once}（"


def learning() -> Iterator[Statement]:
    """The demo, speech, and episodes that are needed."""
    runs = read("learning-demo")["runs"]
    yield PAGE, f"trained in {runs[0]['training_seconds']:.0f} s"
    success = _listed(percent(run["success_rate"]) for run in runs)
    controls = [run["controls"] for run in runs]
    swapped = _listed(percent(one["swapped_instructions"]["success_rate"]) for one in controls)
    chance = percent(controls[0]["random_policy"]["success_rate"])
    yield PAGE, f"| {success} | 错配指令：{swapped}；随机策略：{chance}（"
    found = read("listening")["summary"]
    heard, muted, misled = (percent(found[key]["mean"]) for key in ("as trained", "deaf", "misled"))
    walk = read("random_policy")["levels"]["OpenDoorColorStrict, room_size 4"]["uniform"]
    random = percent(walk["success"])
    yield PAGE, f"| {heard} | 静音：{muted}；错配指令：{misled}；随机策略：{random}（"
    needed = [run["reached"]["episodes"] for run in read("episodes-go_to_red_ball")["runs"]]
    middle, worst = count(interquartile_mean(needed)), count(max(needed))
    yield PAGE, f"{len(needed)} 个种子 | 四分位均值 {middle}，最差 {worst} | BabyAI 1.1：172,000"
    arms = read("imagination")["comparison"]
    imagined, plain = (_listed(map(count, arms[arm]["episodes"])) for arm in ("imagination", "ppo"))
    yield PAGE, f"| 在想象中学习：{imagined} | 不用世界模型的 PPO：{plain}，"
    learned = read("hindsight")["comparison"]["arms"]["learned"]["episodes_to_target"]
    yield PAGE, f"| 平均 {count(mean(learned))} | 不重标注时至少 "


def robustness() -> Iterator[Statement]:
    """Packages, equality, resuming and hostile files."""
    found = read("packages")["environments"].values()
    yield PAGE, f"| {sum(one['trains'] for one in found)} / {len(found)} | （"
    totals = read("parity")["totals"]
    yield PAGE, f"| {count(totals['steps'])} 步中 {totals['mismatches']} 处差异 |"
    cut = read("resume")["interrupts"]
    yield PAGE, f"| {sum(one['equal']['weights'] for one in cut)} / {len(cut)} |"
    hostile = read("hostile_files")
    ran = f"{hostile['commands']} 次中 {hostile['fired']} 次"
    careless = f"{hostile['controls']} 次中 {hostile['controls_that_fired']} 次"
    yield PAGE, f"| {ran} | 不设防地打开：{careless}（"


CHINESE: Final[tuple[Callable[[], Iterator[Statement]], ...]] = (speed, learning, robustness)

"""Tables of what agents learn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from figures.reading import (
    average,
    below,
    count,
    lines,
    percent,
    percents,
    read,
    with_span,
)

_LEVELS: Final = (
    "GoToRedBallGrey", "GoToRedBall", "GoToObj", "GoToLocal", "GoToLocalS5N2", "GoToLocalS6N3",
    "GoToDoor", "GoToRedBlueBall", "OpenRedDoor", "OpenDoorColor", "PickupDist", "OneRoomS8",
    "GoToObjMazeS4R2", "ActionObjDoor", "PutNextLocal", "BossLevel",
    "GoToRedBallStrict", "GoToObjStrict", "GoToLocalStrict", "GoToLocalS5N2Strict",
    "GoToLocalS6N3Strict", "GoToDoorStrict", "OpenDoorColorStrict", "PickupDistStrict",
    "ActionObjDoorStrict", "PutNextLocalStrict", "BossLevelStrict",
)  # fmt: skip
_SMALLER: Final = {
    "the demo: PickupDistStrict, `room_size: 5, num_dists: 2`":
        "PickupDistStrict, room_size 5, num_dists 2",
    "which of four doors: OpenDoorColorStrict, `room_size: 4`": "OpenDoorColorStrict, room_size 4",
    "which of eight objects: PickupDistStrict, `room_size: 7, num_dists: 8`":
        "PickupDistStrict, room_size 7, num_dists 8",
}  # fmt: skip
_SPOKEN: Final = {
    "as trained": "as trained: 5 voices, noise 0.01",
    "clean": "without noise",
    "noise 0.05": "noise 0.05",
    "noise 0.1": "noise 0.1, ten times as loud as in training",
    "unheard voices": "three voices not used in training",
    "deaf": "audio muted",
    "misled": "another episode's instruction",
}
_ARMS: Final = {
    "default": "the recipe: BERT from scratch, `luma_chroma`, FiLM, reward prediction",
    "bag_of_words": "bag of words instead of a BERT",
    "frozen minilm": "frozen pretrained `minilm` instead",
    "cross_attention": "cross-attention instead of FiLM",
    "small_resnet": "`small_resnet` instead of `luma_chroma`",
    "no reward prediction": "no reward prediction",
    "small_resnet, no reward prediction": "`small_resnet`, no reward prediction",
    "least advantage 0.1": "`min_advantage_std: 0.1`",
}
_CONTROLS: Final = ("random_policy", "swapped_instructions", "empty_instruction")
_BABYAI: Final = {"go_to_red_ball_grey": 34_000, "go_to_red_ball": 172_000, "go_to_local": 242_000}
"""Episodes from pixels that BabyAI 1.1 needs (Hui et al., 2020), by our result file."""


def random_policy() -> str:
    """What random policies get."""
    found = read("random_policy")["levels"]
    names = {**{one: one for one in _LEVELS}, **_SMALLER}
    rows = (
        [shown, *(with_span(one["success"], one["95"]) for one in found[key].values())]
        for shown, key in names.items()
    )
    return lines("| level | random walk | uniform |", "lrr", rows)


def demo() -> str:
    """The demo's seeds and controls."""

    def row(run: Any) -> list[str]:
        controls = run["controls"]
        return [
            str(run["seed"]),
            with_span(run["success_rate"], run["success_rate_95"]),
            *(
                percent(controls[one]["success_rate"])
                for one in ("swapped_instructions", "empty_instruction", "random_policy")
            ),
            f"{run['mean_length']:.1f} ({controls['expert']['mean_length']:.1f})",
            f"{controls['expert']['spl']:.2f}",
            percent(controls["language_accuracy"]["rate"]),
            f"{run['training_seconds']:.0f} s",
        ]

    header = (
        "| seed | success | swapped instructions | empty instruction | random policy "
        "| steps (the expert's) | SPL | language accuracy | training |"
    )
    return lines(header, "llrrrrrrr", map(row, read("learning-demo")["runs"]))


def _buttons_rows() -> Iterable[list[str]]:
    for run in read("learning-buttons")["runs"]:
        shares = (run["controls"][one]["success_rate"] for one in reversed(_CONTROLS))
        success = with_span(run["success_rate"], run["success_rate_95"])
        yield [str(run["seed"]), success, *map(percent, shares), f"{run['training_seconds']:.0f} s"]


def buttons() -> str:
    """The tutorial's own environment."""
    header = (
        "| seed | success on 512 held-out episodes | empty instruction | swapped instructions "
        "| random policy | training |"
    )
    return lines(header, "llrrrr", _buttons_rows())


def buttons_zh() -> str:
    """The same in Chinese."""
    header = "| 种子 | 512 个留出回合的成功率 | 空指令 | 错配指令 | 随机策略 | 训练用时 |"
    rows = (
        [cell.replace(" to ", " ~ ").replace(" s", " 秒") for cell in row]
        for row in _buttons_rows()
    )
    return lines(header, "llrrrr", rows)


def episodes() -> str:
    """Episodes to 99%."""

    def cell(run: Any) -> str:
        if run["reached"]:
            return count(run["reached"]["episodes"])
        last = run["points"][-1]
        rate, steps = percent(run["final_success"]), round(last["steps"], -6)
        return f"{rate} after {count(last['episodes'])} ({count(steps)} steps)"

    def row(name: str, published: int) -> list[str]:
        level = read(f"episodes-{name}")["config"]["env"].removeprefix("mmrl/")[:-3]
        file = f"../benchmarks/results/episodes-{name}.json"
        runs = read(f"episodes-{name}")["runs"]
        runs = sorted(runs, key=lambda run: run["reached"] is None)
        cells = [cell(run) for run in runs]
        if runs[-1]["reached"] is None:
            cells[-1] = f"and {cells[-1]}"
        return [f"{level}, {len(runs)} seeds ([file]({file}))", ", ".join(cells), count(published)]

    rows = (row(name, published) for name, published in _BABYAI.items())
    return lines("| level | training episodes | BabyAI 1.1 |", "lrr", rows)


def _recipe(name: str) -> tuple[list[str], Any]:
    """Its name, level, steps and success by seed; and its runs."""
    one = read("recipes")["recipes"][name]
    level = one["config"]["env"].removeprefix("mmrl/").removesuffix("-v0")
    success = percents(run["success_rate"] for run in one["runs"])
    return [f"`{name}`", level, count(one["config"]["steps"]), success], one["runs"]


def recipes() -> str:
    """The recipes of plain levels."""
    return _recipes(strict=False)


def recipes_strict() -> str:
    """The recipes of strict levels."""
    return _recipes(strict=True)


def _recipes(*, strict: bool) -> str:
    """Recipes with their controls, the shorter ones first."""
    configs = {name: one["config"] for name, one in read("recipes")["recipes"].items()}
    names = [name for name, one in configs.items() if one["env"].endswith("Strict-v0") is strict]

    def row(name: str) -> list[str]:
        cells, runs = _recipe(name)
        steps = average(runs, "mean_length")
        expert = _mean(runs, "{:.1f}", "controls", "expert", "mean_length")
        accuracy = ("controls", "language_accuracy")
        return [
            *cells,
            *(_mean(runs, "{:.1%}", "controls", one, "success_rate") for one in _CONTROLS),
            f"{steps:.1f} ({expert})",
            _mean(runs, "{:.2f}", "controls", "expert", "spl"),
            f"{_mean(runs, '{:.1%}', *accuracy, 'rate')} "
            f"({_mean(runs, '{:.1%}', *accuracy, 'expert')})",
        ]

    header = (
        "| recipe | level | steps | success, by seed | random policy | swapped instructions "
        "| empty instruction | steps (the expert's) | SPL | language accuracy (the expert's) |"
    )
    return lines(header, "llrlrrrrrr", map(row, sorted(names, key=lambda n: configs[n]["steps"])))


def _mean(runs: list[Any], form: str, *keys: str) -> str:
    """The mean over runs of a control, or a dash where it cannot be had."""
    try:
        return form.format(average(runs, *keys))
    except (KeyError, TypeError):
        return "–"


def grounding() -> str:
    """How soon agents read, by what they are made of."""

    def mean_steps(one: Any) -> float | None:
        reached = [run["steps_to_90"] for run in one["runs"]]
        return None if None in reached else sum(reached) / len(reached)

    def row(level: str, arm: str, one: Any, base: float | None) -> list[str]:
        runs, mean = one["runs"], mean_steps(one)
        swapped = average(runs, "controls", "swapped_instructions", "success_rate")
        reached = (run["steps_to_90"] for run in runs)
        return [
            level,
            _ARMS[arm],
            percents(run["success_rate"] for run in runs),
            percent(swapped),
            ", ".join("not" if steps is None else count(steps) for steps in reached),
            "–" if mean is None or base is None else f"× {mean / base:.2f}",
        ]

    def rows() -> Iterable[list[str]]:
        for level, arms in read("grounding")["levels"].items():
            base = mean_steps(arms["bag_of_words"])
            yield from (row(level, arm, one, base) for arm, one in arms.items())

    header = (
        "| level | agent | success, by seed | swapped instructions "
        "| steps to 90% of the training episodes, by seed | mean, beside a bag of words |"
    )
    return lines(header, "lllrlr", rows())


def spoken() -> str:
    """Agents that follow speech."""
    files = [read("spoken")["summary"], read("listening")["summary"]]

    def cell(found: Any, test: str) -> str:
        one = found.get(test)
        return "" if one is None else with_span(one["mean"], one["interval_95"])

    rows = ([shown, *(cell(one, test) for one in files)] for test, shown in _SPOKEN.items())
    return lines("| test | GoToRedBallGrey | which of four doors |", "lll", rows)


def training_times() -> str:
    """How long trainings take, and what they reach beside a random policy."""
    rows = [
        ["the tutorial's buttons", *_own_time("learning-buttons")],
        ["`make demo`", *_own_time("learning-demo")],
    ]
    for name in ("go_to_obj", "go_to_local_small", "go_to_local_medium", "open_door_color"):
        cells, runs = _recipe(name)
        link = f"[`{name}`](../configs/levels/{name}.yaml)"
        chance = percent(average(runs, "controls", "random_policy", "success_rate"))
        rows.append([link, cells[2], _minutes(runs), cells[3], chance])
    for name, level in (
        ("spoken", "GoToRedBallGrey"),
        ("listening", "OpenDoorColorStrict, room_size 4"),
    ):
        link, found = f"[`{name}`](../configs/{name}.yaml)", read(name)
        success = percents(below(run, "as trained", "success_rate") for run in found["runs"])
        steps = count(found["config"]["steps"])
        rows.append([link, steps, _minutes(found["runs"]), success, _walk(level)])
    header = "| training | steps | mean time | held-out success, by seed | random policy |"
    return lines(header, "lrrlr", rows)


def _own_time(name: str) -> list[str]:
    """The cells of a training whose evaluation has controls."""
    found = read(name)
    runs = found["runs"]
    success = percents(run["success_rate"] for run in runs)
    chance = percent(average(runs, "controls", "random_policy", "success_rate"))
    return [count(found["config"]["steps"]), _minutes(runs), success, chance]


def _walk(level: str) -> str:
    """What a random walk gets on a level."""
    return percent(read("random_policy")["levels"][level]["walk"]["success"])


def _minutes(runs: Iterable[Any]) -> str:
    seconds = average(runs, "training_seconds")
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"

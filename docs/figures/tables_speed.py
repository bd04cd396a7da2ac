"""Tables of speed, memory and robustness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from figures.reading import average, count, lines, percent, read, rounded

_FIRST_PERSON = {
    "mmrl, batch of 256": "mmrl, batch of 256",
    "mmrl, batch of 64": "mmrl, batch of 64",
    "mmrl, one": "mmrl, one environment",
}
_PPO = {
    "ours": "mmrl",
    "ours, bf16": "mmrl, `--model.precision bf16`",
    "sb3": "stable-baselines3 on Minigrid, `MultiInputPolicy`, BERT on every row",
    "sb3, text once": "the same, BERT once for each distinct instruction, as in ours",
}
_ENVIRONMENTS = {
    "mmrl, pixels, batch of 64": "mmrl, pixels, `make_vec` of 64",
    "mmrl, pixels, batch of 256": "… of 256",
    "mmrl, pixels, batch of 1024": "… of 1,024",
    "mmrl, pixels, batch of 16384": "… of 16,384",
    "mmrl, pixels, one": "mmrl, pixels, `gym.make`",
    "EnvPool, symbols, batch of 256": "EnvPool, symbols only, 256",
    "Minigrid, pixels, one": "Minigrid, pixels",
}
_FROZEN = {
    "naive": "stable-baselines3 on Minigrid, BERT on every row of 64 tokens",
    "naive, trimmed": "… each batch cut to its longest instruction",
    "ours": "mmrl, each instruction encoded once",
    "ours, bf16": "mmrl, the same in bf16",
    "naive, frozen": "stable-baselines3, ResNet frozen as well",
    "naive, trimmed, frozen": "… each batch cut",
    "ours, frozen": "mmrl, ResNet frozen as well, each image encoded once",
    "ours, frozen, bf16": "mmrl, the same in bf16",
}
_WORKERS = {
    "one process": "one process, both cores",
    "1 worker": "1 worker, both cores",
    "2 workers": "2 workers, a core each",
}


def env_speed() -> str:
    """Environment steps a second."""
    levels = [read("env_speed")["levels"][one] for one in ("GoToLocal", "BossLevel")]
    rows = (
        [shown, *(count(one["median_steps_per_second"][key]) for one in levels)]
        for key, shown in _ENVIRONMENTS.items()
    )
    return lines("| | GoToLocal | BossLevel |", "lrr", rows)


def first_person() -> str:
    """Frames a second of the first-person view."""
    found = [one["median_frames_per_second"] for one in read("first_person")["results"].values()]
    rows = [
        [shown, *(rounded(one[key]) if one[key] < 1e5 else rounded(one[key], 4) for one in found)]
        for key, shown in _FIRST_PERSON.items()
    ]
    other = [next(one[key] for key in one if key.startswith("Miniworld")) for one in found]
    rows.append(
        ["Miniworld, one (OneRoom; FourRooms)"]
        + [rounded(one, 3 if one >= 1000 else 2) for one in other]
    )
    names = " | ".join(read("first_person")["results"])
    return lines(f"| frames a second | {names} |", "lrrrr", rows)


def ppo_speed() -> str:
    """Steps a second of PPO."""
    found = read("ppo_speed")["medians"]
    rows = ([shown, count(found[key]), count(found[f"{key}, free"])] for key, shown in _PPO.items())
    return lines("| path | steps/s | on the tape |", "lrr", rows)


def frozen_features() -> str:
    """Steps a second with frozen encoders."""
    files = [read("frozen_features_epyc")["medians"], read("frozen_features")["medians"]]
    rows = ([shown, *(f"{one[key]:,.1f}" for one in files)] for key, shown in _FROZEN.items())
    return lines("| path | EPYC | Xeon with AMX |", "lrr", rows)


def full_disk() -> str:
    """What each command kept on a full disk."""

    def rows() -> Iterator[list[str]]:
        for one in read("full_disk")["cases"]:
            kept, later = (
                "" if text == "-" else text for text in (one["kept"], one["kept_with_room"])
            )
            ended = "ended well" if not later and one["with_room"] == 0 else later
            yield [one["case"], count(one["free_kb"]), kept, ended]

    return lines("| command | room before, kB | kept | then, with room |", "lrll", rows())


def memories() -> str:
    """What memories of PPO reach where one is needed, and how fast they are."""

    def row(one: Any) -> list[str]:
        runs = one["runs"]
        reached = ("not" if run["steps_to_0.9"] is None else count(run["steps_to_0.9"])
                   for run in runs)  # fmt: skip
        return [
            f"`{one['memory']}`",
            ", ".join(f"{run['mean_return']:.2f}" for run in runs),
            f"{average(runs, 'random'):.2f}",
            ", ".join(reached),
            count(average(runs, "steps_per_second")),
        ]

    header = (
        "| `ppo.memory` | return, by seed | random policy | steps to a return of 0.9, by seed "
        "| steps/s |"
    )
    return lines(header, "llrlr", map(row, read("memories")["memories"].values()))


def long_run() -> str:
    """Memory and handles of trainings of up to a million steps."""

    def slope(found: Any) -> str:
        low, high = found["interval_95"]
        return f"{found['per_million_steps']:+.1f} MB ({low:+.1f} to {high:+.1f})"

    def row(name: str, one: Any) -> list[str]:
        steps = one["command"][one["command"].index("--steps") + 1]
        left = one["left_at_the_end"]
        return [
            name,
            count(int(steps)),
            f"{count(one['mean_after_warm_up']['rss_mb'])} MB",
            slope(one["rss_mb"]),
            slope(one["rss_mb_second_half"]),
            f"{one['handles']['per_million_steps']:+.1f}",
            f"{left['processes']}, {left['shared_memory']}",
        ]

    header = (
        "| training | steps | memory | growth a million steps, after a fifth | second half alone "
        "| handles | processes, shared memory left |"
    )
    return lines(header, "lrrrrrr", (row(*item) for item in read("long_run")["kinds"].items()))


def expert() -> str:
    """The expert's success and speed."""
    found = read("expert")
    speed = found["speed"]["GoToLocal"]["median"]
    rows = [
        [
            shown,
            f"{found['totals'][key]['success']:.2%}",
            f"{found['totals'][key]['success_in_mid_episode']:.3%}",
            count(speed[key]),
        ]
        for key, shown in (("full", "the whole world"), ("seen", "what the agent has seen"))
    ]
    shares = (
        f"{percent(found['speed'][one]['babyais_bot_success'])} of {one}"
        for one in ("GoToLocal", "GoTo")
    )
    rows.append(["BabyAI's bot", ", ".join(shares), "", count(speed["BabyAI's bot"])])
    header = (
        "| knows | success, whole episodes | success, from the middle "
        "| GoToLocal episodes/s, one core |"
    )
    return lines(header, "lrrr", rows)


def compare_commits(name: str = "compare_commits") -> str:
    """Speed before and now."""

    def shown(number: float) -> str:
        return count(number) if number >= 10_000 else f"{number:,.1f}"

    rows = (
        [work, shown(one["before"]), shown(one["now"]), f"{one['ratio']:.3f}"]
        for work, one in read(name)["works"].items()
    )
    header = "| work | before, a second | now, a second | median of the ratios |"
    return lines(header, "lrrr", rows)


def compare_commits_strict() -> str:
    """The same, with another commit."""
    return compare_commits("compare_commits-strict")


def slow_simulator() -> str:
    """Steps a second of slow simulators by workers."""
    kinds = read("slow_simulator")["kinds"]

    def row(kind: str, shown: str) -> list[str]:
        speeds = kinds[kind]["median_steps_per_second"]
        ratios = kinds[kind]["ratios_to_one_process"]
        first = f"{speeds['0']:.0f} steps/s"
        return [shown, first, *(f"{speeds[n]:.0f} (× {ratios[n]:.2f})" for n in ("1", "2", "4"))]

    header = "| 8 environments, 20 ms a step | in one process | 1 worker | 2 workers | 4 workers |"
    return lines(header, "lrrrr", [row("sleep", "waiting (sleep)"), row("busy", "computing")])


def workers() -> str:
    """Steps a second of one process and of workers."""
    found = read("workers")["medians"]
    rows = ([shown, count(found[key])] for key, shown in _WORKERS.items())
    return lines("| | steps a second, median of 5 |", "lr", rows)


def workers_drift() -> str:
    """How far weights drift apart."""
    found = read("workers")["largest_difference_after_updates"]

    def shown(difference: float) -> str:
        return f"{difference:.0e}".replace("e-0", "e-")

    rows = ([key, *map(shown, one.values())] for key, one in found.items())
    return lines("| after updates | 1 | 2 | 4 | 8 |", "lrrrr", rows)


def workers_predicted(model: str = "demo") -> str:
    """Steps a second that are computed for many workers."""
    found = read("workers")["predictions"][model]

    def cell(one: dict[str, float]) -> str:
        return f"{count(one['steps_per_second'])} ({one['efficiency']:.0%})"

    rows = (
        [f"{link} Gbit/s"]
        + [
            cell(one)
            for one in found
            if one["gigabit_per_second"] == link and one["workers"] in (10, 100, 1000)
        ]
        for link in (1, 10, 100)
    )
    return lines("| link | 10 workers | 100 workers | 1,000 workers |", "lrrr", rows)


def workers_predicted_large() -> str:
    """The same, with large weights."""
    return workers_predicted("ResNet-18 + BERT-base")

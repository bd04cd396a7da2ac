"""Tables of what is learned from demonstrations and other given data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from figures.reading import average, below, count, lines, percent, percents, read

_AGENTS: Final = {"bc": "behaviour cloning", "dagger": "DAgger"}
_METHODS: Final = {
    "iql": "implicit Q-learning (IQL)",
    "cql": "conservative Q-learning (CQL)",
    "bc_all": "cloning all episodes",
    "bc_successful": "cloning the successful ones",
}
_TARGETS: Final = ("95%", "98%", "99%")


def imitation() -> str:
    """How many demonstrations imitation needs."""

    def rows() -> Iterator[list[str]]:
        for level, agents in read("imitation")["levels"].items():
            for agent, counts in agents.items():
                for number, one in sorted(counts.items(), key=lambda item: int(item[0])):
                    yield [level, _AGENTS[agent], count(int(number)), *_outcome(one["runs"])]

    header = (
        "| level | learned by | episodes of the expert | success, by seed | swapped instructions "
        "| random policy | steps (the expert's) | SPL |"
    )
    return lines(header, "llrlrrrr", rows())


def bc_then_ppo() -> str:
    """Cloning before reinforcement learning, beside reinforcement learning alone."""

    def reached(run: Any, target: str) -> str:
        point = run["reached"][target]
        return "not" if point is None else count(point["episodes"])

    def row(level: str, way: str, one: Any) -> list[str]:
        runs = one["runs"]
        has_clone = runs[0]["cloned"] is not None
        return [
            level,
            way,
            count(one["demonstrations"]) if has_clone else "–",
            percents(run["cloned"]["success_rate"] for run in runs) if has_clone else "–",
            *(", ".join(reached(run, target) for run in runs) for target in _TARGETS),
            percents(run["success_rate"] for run in runs),
        ]

    levels = read("bc_then_ppo")["levels"].items()
    rows = (row(level, way, one) for level, ways in levels for way, one in ways.items())
    header = (
        "| level | trained by | episodes of the expert | success after cloning "
        "| PPO's episodes to 95% | to 98% | to 99% | success at the end |"
    )
    return lines(header, "llrlllll", rows)


def offline_rl() -> str:
    """Offline reinforcement learning on episodes of mixed quality, beside cloning them."""

    def rows() -> Iterator[list[str]]:
        for level, one in read("offline_rl")["levels"].items():
            for half in one["data"].values():
                name = f"the data: {half['by']}, {count(half['episodes'])} episodes"
                length = f"{half['mean_length']:.1f}"
                yield [level, name, percent(half["success_rate"]), "–", "–", length, "–"]
            for method, found in one["methods"].items():
                yield [level, _METHODS[method], *_outcome(found["runs"])]

    header = (
        "| level | learned by | success, by seed | swapped instructions | random policy "
        "| steps (the expert's) | SPL |"
    )
    return lines(header, "lllrrrr", rows())


def _outcome(runs: Sequence[Any]) -> list[str]:
    """The cells of trainings with controls: success by seed, and means over the seeds."""
    expert = average(runs, "controls", "expert", "mean_length")
    return [
        percents(run["success_rate"] for run in runs),
        _control(runs, "swapped_instructions"),
        _control(runs, "random_policy"),
        f"{average(runs, 'mean_length'):.1f} ({expert:.1f})",
        f"{average(runs, 'controls', 'expert', 'spl'):.2f}",
    ]


def _control(runs: Sequence[Any], name: str) -> str:
    """The mean success of a control; a dash where it cannot be had."""
    if any(name not in below(run, "controls") for run in runs):
        return "–"
    return percent(average(runs, "controls", name, "success_rate"))

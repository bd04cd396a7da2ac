"""Tables of hindsight, imagination, curricula and themes."""

from __future__ import annotations

from typing import Any

from figures.reading import count, counts, lines, percent, percents, read, with_span


def hindsight() -> str:
    """Hindsight by who relabels."""

    def row(arm: str, one: Any) -> list[str]:
        low, high = one["mean_area_95"]
        needed = [
            count(episodes) if episodes else f"not in {count(played)}"
            for episodes, played in zip(one["episodes_to_target"], _played(arm), strict=True)
        ]
        return [
            arm,
            f"{one['mean_area']:.3f} ({low:.3f} to {high:.3f})",
            percent(one["share_of_oracle"]),
            ", ".join(needed),
            percents(one["held_out"]),
        ]

    header = (
        "| relabelled by | area | share of the oracle's "
        "| episodes to 80% of the last 100, by seed | held-out success, by seed |"
    )
    arms = read("hindsight")["comparison"]["arms"]
    return lines(header, "llrll", (row(arm, one) for arm, one in arms.items()))


def _played(arm: str) -> list[int]:
    """The training episodes of each seed of an arm."""
    runs = [run for run in read("hindsight")["runs"] if run["arm"] == arm]
    return [run["curve"][-1][0] for run in sorted(runs, key=lambda run: run["seed"])]


def imagination() -> str:
    """Real episodes to 90%, with and without a world model."""
    names = {"ppo": "PPO", "auxiliary": "PPO, auxiliary loss", "imagination": "in imagination"}
    ends = {
        "ppo": "after 81,920 steps",
        "auxiliary": "after 81,920",
        "imagination": "after 300 episodes",
    }

    def row(arm: str, one: Any) -> list[str]:
        low, high = one["mean_episodes_95"]
        mean_episodes = count(one["mean_episodes"])
        if low != high:
            mean_episodes += f" ({count(low)} to {count(high)})"
        return [
            names[arm],
            counts(one["episodes"]),
            mean_episodes,
            count(one["mean_steps"]),
            f"{one['mean_seconds']:.0f} s",
            f"{percents(one['final_success'])} {ends[arm]}",
        ]

    header = (
        "| arm | real episodes to 90%, by seed | mean | real steps | wall time on one core "
        "| success at the end |"
    )
    found = read("imagination")["comparison"]
    return lines(header, "llrrrl", (row(arm, one) for arm, one in found.items()))


def curriculum() -> str:
    """Curricula compared with always new scenes."""

    def cells(one: Any, key: str) -> list[str]:
        gain = one.get(f"{key}_gain")
        shown = ""
        if gain is not None:
            low, high = (100 * end for end in gain["interval_95"])
            shown = f"{100 * gain['mean']:.1f} ({low:.1f} to {high:.1f})"
        text = with_span(one[key]["mean"], one[key]["interval_95"])
        return [text.replace("100.0%", "100%"), shown]

    rows = []
    for level, arms in read("curriculum")["comparison"].items():
        for k, arm in enumerate(("uniform", "plr", "accel")):
            one = arms[arm]
            rows.append([level * (k == 0), arm, *cells(one, "area"), *cells(one, "success")])
    header = "| level | scenes | area | gain | success at the end | gain |"
    return lines(header, "llllll", rows)


def themes() -> str:
    """Success in a theme that training did not have."""
    found = read("themes")["comparison"]
    rows = (
        [held_out, *(percents(found[held_out][arm][held_out]["of"]) for arm in found[held_out])]
        for held_out in ("neon", "paper")
    )
    return lines("| held out | default | sprites | given |", "llll", rows)

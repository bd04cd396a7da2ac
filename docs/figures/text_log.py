"""Figures of the log of what did not help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from figures.reading import Statement, count, percent, read

PAGE: Final = "docs/log.md"


def reading() -> Iterator[Statement]:
    """Encoders, fusions and learning rates."""
    bert = [run["final_success"] for run in read("episodes-go_to_local_bert")["runs"]]
    first, second, third = map(percent, bert)
    walk = read("random_policy")["levels"]["GoToLocal"]["walk"]["success"]
    text = f"{first}, {second} and {third} after 600,000 steps. A random walk gets {percent(walk)}"
    yield PAGE, text
    rows = {one["arm"].rpartition("=")[2]: one for one in read("ablation/ablation")["rows"]}
    share = {arm: percent(one["success"]) for arm, one in rows.items()}
    both = f"cross-attention ({share['cross_attention']}) and bilinear fusion ({share['bilinear']})"
    yield PAGE, f"{both} were not better than FiLM ({share['as configured']})"
    yield PAGE, f"plain concatenation ({share['concat']})"
    yield PAGE, f"The GRU ({share['word_gru']}) and the small BERT ({share['as configured']})"
    yield PAGE, f"bag of words ({share['bag_of_words']}); the plain CNN ({share['nature_cnn']})"
    yield PAGE, f"Dropout 0.1 ({share['0.1']}) and L2 1e-4 ({share['0.0001']})"
    yield PAGE, f"Adam's learning rate fails ({share['rmsprop']})"


def small_rooms() -> Iterator[Statement]:
    """Levels that can be solved without reading or listening."""
    runs = [run for run in read("one_file")["runs"] if run["level"] != "four doors"]
    solved = min(min(run["success"], run["swapped_instructions"]) for run in runs)
    random = [run["random"] for run in runs]
    chance = f"{min(random):.0%} to {max(random):.0%} by random"
    yield PAGE, f"{solved:.0%} with the right and with swapped instructions, {chance}"
    heard = read("spoken")["summary"]
    trained, muted = (percent(heard[key]["mean"]) for key in ("as trained", "deaf"))
    yield PAGE, f"from speech to {trained}, and still gets {muted} with the audio muted"


def recipes() -> Iterator[Statement]:
    """Recipes that needed more."""
    walk = read("random_policy")["levels"]["OpenDoorColor"]["walk"]["success"]
    yield PAGE, f"a random walk gets {percent(walk)}. With the present network"


def generative() -> Iterator[Statement]:
    """Captions, search, themes and speech."""
    now = read("hindsight")["comparison"]["arms"]["learned"]["area"]
    yield PAGE, f"it is {now[0]:.3f} and {now[1]:.3f}"
    captions = [run["held_out"]["accepted"] for run in read("captioner")["runs"]]
    yield (
        PAGE,
        f"colour features alone reaches {percent(min(captions))} to {percent(max(captions))}",
    )
    search = read("image_search")
    right = percent(search["summary"]["test_find_picture_r_at_1"]["mean"])
    yield PAGE, f"objects at the same places, in {right}"
    themes = read("themes")["comparison"]
    sprites, given = (themes["neon"][arm]["neon"]["of"] for arm in ("sprites", "given"))
    yield PAGE, f"generalises to neon ({_between(sprites)})"
    yield PAGE, f"the painter was trained on ({_between(given)})"
    alone, painted = (themes["paper"][arm]["paper"]["of"] for arm in ("default", "sprites"))
    yield PAGE, f"{_between(alone)} without, {_between(painted)} with painted themes"
    speech = read("recognition")["summary"]
    known, new = (percent(speech[f"{who} voices"]["mean"]) for who in ("known", "unknown"))
    yield PAGE, f"nearly clean it is {known} and {new}"
    loudest = percent(speech["unknown voices, noise 0.2"]["mean"])
    yield PAGE, f"the loudest noise (0.2): {loudest} instead of"


def _between(shares: list[float]) -> str:
    return f"{percent(min(shares))} to {percent(max(shares))}"


def rounds() -> Iterator[Statement]:
    """Imagination and the auxiliary loss."""
    arms = read("imagination")["comparison"]
    low, high = arms["ppo"]["mean_episodes_95"]
    mean = count(arms["ppo"]["mean_episodes"])
    yield PAGE, f"PPO alone {mean} ({count(low)} to {count(high)}): no gain"
    accel = read("curriculum")["comparison"]["GoToObjMazeS4R2"]["accel"]["success_gain"]
    low, high = (f"{100 * end:.1f}".replace("-", "−") for end in accel["interval_95"])
    yield PAGE, f"and {-100 * accel['mean']:.1f} ({low} to {high})"


def speed() -> Iterator[Statement]:
    """Workers, bf16 and large batches."""
    workers = read("workers")
    drift = workers["largest_difference_after_updates"]

    def power(value: float) -> str:
        return f"{value:.0e}".replace("e-0", "e-")

    yield PAGE, f"By SGD they do, to {power(drift['sgd, 2 workers']['1'])} after an update"
    one, eight = (power(drift["adam, 2 workers"][n]) for n in ("1", "8"))
    yield PAGE, f"difference of a weight is {one} after one update and {eight} after eight"
    two, alone = (count(workers["medians"][key]) for key in ("2 workers", "one process"))
    yield PAGE, f"{two} steps a second against {alone}"
    epyc, xeon = (read(f"frozen_features{one}")["medians"] for one in ("_epyc", ""))
    key = "ours, frozen"
    yield PAGE, f"{epyc[f'{key}, bf16']:.1f} steps a second against {epyc[key]:.1f}"
    yield PAGE, f"with AMX it is {xeon[f'{key}, bf16']:,.1f} against {xeon[key]:.1f}"
    steps: Any = read("env_speed")["levels"]["GoToLocal"]["median_steps_per_second"]
    some, many = (count(steps[f"mmrl, pixels, batch of {n}"]) for n in (256, 16384))
    yield PAGE, f"256 environments make {some} steps a second on one core, 16,384 make {many}"
    work = read("compare_commits")["works"]["environment, steps"]
    yield PAGE, f"the next fifteen {work['ratio']:.3f}"
    ratios = [r for one in read("compare_commits")["works"].values() for r in one["ratios"]]
    yield PAGE, f"scatter from {min(ratios):.2f} to {max(ratios):.2f}, so a slowdown"


def imitation() -> Iterator[Statement]:
    """DAgger beside behaviour cloning."""
    level = read("imitation")["levels"]["GoToRedBall"]

    def between(agent: str, episodes: str) -> str:
        rates = [run["success_rate"] for run in level[agent][episodes]["runs"]]
        return f"{percent(min(rates))} to {percent(max(rates))}"

    yield PAGE, f"DAgger with 1,000 episodes has {between('dagger', '1000')}, where 99% was"
    yield PAGE, f"cloning 2,500 episodes has {between('bc', '2500')}"


LOG: Final[tuple[Callable[[], Iterator[Statement]], ...]] = (
    reading, small_rooms, recipes, generative, rounds, speed, imitation,
)  # fmt: skip

"""Further figures in sentences: robustness, equality, and the generative models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from figures.reading import MEASURED, README, Statement, count, counts, percent, read, span


def expert() -> Iterator[Statement]:
    """The expert on all levels."""
    totals = read("expert")["totals"]["full"]
    episodes, hopeless = count(totals["episodes"]), totals["hopeless_episodes"]
    success = f"{totals['success']:.2%}"
    yield README, f"| {success} of {episodes} episodes | {hopeless} unwinnable ones"
    yield (
        MEASURED,
        f"{episodes} episodes of all levels, and {count(totals['states_in_mid_episode'])}",
    )
    yield MEASURED, f"Counted apart are {hopeless} episodes"
    yield MEASURED, f"also {count(totals['hopeless_states'])} states"


def equality() -> Iterator[Statement]:
    """Steps compared with Minigrid."""
    totals, generated, soak = read("parity")["totals"], read("generation"), read("soak")
    steps, wrong = count(totals["steps"]), totals["mismatches"]
    yield README, f"| {wrong} differences in {steps} |"
    yield MEASURED, f"{steps} steps on all 96 levels"
    yield MEASURED, f"by {count(generated['tests'])} statistical tests on"
    yield MEASURED, f"{len(generated['failed'])} below p = {generated['threshold']}"
    yield MEASURED, f"{count(soak['steps'])} random steps with every invariant checked"


def resume() -> Iterator[Statement]:
    """Interrupted trainings, and files from others."""
    cut = read("resume")["interrupts"]
    equal = {key: sum(one["equal"][key] for one in cut) for key in ("weights", "state", "curves")}
    signals = Counter(one["signal"] for one in cut)
    yield README, f"| {equal['weights']} of {len(cut)} |"
    yield MEASURED, f"interrupted {len(cut)} times at random moments"
    yield MEASURED, f"{signals['SIGKILL']} times by SIGKILL, {signals['SIGTERM']} by SIGTERM"
    yield MEASURED, f"bit in {equal['weights']} of {len(cut)}, optimiser, random generators"
    yield MEASURED, f"environments in {equal['state']}, curves in {equal['curves']}."
    yield "docs/resume.md", f"In {equal['weights']} of {len(cut)} trainings"
    hostile = read("hostile_files")
    ran, commands = hostile["fired"], hostile["commands"]
    careless = f"{hostile['controls_that_fired']} of {hostile['controls']}"
    yield README, f"| {ran} of {commands} | opened carelessly: {careless} ([file]"
    yield MEASURED, f"None of it ran ({ran} of {commands})"
    yield MEASURED, f"the code ran in {careless}"


def packages() -> Iterator[Statement]:
    """Environments of other packages."""
    found = read("packages")["environments"].values()
    trains = f"{sum(one['trains'] for one in found)} of {len(found)}"
    yield README, f"| published Gymnasium environments that train by the command alone | {trains} |"
    yield "docs/your_environment.md", f"{trains} environments of published packages train"


def recording() -> Iterator[Statement]:
    """What recording costs, and the page that shows it."""
    found, page = read("recording"), read("rollouts_page")
    low, high = found["speed_beside_without_records_95"]
    where = "docs/rollouts.md"
    yield where, f"[{found['speed_beside_without_records']:.3f}](../benchmarks/results/recording"
    yield where, f"95% interval {low:.3f} to {high:.3f}"
    yield where, f"{found['bytes'] / found['episodes'] / 1000:.0f} kB for an episode"
    seconds = page["seconds"]
    yield where, f"takes {seconds['first_list']:.1f} s ({seconds['first_list_processor']} s of"
    later = [seconds["list_within_two_seconds"], seconds["list_after_two_seconds"]]
    yield where, f"a later one {later[0]:.1f} to {later[1]:.1f} s"
    yield where, f"and the server {page['megabytes']['at_the_end']:.0f} MB"


def imagination() -> Iterator[Statement]:
    """Learning in a world model."""
    arms = read("imagination")["comparison"]
    real, plain = arms["imagination"]["episodes"], arms["ppo"]["episodes"]
    yield README, f"in imagination {counts(real)} | PPO without a world model: {counts(plain)}, in"
    reached = f"{min(plain)} to {count(max(plain))}"
    yield "docs/world_model.md", f"after {real[0]} real episodes. PPO without a world model"
    yield "docs/world_model.md", f"model needs {reached}, and"
    yield "docs/howto/world_model.md", f"{real[0]} real episodes are enough for 90% success"
    yield "docs/howto/world_model.md", f"model needs {reached}, in a quarter"
    yield (
        MEASURED,
        (f"by a factor of {min(plain) / real[0]:.0f} to {max(plain) / real[0]:.0f}, and costs"),
    )
    auxiliary = arms["auxiliary"]
    low, high = auxiliary["mean_episodes_95"]
    needed = f"{count(auxiliary['mean_episodes'])} real episodes to 90% success"
    yield "docs/log.md", f"{needed} ({count(low)} to {count(high)}), PPO alone "
    yield "docs/log.md", f"PPO alone {count(arms['ppo']['mean_episodes'])} ("
    first, second, third = map(percent, arms["imagination"]["final_success"])
    yield "docs/log.md", f"at the end {first}, {second} and {third}"


def world_model() -> Iterator[Statement]:
    """What the world model predicts."""
    found = read("world_model")
    yield MEASURED, f"{count(found['runs'][0]['told']['parameters'])} parameters"
    tests = found["summary"].values()
    one = min(test["tiles_1"]["mean"] for test in tests)
    many = [test["tiles_15"]["mean"] for test in tests if "tiles_15" in test]
    page = "docs/world_model.md"
    yield page, f"{percent(one)} are correct after one step and {percent(min(many))} to"
    f1 = min(test[f"{key}_f1"]["mean"] for test in tests for key in ("reward", "end"))
    yield page, f"F1 of reward and end is {f1:.2f}"


def translation() -> Iterator[Statement]:
    """Translated instructions."""
    found = read("translation")["summary"]

    def text(key: str) -> str:
        return percent(found[key]["mean"])

    first, back = found["zh → en"], found["en → zh"]
    yield MEASURED, f"{percent(first['mean'])} exact ({span(first['interval_95'])}), English to"
    yield MEASURED, f"Chinese {percent(back['mean'])} ({span(back['interval_95'])})"
    yield MEASURED, f"succeed in {text('English')}; with Chinese instructions"
    yield MEASURED, f"translator, in {text('Chinese, through the translator')}; with Chinese"
    yield MEASURED, f"without it, in {text('Chinese, without it')}; with"
    yield MEASURED, f"another episode's instruction, in {text('through the translator, misled')}"


def image_search() -> Iterator[Statement]:
    """Image search and sprites."""
    found = read("image_search")
    first = [run["test"]["find_picture_r_at_1"] for run in found["runs"]]
    one, two, three = map(percent, first)
    total = found["summary"]["test_find_picture_r_at_1"]["mean"]
    held_out = found["summary"]["held-out_find_picture_r_at_1"]["mean"]
    five = found["summary"]["held-out_find_picture_r_at_5"]["mean"]
    yield MEASURED, f"comes first in {one}, {two} and {three} (3 seeds; mean {percent(total)}"
    yield MEASURED, f"it comes first in {percent(held_out)} and among the first five in"
    yield MEASURED, f"first five in {percent(five)}."
    yield "docs/generative.md", f"found first in {percent(total)} of cases"
    over = read("sprites")["over_seeds"]
    painted, real, unknown = (over[key] for key in ("painted", "real", "real_of_unknown_theme"))
    yield (
        MEASURED,
        f"is right on {percent(painted['mean'])} of the painted ones ({span(painted['95'])}",
    )
    yield MEASURED, f"on {percent(real['mean'])} of augmented real ones, and on"
    yield MEASURED, f"and on {unknown['mean']:.1%} of the tiles of a theme"
    asked, pairs = (read("painter")["over_seeds"][key] for key in ("asked", "held_out_pairs"))
    done = f"{percent(asked['satisfied'])} do, and {percent(pairs['satisfied'])} of requests"
    yield "docs/generative.md", done


def curricula() -> Iterator[Statement]:
    """Curricula that did not help."""
    local, maze = read("curriculum")["comparison"].values()

    def gain(one: Any, sign: int = 1) -> tuple[str, str]:
        low, high = (f"{100 * end:.1f}".replace("-", "−") for end in one["interval_95"])
        return f"{sign * 100 * one['mean']:.1f}", f"{low} to {high}"

    points, spread = gain(local["plr"]["success_gain"])
    yield "docs/log.md", f"gained {points} points at the end on GoToLocal (95% interval {spread})"
    for one, word in ((maze["plr"], "and lost"), (local["accel"], "ACCEL lost")):
        points, spread = gain(one["success_gain"], -1)
        yield "docs/log.md", f"{word} {points} "
        yield "docs/log.md", f"({spread})"
    shares = [
        run["curriculum"]["learnt_from"]
        for run in read("curriculum")["runs"]
        if run["arm"] == "accel"
    ]
    yield MEASURED, f"({min(shares):.0%} to {max(shares):.0%}: only replayed scenes"


def sentence_encoder() -> Iterator[Statement]:
    """A sentence encoder that knows paraphrases."""
    found = read("paraphrases")
    cosines = found["cosines"]["minilm"]["mean_cosine"]
    near, far = cosines["paraphrase"], cosines["near miss"]
    yield MEASURED, f"are {near:.2f} for paraphrases, {far:.2f} for the same wording"
    trained, swapped = (percent(found["summary"][key]["mean"]) for key in ("as trained", "misled"))
    yield MEASURED, f"succeeds in {trained}; with"
    yield MEASURED, f"another episode's instruction, in {swapped}."
    yield "docs/training.md", f"success falls from {trained} to {swapped} when instructions are"


def frozen_features() -> Iterator[Statement]:
    """Frozen encoders."""
    ratios = [read(f"frozen_features{one}")["ratios_median_of_pairs"] for one in ("_epyc", "")]
    learning = [one["ours / naive"] for one in ratios]
    bf16 = [one["ours, bf16 / naive"] for one in ratios]
    frozen = [one["ours, frozen / naive"] for one in ratios]
    yield MEASURED, f"that is {learning[0]:.1f} and {learning[1]:.1f} times the first path,"
    yield MEASURED, f"{bf16[0]:.1f} and {bf16[1]:.1f} times in bf16"
    yield MEASURED, f"it is {frozen[0]:.0f} and {frozen[1]:.0f} times, in bf16"


def one_file() -> Iterator[Statement]:
    """The example of one file."""
    runs = [run for run in read("one_file")["runs"] if run["level"] == "four doors"]
    success = [percent(run["success"]) for run in runs]
    swapped, chance = ([run[key] for run in runs] for key in ("swapped_instructions", "random"))
    page = "docs/training.md"
    yield page, f"{success[0]}, {success[1]} and {success[2]} after 150,000 steps, "
    yield page, f"{min(swapped):.0%} to {max(swapped):.0%} with swapped instructions,"
    yield page, f"{min(chance):.0%} to {max(chance):.0%} by random actions"


MODELS: Final[tuple[Callable[[], Iterator[Statement]], ...]] = (
    expert, equality, resume, packages, recording, imagination, world_model, translation,
    image_search, curricula, sentence_encoder, frozen_features, one_file,
)  # fmt: skip

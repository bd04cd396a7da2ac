"""Figures of the page of results that are beside the main ones, and of further pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import mean
from typing import Final

from figures.reading import MEASURED, Statement, count, percent, read, rounded, span


def speed() -> Iterator[Statement]:
    """First person, memory, frozen features."""
    found = read("first_person")["results"].values()

    def times(kind: str) -> list[float]:
        return [
            ratio for one in found for key, ratio in one["ratios"].items() if key.startswith(kind)
        ]

    one, batch = times("mmrl, one"), times("mmrl, batch")
    yield MEASURED, f"of ours is {min(one):.0f} to {max(one):.0f} times as fast"
    yield MEASURED, f"a batch, {min(batch):.0f} to {max(batch):.0f} times"
    level = read("first_person")["results"]["GoToLocal, 64 × 64"]["median_frames_per_second"]
    fast = rounded(level["mmrl, batch of 256"])
    yield "docs/environments.md", f"person view makes {fast} steps a second on one core"
    ratios = read("memory_speed")["ratios_median_of_pairs"]
    plain = [
        ratios[f"ours, {kind}"] for kind in ("lstm / sb3-contrib", "gru / sb3-contrib, text once")
    ]
    yield MEASURED, f"ours is {plain[0]:.1f} and {plain[1]:.1f} times as fast"
    tape = [ratios[f"ours, lstm, free / sb3-contrib{kind}, free"] for kind in ("", ", text once")]
    yield MEASURED, f"times as fast ({tape[0]:.1f} and {tape[1]:.1f} on the tape)"
    ppo = read("ppo_speed")["ratios_median_of_pairs"]
    once = [ppo[f"{who} / sb3, text once"] for who in ("ours", "ours, bf16")]
    free = [ppo[f"{who}, free / sb3, text once, free"] for who in ("ours", "ours, bf16")]
    text = f"network, {once[0]:.1f} and {once[1]:.1f} times ({free[0]:.1f} and {free[1]:.1f} on the"
    yield MEASURED, text
    for page in (MEASURED, "docs/hardware.md"):
        theirs = read("replay")["medians"]["stable-baselines3"]["resident_bytes"] / 1e9
        yield page, f"{theirs:.2f} GB"
    ours = read("replay")["medians"]["ours"]["resident_bytes"] / 1e9
    yield "docs/hardware.md", f"200,000 transitions of GoToLocal takes {ours:.2f} GB"


def frozen() -> Iterator[Statement]:
    """Frozen encoders."""
    epyc, xeon = (read(f"frozen_features{one}")["ratios_median_of_pairs"] for one in ("_epyc", ""))
    bf16 = "ours, frozen, bf16 / naive"
    yield MEASURED, f"in bf16 {epyc[bf16]:.0f} and {xeon[bf16]:.0f} times; compared"
    own = [xeon["ours, frozen / naive, frozen"], xeon[f"{bf16}, frozen"]]
    yield MEASURED, f"of its own, {own[0]:.0f} and {own[1]:.0f} times on the Xeon"
    cut = [one["ours / naive, trimmed"] for one in (epyc, xeon)]
    all_cut = [one["ours, frozen / naive, trimmed"] for one in (epyc, xeon)]
    yield MEASURED, f"cuts its batches: {cut[0]:.1f} and {cut[1]:.1f}, with everything frozen"
    yield MEASURED, f"everything frozen {all_cut[0]:.0f} and {all_cut[1]:.0f} times"
    flops = read("frozen_features")["flops_of_an_update"]
    most = flops["naive"] / flops["ours"]
    own_gflop, all_gflop = count(flops["ours"] / 1e9), count(flops["naive"] / 1e9)
    yield MEASURED, f"operations {most:.1f} times would be the most in fp32"
    yield MEASURED, f"({own_gflop} of {all_gflop} GFLOP an update)"


def robustness() -> Iterator[Statement]:
    """Resuming, hostile files, a full disk, workers, equality."""
    cut, later = read("resume")["interrupts"], read("resume-20")["interrupts"]
    ctrl_c = sum(one["signal"] == "SIGINT" for one in cut)
    yield MEASURED, f"by SIGTERM, {ctrl_c} by Ctrl-C"
    none = sum(one["resumed_from"] in (None, "", "nothing") for one in cut)
    yield MEASURED, f"In {none} cases there was no checkpoint yet"
    equal = sum(all(one["equal"].values()) for one in later)
    yield MEASURED, f"{len(later)} more trainings ([file]"
    yield MEASURED, f"state and curves in {equal} of {len(later)}"
    hostile = read("hostile_files")
    planted = f"code was planted in {hostile['controls']} kinds of file"
    yield MEASURED, f"{planted} and folder, and {hostile['commands']} commands were run on them"
    fuzz = read("fuzz_readers")
    total = fuzz["total"]
    tried, kinds = count(total["mutations"]), len(fuzz["rows"])
    yield MEASURED, f"{tried} mutations of {kinds} kinds of file"
    yield (
        MEASURED,
        f"{count(total['accepted'])} files were accepted, {count(total['refused'])} refused",
    )
    yield MEASURED, f"that names the file and {count(total['unclear'])} in one that does not"
    guided = read("fuzz_coverage")["rows"]
    yield MEASURED, f"{count(sum(row['read'] for row in guided))} more were read"
    yield (
        MEASURED,
        f"of {len(guided)} kinds, {sum(bool(row['not_caught']) for row in guided)} ended",
    )
    failed = sum(total[key] for key in ("uncaught", "crash", "timeout", "memory"))
    yield MEASURED, f"{failed} ended otherwise"
    yield MEASURED, f"A checkpoint takes {read('full_disk')['checkpoint_kb']} kB"
    parity, soak = read("parity")["totals"], read("soak")
    yield MEASURED, f"expert actions: {parity['mismatches']} differences in frame"
    yield MEASURED, f"tests on {count(read('generation')['resets'])} resets a level"
    yield MEASURED, f"every invariant checked: {soak['faults']} faults"
    ratios = [r for one in read("compare_commits")["works"].values() for r in one["ratios"]]
    yield MEASURED, f"scatter from {min(ratios):.2f} to {max(ratios):.2f}, so a"


def learning() -> Iterator[Statement]:
    """Random walks beside what was learnt, and further tests."""
    walk = {name: one["walk"]["success"] for name, one in read("random_policy")["levels"].items()}
    local, maze = percent(walk["GoToLocal"]), percent(walk["GoToObjMazeS4R2"])
    yield MEASURED, f"A random walk gets {local} here. What follows"
    yield MEASURED, f"A random walk gets {local} and {maze}."
    bert = [run["final_success"] for run in read("episodes-go_to_local_bert")["runs"]]
    yield MEASURED, f"({min(bert):.0%} to {max(bert):.0%} after 600,000 steps; a random walk gets"
    yield MEASURED, f"a random walk gets {walk['GoToLocal']:.0%}; [file]"
    person = [
        run["success_rate"]
        for run in read("recipes")["recipes"]["go_to_red_ball_first_person"]["runs"]
    ]
    yield MEASURED, f"64 × 64 frames to {percent(min(person))} to {percent(max(person))}"
    cosines = read("paraphrases")["cosines"]
    ours, bert_cosines = (cosines[name]["mean_cosine"] for name in ("minilm", "small_bert"))
    near, miss, other = bert_cosines.values()
    yield MEASURED, f"{ours['other kind']:.2f} for another kind of task"
    yield MEASURED, f"untrained small BERT: {near:.2f}, {miss:.2f}, {other:.2f})"
    nearest = cosines["minilm"]["paraphrase_is_nearest"]
    auc = percent(cosines["minilm"]["auc_paraphrase_against_others"])
    yield MEASURED, f"in {auc} of pairs, and the nearest of all in {nearest:.0%}"
    wordings = [one["mean"] for key, one in read("paraphrases")["summary"].items() if "{}" in key]
    yield MEASURED, f"never used, in {percent(min(wordings))} to {percent(max(wordings))}; with"


def foreign() -> Iterator[Statement]:
    """Environments of other packages, beside random actions and other controls."""
    page = "docs/your_environment.md"
    found = {name: one["runs"] for name, one in read("foreign_learning")["environments"].items()}

    def between(name: str, form: str) -> str:
        values = [run["value"] for run in found[name]]
        return f"{min(values):{form}} to {max(values):{form}}"

    def chance(name: str) -> float:
        return found[name][0]["random"]

    def control(name: str, kind: str, measure: str = "success_rate") -> float:
        return mean(run["controls"][kind][measure] for run in found[name])

    room = "miniworld_one_room"
    yield page, f"in first person: {between(room, '.0%')} of the episodes reach the box"
    yield page, f"do in {percent(chance(room))}, and the same agents with a blank image in"
    yield page, f"blank image in {percent(control(room, 'blank_image'))}"
    sentence = "panda_reach_sentence"
    yield page, f"and in {between(sentence, '.0%')}\n  after 100,000 where a sentence"
    swapped = percent(control(sentence, "swapped_instructions"))
    yield page, f"sentence in {swapped}, by random actions in {percent(chance(sentence))}"
    cards = "popgym_repeat_previous"
    yield page, f"has a return of {between(cards, '.2f')} of 1 after 60,000 steps; random"
    yield page, f"have {chance(cards):.2f}."
    pendulum = "pendulum_pixels"
    yield page, f"a return of {between(pendulum, '.0f')} after 60,000 steps; random actions"
    blank = control(pendulum, "blank_image", "mean_return")
    yield page, f"have {count(round(chance(pendulum)))}. Its state suffices"
    yield page, f"a blank image the same agents have {blank:.0f}"


def generative() -> Iterator[Statement]:
    """Captions, search, sprites and hindsight."""
    found = read("captioner")["runs"]
    kept, of = count(found[0]["kept"]), count(found[0]["seen"]["of"])
    yield MEASURED, f"which leaves {kept} steps. Of {of} steps of unseen seeds"
    accepted = [run["held_out"]["accepted"] for run in found]
    yield (
        "docs/generative.md",
        (f"accepts {percent(min(accepted))} to {percent(max(accepted))} of such captions"),
    )
    area = read("hindsight")["comparison"]["arms"]["learned"]["area"]
    yield MEASURED, f"now {area[0]:.3f} and {area[1]:.3f})"
    first = read("hindsight")["comparison"]["episodes"]
    yield MEASURED, f"over the first {count(first)} training episodes"
    search = read("image_search")["summary"]
    interval = span(search["test_find_picture_r_at_1"]["interval_95"]).replace("100.0%", "100%")
    back = percent(search["test_find_sentence_r_at_1"]["mean"])
    yield MEASURED, f"95% interval {interval}), among the first five in 100%"
    yield MEASURED, f"the other way round, {back} and 100%"
    fits = [
        run["short_queries"]["learnt"]["fit_of_first_10"] for run in read("image_search")["runs"]
    ]
    yield MEASURED, f"half right: {min(fits):.0%} to {max(fits):.0%} of the first ten"
    sprites = read("sprites")
    distance = mean(run["distance_from_real"] for run in sprites["runs"])
    themes = mean(run["distance_of_themes"] for run in sprites["runs"])
    yield MEASURED, f"paints all {sprites['names']} in {sprites['styles']} new styles"
    yield MEASURED, f"nearest real one by {distance:.1f} on average"
    yield MEASURED, f"different themes differ by {themes:.1f}"
    tiles = [part["pictures"] for part in read("painter")["runs"][0]["tokenizer"].values()]
    yield MEASURED, f"reconstructs all of {count(sum(tiles))} images of unseen seeds"


DETAILS: Final[tuple[Callable[[], Iterator[Statement]], ...]] = (
    speed, frozen, robustness, learning, foreign, generative,
)  # fmt: skip

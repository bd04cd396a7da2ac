"""Tables of the generative models."""

from __future__ import annotations

from typing import Any, Final

from figures.reading import lines, percent, percents, read, with_span

_RECOGNITION: Final = {
    "known voices": "five voices of the training, no noise",
    "unknown voices": "three other voices, no noise",
    "unknown voices, noise 0.02": "… noise 0.02 (15 dB)",
    "unknown voices, noise 0.05": "… noise 0.05 (7 dB)",
    "unknown voices, noise 0.1": "… noise 0.1 (1 dB)",
    "unknown voices, noise 0.2": "… noise 0.2 (-5 dB)",
}


def recognition() -> str:
    """Word error rates of speech recognition."""
    found = read("recognition")
    other = found["pocketsphinx"]["grammar"]

    def row(test: str, shown: str) -> list[str]:
        one = found["summary"][test]
        rate = with_span(one["mean"], one["interval_95"])
        return [shown, rate, percent(other[test]["word_error_rate"])]

    rows = (row(*item) for item in _RECOGNITION.items())
    return lines("| test | mmrl | PocketSphinx, grammar |", "llr", rows)


def painter() -> str:
    """Whether paintings show what was asked for."""
    found = read("painter")
    over, runs = found["over_seeds"], found["runs"]

    def mean(key: str) -> str:
        return with_span(over[key]["satisfied"], over[key]["95"])

    held_out = [run["held_out_pairs"] for run in runs]
    constraints = percents(one["constraints_held_out"]["satisfied"] for one in held_out)
    three = percents(one["by_constraints"]["3"]["satisfied"] for one in held_out)
    rows = [
        ["requests as in training", mean("asked")],
        ["requests that mention a held-out pair of colour and object", mean("held_out_pairs")],
        ["… the constraints of these that do", constraints],
        ["… requests of three things", three],
        [
            "the same painter without a request, checked against the same requests",
            mean("told_nothing"),
        ],
    ]
    return lines("| | satisfied |", "ll", rows)


def world_model() -> str:
    """Predicted tiles, reward and end."""

    def tiles(one: Any, key: str, *, spread: bool = False) -> str:
        if key not in one:
            return ""
        mean, interval = one[key]["mean"], one[key]["95"]
        return with_span(mean, interval) if spread else percent(mean)

    def row(test: str, one: Any) -> list[str]:
        last = tiles(one, "tiles_15", spread=test.endswith("random")) or "too short"
        if test == "GoToRedBall, expert":
            last += " (39 tiles a seed)"
        return [
            test,
            tiles(one, "tiles_1"),
            tiles(one, "tiles_5"),
            last,
            tiles(one, "last_picture_1"),
            tiles(one, "last_picture_15"),
            f"{one['reward_f1']['mean']:.2f}, {one['end_f1']['mean']:.2f}",
            f"{one['reward_f1_blind']['mean']:.2f}, {one['end_f1_blind']['mean']:.2f}",
        ]

    header = (
        "| test | tiles after 1 step | … 5 | … 15 | last image, 1 | … 15 "
        "| F1 of reward, of end | … without the instruction |"
    )
    found = read("world_model")["summary"]
    return lines(header, "lrrrrrrr", (row(test, one) for test, one in found.items()))

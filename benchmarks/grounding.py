"""How soon an agent learns to read, by encoders, fusion and auxiliary loss, on two levels.

    python benchmarks/grounding.py --jobs 2
    python benchmarks/grounding.py --levels demo --only plain default --seeds 0 1 2

On both, reading is all that helps: of two things in a small room the instruction names the one to
pick up, and the other ends the episode (``configs/demo.yaml``); of three things it names the one to
go to, where "done" at another one ends it (``configs/levels/go_to_local_medium_strict.yaml``).
Each arm changes the level's configuration by some options of ``mmrl train``. What is kept in
``benchmarks/results/grounding.json``: for each level, arm and seed the success on 512 held-out
episodes with its interval and controls, the steps after which the success of the training episodes
first was 90%, and its curve; a table and a plot for each level lie beside it. Arms that are not run
this time keep their entries. With ``--folder`` a measurement that was interrupted is resumed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

from learning import curves, first_above, of_control, train
from seeds import add_folder, each_name, share_cores, work_folder

from mmrl.evaluation.report import provenance
from mmrl.files import write_atomically, write_json

HERE: Final = Path(__file__).parent
CONFIGS: Final = HERE.parent / "configs"
LEVELS: Final = {
    "demo": CONFIGS / "demo.yaml",
    "go_to_local_medium_strict": CONFIGS / "levels" / "go_to_local_medium_strict.yaml",
}
RESULT: Final = HERE / "results" / "grounding.json"
_WITHOUT: Final = ["--ppo.auxiliary", "none"]
ARMS: Final[dict[str, list[str]]] = {
    "default": [],
    "small_resnet": ["--model.image", "small_resnet"],
    "no reward prediction": _WITHOUT,
    "small_resnet, no reward prediction": ["--model.image", "small_resnet", *_WITHOUT],
    "cross_attention": ["--model.fusion", "cross_attention"],
    "least advantage 0.1": ["--ppo.min-advantage-std", "0.1"],
    "bag_of_words": ["--model.text", "bag_of_words"],
    "frozen minilm": ["--model.text", "minilm", "--model.text_trained", "0"],
}
"""Options beside a level's, which has luma_chroma, small_bert, FiLM and reward prediction."""
_READS: Final = 0.9


def measure(level: str, arm: str, seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """One training of an arm on a level."""
    here = folder / level / arm.replace(", ", "-").replace(" ", "-")
    here.mkdir(parents=True, exist_ok=True)
    result = train(LEVELS[level], seed, here, [*ARMS[arm], "--clip-every", "0", *overrides])
    result["steps_to_90"] = first_above(result["curve"], _READS)
    return result


def table(levels: dict[str, dict[str, Any]]) -> str:
    """All levels and arms, one arm a line."""
    lines = [
        "| level | arm | success on held-out episodes, by seed | swapped | steps to 90% "
        "| beside bag_of_words |",
        "|---|---|---|---|---|--:|",
    ]
    for level, arms in levels.items():
        base = mean_steps(arms.get("bag_of_words"))
        for name, one in arms.items():
            runs, steps = one["runs"], mean_steps(one)
            rates = ", ".join(f"{run['success_rate']:.1%}" for run in runs)
            swapped = ", ".join(of_control(run, "swapped_instructions") for run in runs)
            reached = [run["steps_to_90"] for run in runs]
            shown = ", ".join("not" if step is None else f"{step:,}" for step in reached)
            ratio = "–" if base is None or steps is None else f"× {steps / base:.2f}"
            lines.append(f"| {level} | {name} | {rates} | {swapped} | {shown} | {ratio} |")
    return "\n".join(lines) + "\n"


def mean_steps(arm: dict[str, Any] | None) -> float | None:
    """The mean of the steps to 90% over the seeds of an arm; None where one did not get there."""
    reached = [run["steps_to_90"] for run in arm["runs"]] if arm else []
    return sum(reached) / len(reached) if reached and None not in reached else None


def plot(level: str, arms: dict[str, Any], path: Path) -> None:
    """The curves of all arms, a colour each."""
    with curves(path, f"{level}: one line a seed", "environment steps") as axes:
        for number, (name, one) in enumerate(arms.items()):
            for k, run in enumerate(one["runs"]):
                steps, rates = zip(*run["curve"], strict=True)
                label = name if k == 0 else None
                axes.plot(steps, rates, color=f"C{number}", linewidth=1.2, label=label)


def main() -> None:
    """Train, print the table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--levels", nargs="+", choices=list(LEVELS), default=list(LEVELS))
    parser.add_argument("--only", nargs="+", choices=list(ARMS), default=list(ARMS), metavar="ARM")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    share_cores(options.jobs)
    started = time.monotonic()
    levels: dict[str, Any] = {}
    if RESULT.exists():
        levels = json.loads(RESULT.read_text())["levels"]
    plan = {f"{level}: {arm}": (level, arm) for level in options.levels for arm in options.only}
    with work_folder(options) as folder:
        measured = each_name(
            list(plan), options, lambda name, seed: measure(*plan[name], seed, folder, overrides)
        )
        for name, runs in measured:  # each is kept as soon as it is done
            level, arm = plan[name]
            arms = levels.get(level, {})
            arms[arm] = {
                "options": [*ARMS[arm], *overrides],
                "jobs": options.jobs,
                "runs": runs,
                **provenance(started),
            }
            levels[level] = {known: arms[known] for known in ARMS if known in arms}
            write_json(RESULT, {"levels": levels})
            write_atomically(RESULT.with_suffix(".md"), table(levels))
            plot(level, levels[level], RESULT.with_name(f"grounding-{level}.png"))
    print(table(levels), end="")


if __name__ == "__main__":
    main()

"""How soon an agent learns to read, by encoders and auxiliary loss, on the level of the demo.

    python benchmarks/grounding.py --jobs 2
    python benchmarks/grounding.py --only reward-prediction both --seeds 0 1 2

Two things lie in a small room, the instruction names one, and picking up the other ends the
episode.
Each arm changes the configuration of the demo (``configs/demo.yaml``) by some options of
``mmrl train``. What is kept in ``benchmarks/results/grounding.json``: for each arm and seed the
success on 512 held-out episodes with its interval and controls, the steps after which the success
of the training episodes first was 90%, and its curve; a plot lies beside it. Arms that are not run
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
from mmrl.files import write_json

HERE: Final = Path(__file__).parent
CONFIG: Final = HERE.parent / "configs" / "demo.yaml"
RESULT: Final = HERE / "results" / "grounding.json"
_WITHOUT: Final = ["--ppo.auxiliary", "none"]
ARMS: Final[dict[str, list[str]]] = {
    "plain": ["--model.image", "small_resnet", *_WITHOUT],
    "luma-chroma": _WITHOUT,
    "reward-prediction": ["--model.image", "small_resnet"],
    "both": [],
    "both, bag of words": ["--model.text", "bag_of_words"],
    "both, frozen minilm": ["--model.text", "minilm", "--model.text_trained", "0"],
}
"""Options beside the demo's, which has luma_chroma images, small_bert and reward prediction."""
_READS: Final = 0.9


def measure(arm: str, seed: int, folder: Path, steps: int) -> dict[str, Any]:
    """One training of an arm."""
    here = folder / arm.replace(", ", "-").replace(" ", "-")
    here.mkdir(exist_ok=True)
    options = [*ARMS[arm], "--steps", str(steps), "--clip-every", "0"]
    result = train(CONFIG, seed, here, options)
    result["steps_to_90"] = first_above(result["curve"], _READS)
    return result


def table(arms: dict[str, Any]) -> str:
    """All arms, one a line."""
    lines = [
        "| arm | success on held-out episodes, by seed | swapped instructions | steps to 90% |",
        "|---|---|---|---|",
    ]
    for name, one in arms.items():
        runs = one["runs"]
        rates = ", ".join(f"{run['success_rate']:.1%}" for run in runs)
        swapped = ", ".join(of_control(run, "swapped_instructions") for run in runs)
        reached = [run["steps_to_90"] for run in runs]
        steps = ", ".join("not" if step is None else f"{step:,}" for step in reached)
        lines.append(f"| {name} | {rates} | {swapped} | {steps} |")
    return "\n".join(lines)


def plot(arms: dict[str, Any], path: Path) -> None:
    """The curves of all arms, a colour each."""
    title = "learning to read: success during training, one line a seed"
    with curves(path, title, "environment steps") as axes:
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
    parser.add_argument("--only", nargs="+", choices=list(ARMS), default=list(ARMS), metavar="ARM")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=150_000)
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    add_folder(parser)
    options = parser.parse_args()
    share_cores(options.jobs)
    started = time.monotonic()
    arms: dict[str, Any] = json.loads(RESULT.read_text())["arms"] if RESULT.exists() else {}
    with work_folder(options) as folder:
        measured = each_name(
            options.only, options, lambda arm, seed: measure(arm, seed, folder, options.steps)
        )
        for arm, runs in measured:  # each is kept as soon as it is done
            arms[arm] = {
                "options": ARMS[arm],
                "jobs": options.jobs,
                "runs": runs,
                **provenance(started),
            }
            arms = {name: arms[name] for name in ARMS if name in arms}
            write_json(RESULT, {"arms": arms})
            plot(arms, RESULT.with_suffix(".png"))
    print(table(arms))


if __name__ == "__main__":
    main()

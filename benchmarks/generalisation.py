"""What cloned policies do with instructions that they were never shown, and with other words.

    python benchmarks/generalisation.py --jobs 2 --folder /tmp/generalisation
    python benchmarks/generalisation.py --only GoToLocal pairs --seeds 0

For each level, split, text encoder and fusion, ``configs/imitation/bc.yaml`` clones the expert's
episodes of one side of the split: a scene whose instruction is held out is never shown.
``word_gru`` learns its words from the instructions, ``minilm`` is a frozen pretrained sentence
encoder. Each is evaluated on both sides of the split, on paraphrases of the trained side by type,
and with controls.
Splits that hold nothing out at a level are not measured there. Options beyond those of ``--help``
go to ``mmrl train``.

``benchmarks/results/generalisation.json`` has every seed's success on 512 episodes of each, with
its 95% interval; a table of the means over the seeds lies beside it as Markdown. What is not run
this time keeps its entries. With ``--folder`` a measurement that was interrupted is resumed.
``--quick`` tries all steps on one combination, and writes its result into the folder.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple

from commands import finish, run
from seeds import add_folder, each_name, share_cores, work_folder

from mmrl.evaluation.report import provenance
from mmrl.files import write_atomically, write_json

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "generalisation.json"
CONFIG: Final = HERE.parent / "configs" / "imitation" / "bc.yaml"
SPLITS: Final = {
    "GoToLocal": ("sentences", "pairs", "verbs"),
    "PickupLoc": ("sentences", "pairs", "verbs", "places"),
}
"""The splits that hold out some of a level's instructions."""
TEXTS: Final = {"word_gru": (), "minilm": ("--model.text-trained", "0")}
"""Text encoders, and their options."""
FUSIONS: Final = ("film", "cross_attention", "concat")
TYPES: Final = ("verb", "noun", "syntax", "indirect", "politeness", "order")
CONTROLS: Final = ("swapped_instructions", "empty_instruction", "blank_image", "random_policy")
QUICK: Final = (
    "--steps", "20", "--bc.num-envs", "16", "--bc.batch-size", "64", "--bc.evaluate-every", "20",
)  # fmt: skip
_KEPT: Final = (
    "success_rate", "success_rate_95", "episodes", "mean_length", "success_by", "controls",
)  # fmt: skip
_MEASURE: Final = ("success_rate", "success_rate_95", "episodes")


class Combination(NamedTuple):
    """What is trained."""

    level: str
    split: str
    text: str
    fusion: str

    @property
    def name(self) -> str:
        """For people, and for folders."""
        return "-".join(self)


def combinations(only: Iterable[str] = ()) -> dict[str, Combination]:
    """All of them by name, or those that have every one of some words."""
    every = (
        Combination(level, split, text, fusion)
        for level, splits in SPLITS.items()
        for split, text, fusion in itertools.product(splits, TEXTS, FUSIONS)
    )
    return {one.name: one for one in every if set(only) <= set(one)}


def measure(
    one: Combination, seed: int, folder: Path, episodes: int, more: list[str]
) -> dict[str, Any]:
    """One training: both sides of its split, paraphrases by type, controls."""
    out = folder / one.name / f"seed-{seed}"
    seconds = finish(
        out, "train", "--config", CONFIG, "--env", f"mmrl/{one.level}-v0", "--split", one.split,
        "--model.text", one.text, *TEXTS[one.text], "--model.fusion", one.fusion, "--seed", seed,
        "--eval-episodes", episodes, *more,
    )  # fmt: skip
    result = json.loads((out / "result.json").read_text())
    other = out / "paraphrases.json"
    if not other.is_file():
        run(
            ["eval", str(out), "--paraphrases", *TYPES, "--controls", "false", "--episodes",
             str(episodes), "--json", str(other)]
        )  # fmt: skip
    types = json.loads(other.read_text())["paraphrases"]["types"]
    return {
        "seed": seed,
        **{key: result.get(key) for key in _KEPT},
        "held_out": {key: result["held_out"][key] for key in (*_MEASURE, "success_by")},
        "paraphrases": {kind: {key: found[key] for key in _MEASURE}
                        for kind, found in types.items()},
        "command_seconds": seconds,
    }  # fmt: skip


def table(results: dict[str, Any]) -> str:
    """One combination a line: means over its seeds."""
    names = ("level", "split", "text", "fusion", "seeds", "trained side", "held out", *TYPES,
             *(one.replace("_", " ") for one in CONTROLS))  # fmt: skip
    lines = [f"| {' | '.join(names)} |", "|---" * 4 + "|--:" * (len(names) - 4) + "|"]
    for one in combinations().values():
        if one.name not in results:
            continue
        runs = results[one.name]["runs"]
        cells = [
            *one,
            str(len(runs)),
            _mean(runs),
            _mean(found["held_out"] for found in runs),
            *(_mean(found["paraphrases"].get(kind) for found in runs) for kind in TYPES),
            *(_mean((found["controls"] or {}).get(name) for found in runs) for name in CONTROLS),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _mean(found: Iterable[dict[str, Any] | None]) -> str:
    """The mean success of several seeds; a dash where one lacks it."""
    rates = [None if one is None else one["success_rate"] for one in found]
    known = [one for one in rates if one is not None]
    return f"{fmean(known):.1%}" if known and len(known) == len(rates) else "–"


def main() -> None:
    """Train, evaluate, print the table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", default=[],
        help="combinations with all of these: a level, a split, a text encoder, a fusion",
    )  # fmt: skip
    parser.add_argument("--demonstrations", type=int, default=2_000, help="of each training")
    parser.add_argument("--episodes", type=int, default=512, help="of each evaluation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    parser.add_argument("--quick", action="store_true", help="try everything on very little")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    if options.quick:
        options.only = options.only or ["GoToLocal", "pairs", "word_gru", "film"]
        options.demonstrations, options.episodes, options.seeds = 32, 8, options.seeds[:1]
        overrides = [*QUICK, *overrides]
    plan = combinations(options.only)
    if not plan:
        parser.error(f"--only {' '.join(options.only)}: no combination has all of these")
    share_cores(options.jobs)
    started = time.monotonic()
    more = ["--bc.demonstrations", str(options.demonstrations), *overrides]
    with work_folder(options) as folder:
        file = folder / RESULT.name if options.quick else RESULT
        results = json.loads(file.read_text())["combinations"] if file.exists() else {}
        measured = each_name(
            list(plan), options,
            lambda name, seed: measure(plan[name], seed, folder, options.episodes, more),
        )  # fmt: skip
        for name, runs in measured:  # each is kept as soon as it is done
            results[name] = {
                **plan[name]._asdict(),
                "demonstrations": options.demonstrations,
                "overrides": overrides,
                "jobs": options.jobs,
                "runs": runs,
                **provenance(started),
            }
            write_json(file, {"combinations": results})
            write_atomically(file.with_suffix(".md"), table(results))
        print(table(results), end="")


if __name__ == "__main__":
    main()

"""One policy for several levels, and how often it succeeds on each level that there is.

    python benchmarks/multi_level.py
    python benchmarks/multi_level.py --recipe multi_level --seeds 0 1 2 --folder runs/multi_level

Trains a recipe of several levels (``configs/imitation/multi_level.yaml``, or ``--recipe``) by the
``mmrl train`` command, and evaluates the policy by ``mmrl eval`` on all 96 levels, those that it
was trained on and others; with ``--strict`` on their strict variants, too. Further options are
handed to ``mmrl train``.

``benchmarks/results/multi_level.json`` has for each recipe, seed and level the success on held-out
episodes with its 95% interval, the random policy's, the expert's steps, SPL, and success divided by
the expert's on the same seeds. A table lies beside it as Markdown. With ``--folder`` a measurement
that was interrupted is resumed. ``--quick`` shows that it works, in less than a minute.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

from commands import finish, run
from seeds import add_folder, work_folder

from mmrl.env_sets import members_of
from mmrl.evaluation.environments import environments_markdown
from mmrl.evaluation.report import provenance
from mmrl.experiment.run import Run
from mmrl.files import write_atomically, write_json

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "multi_level.json"
LEVELS: Final = "[mmrl/*, -*Strict*]"
EVERY: Final = "mmrl/*"
QUICK: Final = "[mmrl/GoToObj*, -*Strict*, -*Maze*, -*Door*]"
QUICK_OPTIONS: Final = (
    "--agent", "bc", "--steps", "20", "--bc.demonstrations", "64", "--bc.batch-size", "128",
    "--model.text", "bag_of_words", "--model.features", "32", "--eval-episodes", "4",
    "--controls", "false", "--record-mb", "0",
)  # fmt: skip
_KEPT: Final = (
    "env", "success_rate", "success_rate_95", "episodes", "mean_length", "mean_length_95",
    "mean_return", "mean_return_95", "controls", "environments", "actions", "seeds",
)  # fmt: skip


def measure(recipe: str, seed: int, folder: Path, options: Any, more: list[str]) -> dict[str, Any]:
    """One training, and its evaluation on all levels."""
    out = folder / recipe.replace("/", "-") / f"seed-{seed}"
    seconds = finish(out, "train", "--config", recipe, "--seed", seed, *more)
    file = out / "levels.json"
    if not file.is_file():
        levels = QUICK if options.quick else EVERY if options.strict else LEVELS
        run(["eval", str(out), "--env", levels, "--episodes", str(options.episodes),
             "--json", str(file)])  # fmt: skip
    report = json.loads(file.read_text())
    config = Run.open(out).config
    return {
        "seed": seed,
        "command_seconds": seconds,
        "trained_in": [one.env for one in members_of(config["env"])],
        "agent": config["agent"],
        "steps": config["steps"],
        **{key: report[key] for key in _KEPT if key in report},
    }


def table(recipes: dict[str, Any]) -> str:
    """The levels of each recipe's first seed, a line each; those of the training are marked."""
    parts = []
    for recipe, one in recipes.items():
        first = one["runs"][0]
        known = set(first["trained_in"])
        marked = {f"{env} *" if env in known else env: report
                  for env, report in first["environments"].items()}  # fmt: skip
        rates = ", ".join(f"{run['success_rate']:.1%}" for run in one["runs"])
        head = (
            f"{recipe}: {first['agent']}, {first['steps']:,} steps; mean success by seed: {rates}"
        )
        lines = environments_markdown({**first, "environments": marked})
        parts.append("\n".join([f"{head}. Trained on: *", "", *lines]))
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Train, evaluate, print the table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="imitation/multi_level")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--episodes", type=int, default=128, help="on each level")
    parser.add_argument("--strict", action="store_true", help="on the strict variants, too")
    parser.add_argument("--quick", action="store_true", help="tiny; nothing is published")
    parser.add_argument("--result", type=Path, default=RESULT, help="file that is written")
    add_folder(parser)
    options, more = parser.parse_known_args()
    if options.quick:
        options.episodes = min(options.episodes, 4)
        more = [*QUICK_OPTIONS, *more]
    started = time.monotonic()
    recipes: dict[str, Any] = {}
    if options.result.exists() and not options.quick:
        recipes = json.loads(options.result.read_text())["recipes"]
    with work_folder(options) as folder:
        runs = [measure(options.recipe, seed, folder, options, more) for seed in options.seeds]
    recipes[options.recipe] = {"overrides": more, "runs": runs, **provenance(started)}
    if not options.quick or options.result != RESULT:
        write_json(options.result, {"recipes": recipes})
        write_atomically(options.result.with_suffix(".md"), table(recipes))
    print(table(recipes), end="")


if __name__ == "__main__":
    main()

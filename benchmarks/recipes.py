"""What the recipes in ``configs/levels`` come to: each trained by the ``mmrl train`` command.

    python benchmarks/recipes.py --jobs 2
    python benchmarks/recipes.py --only go_to_obj open_red_door --seeds 0 1 2

Further options are handed to ``mmrl train``. With ``--folder`` a measurement that was interrupted
is resumed. What is kept in ``benchmarks/results/recipes.json``:
for each recipe and seed the success on 512 held-out episodes with its 95% interval (Wilson's),
steps, wall time and the curve of the training episodes; a table lies beside it as Markdown, and
the curves as an image. Recipes that are not run this time keep their entries.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

import yaml
from learning import train
from seeds import add_folder, each_name, share_cores, work_folder

from mmrl.evaluation.report import provenance
from mmrl.files import write_atomically, write_json

RESULTS: Final = Path(__file__).parent / "results"
RECIPES: Final = Path(__file__).parent.parent / "configs" / "levels"


def run_recipe(name: str, seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """One training of a recipe: its result, wall time and curve."""
    here = folder / name
    here.mkdir(exist_ok=True)
    result = train(RECIPES / f"{name}.yaml", seed, here, [*overrides, "--clip-every", "0"])
    print(f"{name}, seed {seed}: {result['success_rate']:.1%} held out", flush=True)
    return result


def table(recipes: dict[str, Any]) -> str:
    """All recipes, one a line; what is not a seed's own is the mean over the seeds."""
    lines = [
        "| recipe | level | steps | success, by seed | random policy | swapped | empty "
        "| actions | expert's | SPL | language accuracy |",
        "|---|---|--:|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, one in sorted(recipes.items(), key=lambda item: item[1]["config"]["steps"]):
        runs = one["runs"]
        cells = [
            f"`{name}`",
            one["config"]["env"].removeprefix("mmrl/").removesuffix("-v0"),
            f"{one['config']['steps']:,}",
            ", ".join(f"{run['success_rate']:.1%}" for run in runs),
            average(runs, "{:.1%}", "controls", "random_policy", "success_rate"),
            average(runs, "{:.1%}", "controls", "swapped_instructions", "success_rate"),
            average(runs, "{:.1%}", "controls", "empty_instruction", "success_rate"),
            average(runs, "{:.1f}", "mean_length"),
            average(runs, "{:.1f}", "controls", "expert", "mean_length"),
            average(runs, "{:.2f}", "controls", "expert", "spl"),
            average(runs, "{:.1%}", "controls", "language_accuracy", "rate"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def average(runs: list[dict[str, Any]], form: str, *path: str) -> str:
    """The mean over the seeds of what stands under these keys; a dash where one lacks it."""
    found = [find(run, path) for run in runs]
    return "–" if None in found else form.format(sum(found) / len(found))


def find(run: dict[str, Any], path: tuple[str, ...]) -> Any:
    """What stands under these keys, one below the other; None where one is missing."""
    for key in path:
        run = (run or {}).get(key)  # type: ignore[assignment]
    return run


def plot(recipes: dict[str, Any], path: Path) -> None:
    """The curves of every recipe, side by side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    columns = min(4, len(recipes))
    rows = -(-len(recipes) // columns)
    size = (3 * columns, 2.2 * rows)
    figure, grid = plt.subplots(
        rows, columns, figsize=size, layout="constrained", sharey=True, squeeze=False
    )
    for axes in grid.flat[len(recipes) :]:
        axes.set_visible(False)
    for axes, (name, one) in zip(grid.flat, sorted(recipes.items()), strict=False):
        for run in one["runs"]:
            steps, rates = zip(*run["curve"], strict=True)
            axes.plot([step / 1000 for step in steps], rates, linewidth=1.2)
        axes.set_title(name, fontsize=9)
        axes.set_ylim(0, 1.02)
        axes.grid(alpha=0.25)
    figure.supxlabel("thousands of environment steps", fontsize=9)
    figure.supylabel("success, training episodes", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Train, print the table, write the results."""
    known = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=known, default=known, metavar="RECIPE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    share_cores(options.jobs)
    started = time.monotonic()
    file = RESULTS / "recipes.json"
    recipes: dict[str, Any] = json.loads(file.read_text())["recipes"] if file.exists() else {}
    with work_folder(options) as folder:
        measured = each_name(
            options.only, options, lambda name, seed: run_recipe(name, seed, folder, overrides)
        )
        for name, runs in measured:  # each is kept as soon as it is done
            recipes[name] = {
                "config": yaml.safe_load((RECIPES / f"{name}.yaml").read_text()),
                "overrides": overrides,
                "jobs": options.jobs,
                "runs": runs,
                **provenance(started),
            }
            write_json(file, {"recipes": recipes})
            write_atomically(RESULTS / "recipes.md", table(recipes))
            plot(recipes, RESULTS / "recipes.png")
    print(table(recipes), end="")


if __name__ == "__main__":
    main()

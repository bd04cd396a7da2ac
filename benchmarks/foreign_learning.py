"""Learning in environments of other packages, beside a random policy: ``configs/foreign``.

    pip install popgym panda-gym miniworld
    python benchmarks/foreign_learning.py --jobs 2
    python benchmarks/foreign_learning.py --only popgym_repeat_previous --seeds 0 1 2

Each is trained by the ``mmrl train`` command with several seeds. Further options are handed to it.
``benchmarks/results/foreign_learning.json`` has for each environment and seed the success on
held-out episodes with its 95% interval, or the mean return where success is unknown, that of a
random policy on the same seeds, and the curve of the training episodes; a table and a plot of the
curves lie beside it. Environments that are not run this time keep their entries. With ``--folder``
a measurement that was interrupted is resumed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import yaml
from commands import finish
from learning import curve
from seeds import add_folder, each_name, share_cores, work_folder

from mmrl.evaluation.report import provenance
from mmrl.files import write_atomically, write_json

RESULTS: Final = Path(__file__).parent / "results"
RESULT: Final = RESULTS / "foreign_learning.json"
CONFIGS: Final = Path(__file__).parent.parent / "configs" / "foreign"


def measure(name: str, seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """One training: its result, a random policy's, and its curve."""
    out = folder / name / f"seed-{seed}"
    config = CONFIGS / f"{name}.yaml"
    seconds = finish(out, "train", "--config", config, "--seed", seed, "--trust-code", *overrides)
    result = json.loads((out / "result.json").read_text())
    kind = "success_rate" if result["success_rate"] is not None else "mean_return"
    random = result["controls"]["random_policy"]
    tag = "rollout/success_rate" if kind == "success_rate" else "rollout/ep_rew_mean"
    run = {
        "seed": seed,
        "measured": kind,
        "value": result[kind],
        "value_95": result[f"{kind}_95"],
        "episodes": result["episodes"],
        "mean_length": result["mean_length"],
        "random": random[kind],
        "random_95": random[f"{kind}_95"],
        "controls": result["controls"],
        "command_seconds": seconds,
        "curve": curve(out, tag),
    }
    print(f"{name}, seed {seed}: {run['value']:.3g}, random {run['random']:.3g}", flush=True)
    return run


def table(worlds: dict[str, Any]) -> str:
    """One environment a line."""
    lines = [
        "| configuration | environment | agent | steps | measured | by seed | random policy "
        "| swapped instructions | blank image |",
        "|---|---|---|--:|---|---|--:|--:|--:|",
    ]
    for name, one in worlds.items():
        runs, config = one["runs"], one["config"]
        form = "{:.1%}" if runs[0]["measured"] == "success_rate" else "{:.2f}"
        values = ", ".join(form.format(run["value"]) for run in runs)
        random = form.format(fmean(run["random"] for run in runs))
        swapped, blank = (
            control(runs, name, form) for name in ("swapped_instructions", "blank_image")
        )
        measured = "success" if runs[0]["measured"] == "success_rate" else "return"
        lines.append(
            f"| `{name}` | `{config['env']}` | {config['agent']} | {config['steps']:,} "
            f"| {measured} | {values} | {random} | {swapped} | {blank} |"
        )
    return "\n".join(lines) + "\n"


def control(runs: list[dict[str, Any]], name: str, form: str) -> str:
    """The mean of a control over the seeds; a dash where there is none, or was none measured."""
    found = [(run.get("controls") or {}).get(name) for run in runs]
    if None in found:
        return "–"
    return form.format(fmean(one[runs[0]["measured"]] for one in found if one is not None))


def plot(worlds: dict[str, Any], path: Path) -> None:
    """The curves of every environment, side by side; a random policy's mean as a dotted line."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, grid = plt.subplots(
        1, len(worlds), figsize=(3.2 * len(worlds), 2.8), layout="constrained", squeeze=False
    )
    for axes, (name, one) in zip(grid.flat, worlds.items(), strict=True):
        for run in one["runs"]:
            steps, values = zip(*run["curve"], strict=True)
            axes.plot([step / 1000 for step in steps], values, linewidth=1.2)
        axes.axhline(one["runs"][0]["random"], color="grey", linestyle=":")
        axes.set_title(name, fontsize=9)
        is_rate = one["runs"][0]["measured"] == "success_rate"
        axes.set_ylabel("success" if is_rate else "return", fontsize=8)
        axes.grid(alpha=0.25)
    figure.supxlabel("thousands of environment steps", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Train, print the table, write the results."""
    known = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=known, default=known, metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    share_cores(options.jobs)
    started = time.monotonic()
    worlds: dict[str, Any] = {}
    if RESULT.exists():
        worlds = json.loads(RESULT.read_text())["environments"]
    with work_folder(options) as folder:
        measured = each_name(
            options.only, options, lambda name, seed: measure(name, seed, folder, overrides)
        )
        for name, runs in measured:  # each is kept as soon as it is done
            worlds[name] = {
                "config": yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()),
                "overrides": overrides,
                "jobs": options.jobs,
                "runs": runs,
                **provenance(started),
            }
            worlds = dict(sorted(worlds.items()))
            write_json(RESULT, {"environments": worlds})
            write_atomically(RESULT.with_suffix(".md"), table(worlds))
            plot(worlds, RESULT.with_suffix(".png"))
    print(table(worlds), end="")


if __name__ == "__main__":
    main()

"""``mmrl ablate``: trains variants of a configuration with equal budgets, and compares them."""

from __future__ import annotations

import shlex
from pathlib import Path

from mmrl.arguments.checks import check
from mmrl.arguments.parser import AsWritten, Parser
from mmrl.arguments.request import parse
from mmrl.cli.common import claim
from mmrl.cli.processes import PlannedTraining, finish_all, named_code
from mmrl.env_sets import short_name
from mmrl.errors import UserError
from mmrl.experiment.ablation import Arm, markdown, plan, read_row, write_tables
from mmrl.optional_packages import install_line, is_installed
from mmrl.recipes import find_config_file
from mmrl.schema import read_text
from mmrl.yaml_text import read_yaml

_DESCRIPTION = """\
Train variants of a configuration with the same budget and several seeds, and write a table
(Markdown and CSV) and a plot with intervals:

  mmrl ablate demo --over model.fusion=concat,film,gated
      --over optimizer.name=adamw,sgd[ppo.learning_rate=0.05] --seeds 3 --out ablations/demo

Each --over changes one key at a time, the rest staying as configured; --product trains every
combination instead. A value may have further settings of its own, in brackets. Call the command
again to resume: finished trainings are kept, interrupted ones continue from their last checkpoint.
"""


def run(arguments: list[str]) -> int:
    """Train what is missing, then write the tables."""
    parser = Parser(prog="mmrl ablate", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("config", type=str, help="YAML file of 'mmrl train', or a recipe")
    parser.add_argument("--over", type=str, action="append", help="key=value,value,… (repeatable)")
    parser.add_argument("--out", type=str, required=True, help="folder of all runs and the tables")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0")
    parser.add_argument("--steps", type=int | None, default=None, help="environment steps of each")
    parser.add_argument("--product", type=bool, default=False, help="every combination of values")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    options = parser.parse_args(arguments)
    for name in ("seeds", "jobs"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} {getattr(options, name)}: must be at least 1")
    if not options.over:
        raise UserError(
            "--over is missing: name what to vary, such as --over model.fusion=film,concat"
        )
    options.config = find_config_file(options.config)
    arms = plan(options.over, product=options.product)
    common = [f"--config={options.config}"]
    common += [] if options.steps is None else [f"--steps={options.steps}"]
    common += named_code(parse([*common, "--out=unused"]).config)
    for arm in arms:  # a wrong key is found now, not after hours
        config = parse([*common, "--out=unused", *arm.options]).config
        check(config)
        if not config.eval_episodes:
            raise UserError("eval_episodes=0: nothing would be compared")
    folder, seeds = Path(options.out), range(options.seeds)
    configured = read_text(Path(options.config))
    settings = {"config": configured, "steps": options.steps}
    claim(folder, "ablation.yaml", settings, "an ablation")
    _train_all(arms, folder, seeds, common, options.jobs)
    rows = [row for arm in arms if (row := read_row(arm, folder, seeds))]
    title = f"{short_name(config.env)}, {config.steps:,} steps"
    about = {
        "command": f"mmrl ablate {shlex.join(arguments)}",
        "config": read_yaml(configured),
    }
    written = write_tables(folder, rows, title, about)
    print(markdown([row.summary() for row in rows], title))
    print(f"written: {', '.join(map(str, written))}")
    if not is_installed("matplotlib"):
        print(f"for a plot: {install_line('plots')}, then call this again")
    return 0


def _train_all(arms: list[Arm], folder: Path, seeds: range, common: list[str], jobs: int) -> None:
    """Train every arm with every seed that has no result yet, in processes of their own."""
    planned = [
        PlannedTraining(
            f"{arm.name}, seed {seed}",
            folder / arm.folder / f"seed-{seed}",
            [*common, *arm.options, f"--seed={seed}"],
        )
        for seed in seeds  # all arms once before any twice: the table is fair at any time
        for arm in arms
    ]
    missing = [one for one in planned if not one.is_done]
    finish_all(missing, jobs, lambda one: f"{one.name}: done")

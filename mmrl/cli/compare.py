"""``mmrl compare``: a table and a plot of several trainings, over their seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.evaluation.comparison import markdown, summarize
from mmrl.experiment.comparing import arms_of, find_runs
from mmrl.files import make_folder, write_atomically, write_bytes, write_json
from mmrl.text_output import printable
from mmrl.viz.comparison import comparison_plot

_DESCRIPTION: Final = """\
Compare evaluated runs. Those whose configurations differ in their seeds alone are one arm:

  mmrl compare runs/film-0 runs/film-1 runs/film-2 runs/concat-0 runs/concat-1 runs/concat-2
  mmrl compare runs/ablation --out comparison        all runs in a folder; writes table and plot

Shown of each arm, with 95% intervals by a stratified bootstrap over seeds (Agarwal et al., 2021):

  mean, IQM      of success, or of the return where success is not known; IQM is the mean of the
                 middle half of the runs
  worst          the worst run
  controls       what a random policy and the agent with swapped and empty instructions reach; SPL
  better         the probability that a run is better than one of the first arm

With three seeds an interval is rough: it shows no more than the spread of three numbers. Runs of
several environments are pooled, where all arms have the same ones. Runs that were evaluated on
other episodes are refused, unless --force is given.
"""


def run(arguments: list[str]) -> int:
    """Compare, print the table, and write what is wanted."""
    parser = Parser(prog="mmrl compare", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("runs", type=str, nargs="+", help="run folders, or folders of them")
    parser.add_argument(
        "--out", type=str, default="", help="folder for comparison.md, .json and .png"
    )
    parser.add_argument(
        "--force", type=bool, default=False, help="compare runs that were evaluated differently"
    )
    options = parser.parse_args(arguments)
    arms = arms_of(find_runs(options.runs), force=options.force)
    summaries = summarize(arms)
    table = markdown(summaries)
    print(printable(table, breaks=True), end="")
    if options.out:
        folder = Path(options.out)
        make_folder(folder)
        write_json(folder / "comparison.json", {"arms": summaries})
        write_atomically(folder / "comparison.md", table)
        write_bytes(folder / "comparison.png", comparison_plot(arms, ", ".join(arms[0].scores)))
        print(f"written to {printable(str(folder))}: comparison.md, .json and .png")
    return 0

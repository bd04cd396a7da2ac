"""``mmrl envs``: the environments that are installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from mmrl.arguments.parser import Parser
from mmrl.errors import UserError
from mmrl.files import write_json
from mmrl.installed_packages import find_installed
from mmrl.progress import ProgressBar
from mmrl.registry import load_environments
from mmrl.text_output import format_table, printable
from mmrl.training.env_summary import COLUMNS, EnvSummary, summarize_env

_DESCRIPTION = (
    "List the environments that are installed, by the package that offers them with an entry point "
    "in the group mmrl.environments. --all lists those of every package: all that Gymnasium has "
    "registered, and well-known packages, which are imported. With a filter, each of these is "
    "built, and shown with its images, vectors, actions, and where its instruction and success "
    "come from."
)


def run(arguments: list[str]) -> int:
    """List environment ids by the package that offers them."""
    parser = Parser(prog="mmrl envs", description=_DESCRIPTION)
    parser.add_argument("filter", nargs="?", default="", help="show only ids that contain this")
    parser.add_argument(
        "--all", type=bool, default=False, help="the environments of all packages, see above"
    )
    parser.add_argument(
        "--json", type=str | None, default=None, help="file for what --all understands, as JSON"
    )
    options = parser.parse_args(arguments)
    if options.json and not (options.all and options.filter):
        raise UserError(f"--json {options.json}: give --all and a part of the ids, too")
    chosen = options.filter.lower()
    if not options.all:
        _print_ids(load_environments(), chosen)
        return 0
    found = find_installed()
    for module, why in found.failed.items():
        print(f"{module} cannot be imported: {printable(why)}")
    if not chosen:
        _print_ids(found.ids, chosen)
        print("\n'mmrl envs --all PART' builds those whose id contains PART, and shows what is in "
              "them")  # fmt: skip
        return 0
    ids = [one for each in found.ids.values() for one in each if chosen in one.lower()]
    if not ids:
        raise UserError(f"no id contains {options.filter!r}: 'mmrl envs --all' lists them")
    summaries = []
    with ProgressBar("building", len(ids), "environments") as bar:
        for env_id in ids:
            summaries.append(summarize_env(env_id))
            bar.advance(note=printable(env_id))
    print(format_summaries(summaries))
    if options.json:
        plain = {"environments": [asdict(one) for one in summaries], "failed": found.failed}
        write_json(Path(options.json), plain)
    return 0


def _print_ids(packages: Mapping[str, Sequence[str]], chosen: str) -> None:
    for package, ids in packages.items():
        shown = [id_ for id_ in ids if chosen in id_.lower()]
        print(f"{printable(package)} ({len(shown)} of {len(ids)})")
        for id_ in shown:
            print(f"  {printable(id_)}")


def format_summaries(summaries: Sequence[EnvSummary]) -> str:
    """What is understood of environments as a table, and why others cannot be built."""
    built = [one.row for one in summaries if one.why is None]
    lines = [format_table(COLUMNS, built)] if built else []
    lines += [f"  {printable(one.id)} cannot be built: {one.why}" for one in summaries if one.why]
    return "\n".join(lines)

"""``mmrl pull``: download a run or a dataset of the hub."""

from __future__ import annotations

from typing import Final

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.cli.export import FORCE
from mmrl.sharing.share import pull
from mmrl.text_output import printable

_DESCRIPTION: Final = """\
Download a run or a dataset of the Hugging Face Hub into a folder. Wherever a run is named, its
user/name does as well: 'mmrl eval user/name' downloads it into the hub's cache.

  mmrl pull user/first-agent
  mmrl pull user/first-agent@v1 agents/first
  mmrl pull --dataset user/gotolocal-expert ./expert

Nothing that is downloaded runs code; see SECURITY.md.
"""


def run(arguments: list[str]) -> int:
    """Download, and say what to do with it."""
    parser = Parser(prog="mmrl pull", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("name", type=str, help="user/name, or user/name@revision")
    parser.add_argument(
        "folder", nargs="?", default=None, help="folder to write; by default its name, here"
    )
    parser.add_argument("--dataset", type=bool, default=False, help="it is a dataset")
    parser.add_argument("--force", type=bool, default=False, help=FORCE)
    options = parser.parse_args(arguments)
    target = pull(options.name, options.folder, dataset=options.dataset, force=options.force)
    shown = printable(str(target))
    use = f"mmrl collect show {shown}" if options.dataset else f"mmrl eval {shown}"
    print(f"{printable(options.name)} → {shown}; try: {use}")
    return 0

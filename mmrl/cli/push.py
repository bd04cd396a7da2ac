"""``mmrl push``: upload a run or a dataset to the hub."""

from __future__ import annotations

from typing import Final

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.cli.export import add_options, given
from mmrl.sharing.share import push

_DESCRIPTION: Final = """\
Upload a run or a dataset to the Hugging Face Hub, exported first, if it is not; see 'mmrl export'.
Log in once by 'hf auth login'.

  mmrl push runs/first user/first-agent
  mmrl push first-agent user/first-agent --private
  mmrl push gotolocal/expert-v0 user/gotolocal-expert
"""


def run(arguments: list[str]) -> int:
    """Upload, and print the address."""
    parser = Parser(
        prog="mmrl push",
        description=_DESCRIPTION,
        formatter_class=AsWritten,
        earlier={"license": "licence"},
    )
    parser.add_argument("what", type=str, help="run folder, folder of 'mmrl export', or dataset")
    parser.add_argument("name", type=str, help="user/name on the hub")
    parser.add_argument("--private", type=bool, default=False, help="for a repository that is new")
    add_options(parser)
    options = parser.parse_args(arguments)
    print(push(options.what, options.name, private=options.private, **given(options)))
    return 0

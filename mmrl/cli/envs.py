"""``mmrl envs``: the environments that are installed."""

from __future__ import annotations

from mmrl.arguments.parser import Parser
from mmrl.registry import load_environments


def run(arguments: list[str]) -> int:
    """List environment ids by the package that offers them."""
    parser = Parser(
        prog="mmrl envs",
        description="List the environments that are installed, by the package that offers them. "
        "Any other Gymnasium id (or module:id) with an image and a string works too; a package "
        "is listed here if it has an entry point in the group mmrl.environments.",
    )
    parser.add_argument("filter", nargs="?", default="", help="show only ids that contain this")
    chosen = parser.parse_args(arguments).filter.lower()
    for package, ids in load_environments().items():
        shown = [id_ for id_ in ids if chosen in id_.lower()]
        print(f"{package} ({len(shown)} of {len(ids)})")
        for id_ in shown:
            print(f"  {id_}")
    return 0

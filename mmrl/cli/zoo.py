"""``mmrl zoo``: the trained agents of installed packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.errors import UserError
from mmrl.experiment.run import RESULT, Run
from mmrl.sharing.export import read_result
from mmrl.sharing.names import ZOO
from mmrl.sharing.zoo import zoo_folders
from mmrl.text_output import format_table

_DESCRIPTION: Final = """\
List the trained agents that come with installed packages, with their success on held-out episodes
beside a random policy's and that with another episode's instruction; where success is unknown, the
return. Such an agent is used by its
name wherever a run is.

  mmrl zoo
  mmrl watch zoo:NAME
"""
_HEADER: Final = ("agent", "environment", "success", "random", "swapped", "MB")


def run(arguments: list[str]) -> int:
    """List the agents."""
    parser = Parser(prog="mmrl zoo", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.parse_args(arguments)
    folders = zoo_folders()
    if not folders:
        print("no installed package brings agents")
        return 0
    print(format_table(_HEADER, _rows(folders)))
    return 0


def _rows(folders: Mapping[str, Path]) -> Iterator[tuple[str, ...]]:
    for name, folder in folders.items():
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        try:
            env = str(Run.open(folder).config.get("env", ""))
            result = read_result(folder / RESULT) or {}
        except UserError as error:
            yield f"{ZOO}{name}", f"cannot be read: {error}", "", "", "", ""
            continue
        controls = result.get("controls", {})
        rates = (
            result,
            controls.get("random_policy", {}),
            controls.get("swapped_instructions", {}),
        )
        yield f"{ZOO}{name}", env, *map(_shown, rates), f"{size / 1e6:.1f}"


def _shown(one: Mapping[str, Any]) -> str:
    """The success, or the return where success is unknown; empty where neither was measured."""
    rate, mean_return = one.get("success_rate"), one.get("mean_return")
    if rate is not None:
        return f"{rate:.1%}"
    return "" if mean_return is None else f"return {mean_return:,.1f}"

"""``mmrl export``: a run or a dataset as a folder to give away, with a card."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.sharing.share import export
from mmrl.text_output import printable

_DESCRIPTION: Final = """\
Write what acts of a run into a folder of its own: weights (safetensors), configuration,
preprocessing, what is known of the environment, the result, and a model card in the hub's format
with a GIF and the results with their 95% intervals. The folder is a run folder: 'mmrl eval',
'watch' and 'clip' open it. It has no optimiser, replay buffer or records, and cannot be resumed.

  mmrl export runs/first first-agent
  mmrl export runs/first first-agent --half --onnx --licence mit
  mmrl export gotolocal/expert-v0 ./expert          a dataset, with a dataset card
  mmrl push first-agent user/first-agent            upload it
"""
FORCE: Final = "replace the folder, if it is an exported run or a dataset"


def run(arguments: list[str]) -> int:
    """Export a run or a dataset, and say how to use it."""
    parser = Parser(
        prog="mmrl export",
        description=_DESCRIPTION,
        formatter_class=AsWritten,
        earlier={"license": "licence"},
    )
    parser.add_argument("what", type=str, help="run folder, or a Minari dataset")
    parser.add_argument("folder", type=str, help="folder to write")
    add_options(parser)
    parser.add_argument("--force", type=bool, default=False, help=FORCE)
    options = parser.parse_args(arguments)
    target = export(options.what, options.folder, force=options.force, **given(options))
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"exported to {printable(str(target))} ({size / 1e6:.1f} MB)")
    return 0


def add_options(parser: Parser) -> None:
    """Add the options of what an export holds."""
    parser.add_argument(
        "--half", type=bool, default=False, help="weight matrices as float16, half as large"
    )
    parser.add_argument(
        "--onnx",
        type=bool,
        default=False,
        help="the policy also as an ONNX graph, compared with torch's by onnxruntime",
    )
    parser.add_argument("--preview", type=bool, default=True, help="play episodes for a GIF")
    parser.add_argument(
        "--licence", type=str | None, default=None, help="for the card, such as mit"
    )
    parser.add_argument(
        "--result",
        type=str | None,
        default=None,
        help="file of 'mmrl eval --json' for the card; by default the result of the training",
    )


def given(options: Any) -> dict[str, Any]:
    """The options of :func:`add_options` that are not at their defaults, and the licence."""
    names = ("half", "onnx", "preview", "licence", "result")
    defaults = (False, False, True, None, None)
    pairs = zip(names, defaults, strict=True)
    found = {name: options[name] for name, default in pairs if options[name] != default}
    if "result" in found:
        found["result"] = Path(found["result"])
    return found

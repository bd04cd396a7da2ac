"""``mmrl dashboard``: TensorBoard on the tab "Rollouts"."""

from __future__ import annotations

import sys
import threading
import webbrowser
from typing import Final

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.tensorboard.server import start

_DESCRIPTION: Final = """\
Open TensorBoard on its tab Rollouts: the episodes of a training, frame by frame, with instructions,
actions and their probabilities, values, rewards and attention; success by kind of instruction over
the training; and two episodes side by side. Curves are on the other tabs. During a training new
episodes appear by themselves. Ctrl-C ends it.

  mmrl dashboard runs                       all runs of a folder
  mmrl dashboard runs/first runs/second     two of them
"""


def run(arguments: list[str]) -> int:
    """Serve until the user interrupts."""
    parser = Parser(prog="mmrl dashboard", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("runs", type=str, nargs="*", default=["runs"], help="runs, or their folder")
    parser.add_argument(
        "--port", type=int | None, default=None, help="of the server; a free one, if left out"
    )
    parser.add_argument("--no-open", type=bool, default=False, help="do not open a browser")
    options = parser.parse_args(arguments)
    address = start(options.runs, options.port)
    print(f"TensorBoard, on the tab Rollouts: {address}\nCtrl-C ends it", flush=True)
    if not options.no_open and sys.stdout.isatty():
        webbrowser.open(address)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()
    return 0

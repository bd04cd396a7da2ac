"""``mmrl translate``: sentences in another language, by a trained translator."""

from __future__ import annotations

import sys
from typing import Any

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.cli.common import decoding_options, format_line
from mmrl.device import AUTO, DEVICES
from mmrl.errors import UserError
from mmrl.sharing.locate import find_run_folder
from mmrl.training.load import load

_DESCRIPTION = """\
Translate sentences, each with the probability of its translation.

  mmrl fit translation --config translation --out runs/zh-en
  mmrl translate runs/zh-en 走到那个红色的球
  mmrl translate runs/zh-en < sentences.txt    one a line
"""


def run(arguments: list[str]) -> int:
    """Print a line for each sentence."""
    parser = Parser(prog="mmrl translate", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("run", type=str, help="run folder that 'mmrl fit translation' made")
    parser.add_argument(
        "sentences", type=str, nargs="*", help="to translate; the lines of the input, if none"
    )
    parser.add_argument(
        "--beams", type=int, default=4, help="of the beam search; 1 decodes greedily"
    )
    parser.add_argument("--device", type=str, default=AUTO, help=DEVICES)
    options = parser.parse_args(arguments)
    how = decoding_options(options.beams)
    translator: Any = load(find_run_folder(options.run), "translation", options.device)
    for sentence in options.sentences or (each.strip() for each in sys.stdin):
        if not sentence.strip():
            if options.sentences:
                raise UserError("a sentence is empty: there is nothing to translate")
            print()
            continue
        print(format_line(translator.translate([sentence], **how)[0]))
    return 0

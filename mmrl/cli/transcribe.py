"""``mmrl transcribe``: what WAV files say, by a recogniser that was fitted."""

from __future__ import annotations

from typing import Any

from mmrl.cli.common import held_to, line, searched
from mmrl.cli.parser import AsWritten, Parser
from mmrl.preprocessing.speech import read_wav
from mmrl.text_output import printable
from mmrl.training.load import load

_DESCRIPTION = """\
Write down what WAV files say, and how probable the model holds it.

  mmrl fit speech --config configs/fit/speech.yaml --out runs/speech
  mmrl transcribe runs/speech said.wav
  mmrl transcribe runs/speech said.wav --env mmrl/GoToLocal-v0    only what that environment says

Any rate and format of WAV will do; of several channels, the mean is heard.
"""


def run(arguments: list[str]) -> int:
    """Print a line for each file."""
    parser = Parser(prog="mmrl transcribe", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("run", type=str, help="run folder that 'mmrl fit speech' made")
    parser.add_argument("files", type=str, nargs="+", help="WAV files")
    parser.add_argument(
        "--beams", type=int, default=4, help="beginnings that are kept; 1 takes the best word"
    )
    parser.add_argument(
        "--env", type=str | None, default=None, help="environment whose instructions are kept to"
    )
    parser.add_argument("--env_args", type=dict[str, Any], default={}, help="of that environment")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu or cuda")
    options = parser.parse_args(arguments)
    how = searched(options.beams)
    sounds = [read_wav(path) for path in options.files]
    recogniser: Any = load(options.run, "speech", options.device)
    if options.env is not None:
        how["allowed"] = held_to(recogniser, options.env, **options.env_args)
    for path, sound in zip(options.files, sounds, strict=True):
        said = recogniser.transcribe([sound], **how)[0]
        print(f"{line(said)}   {printable(path)}")
    return 0

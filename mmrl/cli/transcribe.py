"""``mmrl transcribe``: speech recognition of WAV files by a trained recogniser."""

from __future__ import annotations

from typing import Any

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.cli.common import constraint, decoding_options, format_line
from mmrl.device import AUTO, DEVICES
from mmrl.preprocessing.speech import read_wav
from mmrl.sharing.locate import find_run_folder
from mmrl.text_output import printable
from mmrl.training.load import load

_DESCRIPTION = """\
Transcribe WAV files, each with the probability of its transcript.

  mmrl fit speech --config speech --out runs/speech
  mmrl transcribe runs/speech command.wav
  mmrl transcribe runs/speech command.wav --env mmrl/GoToLocal-v0    only instructions of that one

Any rate and format of WAV will do; several channels are averaged.
"""


def run(arguments: list[str]) -> int:
    """Print a line for each file."""
    parser = Parser(prog="mmrl transcribe", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("run", type=str, help="run folder that 'mmrl fit speech' made")
    parser.add_argument("files", type=str, nargs="+", help="WAV files")
    parser.add_argument(
        "--beams", type=int, default=4, help="of the beam search; 1 decodes greedily"
    )
    parser.add_argument(
        "--env", type=str | None, default=None, help="constrain transcripts to its instructions"
    )
    parser.add_argument("--env-args", type=dict[str, Any], default={}, help="of that environment")
    parser.add_argument("--device", type=str, default=AUTO, help=DEVICES)
    options = parser.parse_args(arguments)
    how = decoding_options(options.beams)
    sounds = [read_wav(path) for path in options.files]
    recogniser: Any = load(find_run_folder(options.run), "speech", options.device)
    if options.env is not None:
        how["allowed"] = constraint(recogniser, options.env, **options.env_args)
    for path, sound in zip(options.files, sounds, strict=True):
        transcript = recogniser.transcribe([sound], **how)[0]
        print(f"{format_line(transcript)}   {printable(path)}")
    return 0

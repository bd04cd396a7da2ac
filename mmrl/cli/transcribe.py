"""``mmrl transcribe``: what WAV files say, by a recogniser that was fitted."""

from __future__ import annotations

from typing import Any

from mmrl.cli.parser import AsWritten, Parser
from mmrl.errors import UserError
from mmrl.fitting.loop import load
from mmrl.fitting.sentences import held_out_seeds, instructions, training_seeds
from mmrl.generative.continuations import OneOf
from mmrl.generative.generator import TextGenerator
from mmrl.preprocessing.wav import read_wav

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
        "--beam", type=int, default=4, help="beginnings that are kept; 1 takes the best word"
    )
    parser.add_argument(
        "--env", type=str | None, default=None, help="environment whose instructions are kept to"
    )
    parser.add_argument("--env_args", type=dict[str, Any], default={}, help="of that environment")
    parser.add_argument(
        "--episodes", type=int, default=20_000, help="of it, to collect its instructions"
    )
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu or cuda")
    options = parser.parse_args(arguments)
    for name in ("beam", "episodes"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} {getattr(options, name)}: must be at least 1")
    sounds = [read_wav(path) for path in options.files]
    recogniser: Any = load(options.run, "speech", options.device)
    allowed = None
    if options.env is not None:
        allowed = language(recogniser, options.env, options.env_args, options.episodes)
    for path, sound in zip(options.files, sounds, strict=True):
        said = recogniser.transcribe([sound], **searched(options.beam), allowed=allowed)[0]
        print(f"{path}: {said.sentence} ({said.probability:.1%})")
    return 0


def searched(beams: int) -> dict[str, Any]:
    """How the sentence is searched for, as :meth:`TextGenerator.say` takes it."""
    return {"how": "greedy"} if beams == 1 else {"how": "beam", "beams": beams}


def language(generator: TextGenerator, env: str, env_args: dict[str, Any], episodes: int) -> OneOf:
    """The instructions of so many episodes, to be held to.

    Raises:
        UserError: no such environment, or one whose words the generator does not know.
    """
    seeds = [*training_seeds(episodes // 2, 0), *held_out_seeds(episodes - episodes // 2)]
    try:
        return generator.one_of(instructions(env, env_args, seeds))
    except ValueError as error:
        raise UserError(f"{env} says what this model was not fitted for: {error}") from error

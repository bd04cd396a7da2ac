"""What commands share: decoding options, and the folder of many trainings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mmrl.errors import UserError
from mmrl.files import write_atomically
from mmrl.generative.text.decoder import Constraint
from mmrl.generative.text.models import GeneratedText, TextGenerator
from mmrl.schema import read_yaml
from mmrl.text_output import printable
from mmrl.wrappers.adapters import instructions
from mmrl.yaml_text import to_yaml

_EPISODES: Final = 4096
SUCCESS: Final = (
    "what an episode's success is: an entry of its last info, terminated_with_reward, "
    "{return_above: 0.9} or none; by default what is recorded"
)
"""Help for a dataset's option."""


def decoding_options(beams: int) -> dict[str, Any]:
    """How a sentence is decoded: greedily by one beam, by a beam search otherwise.

    Raises:
        UserError: fewer than one beam.
    """
    if beams < 1:
        raise UserError(f"--beams {beams}: must be at least 1")
    return {"how": "greedy"} if beams == 1 else {"how": "beam", "beams": beams}


def constraint(generator: TextGenerator, env_id: str, **env_args: Any) -> Constraint:
    """Constrains decoding to the instructions of an environment, collected from 4,096 episodes.

    Raises:
        UserError: an instruction has words that the generator does not know.
    """
    try:
        return generator.one_of(instructions(env_id, range(_EPISODES), **env_args))
    except ValueError as error:
        raise UserError(f"--env {env_id}: {error}") from error


def format_line(generated: GeneratedText) -> str:
    """A sentence and its probability, to be printed."""
    return f"{generated.probability:6.1%}  {printable(generated.sentence)}"


def claim(folder: Path, name: str, settings: Mapping[str, Any], what: str) -> None:
    """Make a folder for several trainings, or make sure that it belongs to the same ones.

    Args:
        folder: for all of them.
        name: of the file in it that holds their settings.
        settings: of the trainings, as plain values.
        what: the kind of the folder, such as "a search".

    Raises:
        UserError: it holds something else, or cannot be read or written.
    """
    file = folder / name
    if file.exists():
        if read_yaml(file, dict[str, Any]) != settings:
            raise UserError(
                f"{folder} holds {what} of another configuration or budget: give another --out, or "
                "remove it"
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"--out {folder}: is not empty, and not {what}")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(file, to_yaml(dict(settings)))

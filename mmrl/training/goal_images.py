"""Images of what instructions ask for, by a painter that 'mmrl fit painter' made.

go to the red ball                          a red ball in front of the agent
open the door, then pick up a blue key      a blue key in the agent's hands, an open door
"""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.contract import IMAGE
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import Checkpoint
from mmrl.experiment.run import CONFIG, Run
from mmrl.generative.image.painter import Painter
from mmrl.models.config import ModelConfig
from mmrl.preprocessing.encoded import EncodedSpace, fingerprint
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.training.load import load
from mmrl.training.prompts import AHEAD, HELD, MOST

TEMPERATURE: Final = 0.1
"""Of the painting: nearly the likeliest image, since an instruction has one goal."""
_SEED: Final = 0
_REMEMBERED: Final = 4096  # images, of 9.4 kB where frames have 56 × 56 pixels
_AFTER: Final = re.compile(r",? after you ")
_LINKS: Final = re.compile(r", then | and ")
_PLACE: Final = re.compile(r" (?:in front of|behind|on your (?:left|right)).*")
_CLAUSE: Final = re.compile(
    r"(?P<verb>go to|pick up|open|put) (?:the|an?) (?P<what>.+?)"
    r"(?: next to (?:the|an?) (?P<beside>.+))?"
)
_SHOWN: Final = {"go to": AHEAD, "pick up": HELD, "open": AHEAD, "put": ""}


def request_of(instruction: str) -> str:
    """What a painter is asked for, where an instruction is to be shown as it is carried out.

    In the English of the grid worlds: the thing of the last clause in front of the agent or in its
    hands, and before it what the clauses before ask for, up to three things. Any other sentence is
    handed to the painter as it is.
    """
    clauses = []
    for half in reversed(_AFTER.split(instruction)):  # "A after you B": B comes first
        clauses += _LINKS.split(half)
    read = [_CLAUSE.fullmatch(clause) for clause in clauses]
    if not all(read):
        return instruction
    shown: list[str] = []
    taken: set[str] = set()
    for clause in reversed(read):
        assert clause is not None
        way = _SHOWN[clause["verb"]]
        shown += _things(clause, "" if way in taken else way)
        taken.add(way)
    return ", ".join(dict.fromkeys(shown[:MOST]))


class GoalImages:
    """Paints the goal of each instruction once, and always the same.

    Args:
        painter: on a CPU, ready to be used.
        mark: its fingerprint, which tells it from others.
    """

    def __init__(self, painter: Painter, mark: str) -> None:
        self._painter = painter
        self._space = EncodedSpace(
            0, 255, (1, 3, *painter.tokenizer.image_size), np.uint8, fingerprint=mark
        )
        self._painted: dict[str, NDArray[np.uint8]] = {}

    @property
    def space(self) -> EncodedSpace:
        """Uint8 [1, 3, H, W]."""
        return self._space

    def encode(self, instruction: str) -> NDArray[np.uint8]:
        """The image of an instruction's goal, uint8 [1, 3, H, W], read-only.

        Raises:
            UserError: words that the painter never learnt.
        """
        asked = request_of(instruction)
        if asked not in self._painted:
            if len(self._painted) >= _REMEMBERED:
                del self._painted[next(iter(self._painted))]
            self._painted[asked] = self._paint(asked, instruction)
        return self._painted[asked]

    def _paint(self, asked: str, instruction: str) -> NDArray[np.uint8]:
        """Alone, since what is drawn of an image depends on those beside it."""
        try:
            painted = self._painter.paint([asked], seed=_SEED, temperature=TEMPERATURE)
        except UserError as error:
            raise UserError(f"the goal of {instruction!r} cannot be painted: {error}") from error
        image = np.ascontiguousarray(painted.transpose(0, 3, 1, 2))
        image.setflags(write=False)
        return image


def load_goals(path: str | Path, image_size: tuple[int, int]) -> GoalImages:
    """The goals that a run's painter paints.

    Args:
        path: run folder that 'mmrl fit painter' made.
        image_size: height and width of the frames that its images stand beside.

    Raises:
        UserError: no such painter, with the command that makes one; or one of other frames.
    """
    if not (Path(path) / CONFIG).is_file():
        raise UserError(
            f"model.goal_image: there is no painter in {path}; 'mmrl fit painter --out {path} …' "
            "makes one, and configs/fit/painter.yaml says of what"
        )
    painter = cast("Painter", load(path, "painter", "cpu"))
    size = painter.tokenizer.image_size
    if size != image_size:
        raise UserError(
            f"model.goal_image: the painter in {path} paints {size[0]} × {size[1]} pixels, and "
            f"the environment's frames have {image_size[0]} × {image_size[1]}: fit a painter to "
            "images of this environment by 'mmrl fit painter'"
        )
    return GoalImages(painter, _mark(Run.open(path).read_checkpoint()))


def with_goals(
    preprocessing: Preprocessing, model: ModelConfig, space: spaces.Space[Any]
) -> Preprocessing:
    """The same preprocessing, with images of goals where the model is to be shown such.

    Args:
        preprocessing: of a training.
        model: its configuration.
        space: of the observations of one environment.

    Raises:
        UserError: as :func:`load_goals`.
    """
    if model.goal_image is None:
        return preprocessing
    height, width, _ = cast("Any", space)[IMAGE].shape
    return replace(preprocessing, goals=load_goals(model.goal_image, (height, width)))


def _things(clause: re.Match[str], way: str) -> list[str]:
    """What a clause asks for, as a painter is asked: ``the red ball`` → ``a red ball``."""
    what = _PLACE.sub("", clause["what"])
    name = f"an open {what}" if clause["verb"] == "open" else _with_article(what)
    first = f"{name} {way}" if way else name
    beside = clause["beside"]
    return [first] if beside is None else [first, _with_article(_PLACE.sub("", beside))]


def _with_article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _mark(checkpoint: Checkpoint) -> str:
    """A fingerprint of a painter: of its recipe, its weights, and how it paints."""
    weights = sha256()
    for name, weight in sorted(checkpoint.weights.items()):
        weights.update(name.encode() + b"\0" + weight.contiguous().numpy().tobytes())
    return fingerprint(
        recipe=checkpoint.state["recipe"],
        weights=weights.hexdigest(),
        painting=[_SEED, TEMPERATURE],
    )

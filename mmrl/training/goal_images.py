"""Images of what instructions ask for, by a painter that 'mmrl fit painter' made.

What a painter is prompted with for an instruction, its language tells:
:meth:`mmrl.language.InstructionLanguage.goal_prompt`.
"""

from __future__ import annotations

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
from mmrl.files import is_file
from mmrl.generative.image.painter import Painter
from mmrl.language import LANGUAGE, NEUTRAL, InstructionLanguage, find_language, load_language
from mmrl.models.config import ModelConfig
from mmrl.preprocessing.encoded import EncodedSpace, fingerprint
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.training.load import load

TEMPERATURE: Final = 0.1
"""Of the painting: nearly the likeliest image, since an instruction has one goal."""
_SEED: Final = 0
_REMEMBERED: Final = 4096  # images, of 9.4 kB where frames have 56 × 56 pixels


class GoalImages:
    """Paints the goal of each instruction once, and always the same.

    Args:
        painter: on a CPU, ready to be used.
        mark: its fingerprint, which distinguishes it from others.
        language: of its prompts.
    """

    def __init__(
        self, painter: Painter, mark: str, language: InstructionLanguage = NEUTRAL
    ) -> None:
        self._painter, self._language = painter, language
        self._space = EncodedSpace(
            0, 255, (1, *painter.tokenizer.image_size, 3), np.uint8, fingerprint=mark
        )
        self._painted: dict[str, NDArray[np.uint8]] = {}

    @property
    def space(self) -> EncodedSpace:
        """Uint8 [1, H, W, 3]."""
        return self._space

    def encode(self, instruction: str) -> NDArray[np.uint8]:
        """The image of an instruction's goal, uint8 [1, H, W, 3], read-only.

        Raises:
            UserError: words that the painter never learnt.
        """
        asked = self._language.goal_prompt(instruction)
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
        image = np.ascontiguousarray(painted)
        image.setflags(write=False)
        return image


def load_goals(path: str | Path, image_size: tuple[int, int], env_id: str = "") -> GoalImages:
    """The goals that a run's painter paints.

    Args:
        path: run folder that 'mmrl fit painter' made.
        image_size: height and width of the frames that its images stand beside.
        env_id: of the environment, whose language is that of the prompts where an earlier version
            has made the painter, which does not name its own.

    Raises:
        UserError: no such painter, with the command that makes one; or one of other frames.
    """
    if not is_file(Path(path) / CONFIG):
        raise UserError(
            f"model.goal_image: there is no painter in {path}; 'mmrl fit painter --out {path} …' "
            "makes one, and 'mmrl recipes show painter' says of what"
        )
    painter = cast("Painter", load(path, "painter", "cpu"))
    size = painter.tokenizer.image_size
    if size != image_size:
        raise UserError(
            f"model.goal_image: the painter in {path} paints {size[0]} × {size[1]} pixels, and "
            f"the environment's frames have {image_size[0]} × {image_size[1]}: fit a painter to "
            "images of this environment by 'mmrl fit painter'"
        )
    checkpoint = Run.open(path).read_checkpoint()
    return GoalImages(painter, _mark(checkpoint), _language_of(checkpoint, env_id))


def with_goals(
    preprocessing: Preprocessing,
    model: ModelConfig,
    space: spaces.Space[Any],
    env_id: str = "",
) -> Preprocessing:
    """The same preprocessing, with images of goals where the model is to be shown such.

    Args:
        preprocessing: of a training.
        model: its configuration.
        space: of the observations of one environment.
        env_id: of the environment, see :func:`load_goals`.

    Raises:
        UserError: as :func:`load_goals`.
    """
    if model.goal_image is None:
        return preprocessing
    height, width, _ = cast("Any", space)[IMAGE].shape
    return replace(preprocessing, goals=load_goals(model.goal_image, (height, width), env_id))


def _language_of(checkpoint: Checkpoint, env_id: str) -> InstructionLanguage:
    """The language of a painter's prompts."""
    named = checkpoint.state["recipe"].get(LANGUAGE)
    if named is None:
        return find_language(env_id) if env_id else NEUTRAL
    return load_language(named) if named else NEUTRAL


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

"""``mmrl caption``: captions of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.cli.common import SUCCESS, constraint, format_line
from mmrl.data import EpisodeDataset, open_dataset
from mmrl.device import AUTO, DEVICES
from mmrl.errors import UserError
from mmrl.generative.text.models import TextGenerator, as_input
from mmrl.images import decoded
from mmrl.language import is_among
from mmrl.models.encoders.image_base import FramesEncoder
from mmrl.retrieval.images import SMALLEST, Resizer
from mmrl.sharing.locate import find_run_folder
from mmrl.text_output import printable
from mmrl.training.load import load

_DESCRIPTION: Final = """\
Caption images with a captioner that 'mmrl fit captioner' made: the instruction that an agent's last
step has achieved, or a description of the scene.

  mmrl caption runs/captioner before.png after.png      two consecutive images
  mmrl caption runs/captioner --data data/go-to-local   the ends of collected episodes, each checked
                                                        against the environment's verifier

Images of another size than the captioner was trained on are resized, with a warning.
"""


def run(arguments: list[str]) -> int:
    """Caption images, or the ends of episodes."""
    parser = Parser(prog="mmrl caption", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("run", type=str, help="run folder that 'mmrl fit captioner' made")
    parser.add_argument(
        "images", type=str, nargs="*", help="image files, as many as the captioner reads together"
    )
    parser.add_argument("--data", type=str | None, default=None, help="dataset of 'mmrl collect'")
    parser.add_argument("--episodes", type=int, default=12, help="of the dataset, the last ones")
    parser.add_argument("--success", type=str | dict[str, Any] | None, default=None, help=SUCCESS)
    parser.add_argument("--how", type=str, default="greedy", help="greedy, beam or sample")
    parser.add_argument("--beams", type=int, default=4, help="of the beam search")
    parser.add_argument(
        "--env", type=str | None, default=None, help="constrain captions to its instructions"
    )
    parser.add_argument("--device", type=str, default=AUTO, help=DEVICES)
    options = parser.parse_args(arguments)
    if options.how not in ("greedy", "beam", "sample"):
        raise UserError(f"--how {options.how}: choose greedy, beam or sample")
    if options.beams < 1 or options.episodes < 1:
        raise UserError(
            f"--beams {options.beams}, --episodes {options.episodes}: must be at least 1"
        )
    if bool(options.images) == (options.data is not None):
        raise UserError("give image files, or a dataset by --data")
    generator = cast(
        "TextGenerator", load(find_run_folder(options.run), "captioner", options.device)
    )
    how: dict[str, Any] = {"how": options.how, "beams": options.beams}
    if options.env is not None:
        how["allowed"] = constraint(generator, options.env)
    if options.data is None:
        images = [read_image(Path(one)) for one in options.images]
        sized = _sized(images, options.images, generator)
        for caption in generator.generate(as_input(sized, generator), **how):
            print(format_line(caption))
        return 0
    rollouts = open_dataset(options.data, options.success)
    return _episodes(generator, rollouts, options.episodes, how)


def _episodes(
    generator: TextGenerator, rollouts: EpisodeDataset, episodes: int, how: dict[str, Any]
) -> int:
    """Caption the ends of the last episodes of a dataset."""
    frames = cast("Any", generator.encoder).frames
    chosen = [one for one in rollouts[-episodes:] if len(one.images) >= frames]
    ends = [image for one in chosen for image in one.images[-frames:]]
    sized = _sized(ends, [f"an image of {rollouts.place.name}"] * len(ends), generator)
    captions = generator.generate(as_input(sized, generator), **how)
    right, checked = 0, 0
    for one, caption in zip(chosen, captions, strict=True):
        true = tuple(sentence for step in one.achieved for sentence in step)
        true = true or (one.instruction,) * bool(one.success)
        correct = is_among(rollouts.language, caption.sentence, true)
        verdict = "right" if correct else "wrong" if true else "none achieved"
        checked += bool(true)
        right += verdict == "right"
        text = f"{format_line(caption)}   {verdict}"
        print(f"{text}   instruction: {printable(one.instruction)}")
    print(f"{right} of {checked} right")
    return 0


def _sized(
    images: Sequence[NDArray[np.uint8]], names: Sequence[str], generator: TextGenerator
) -> list[NDArray[np.uint8]]:
    """Images in the captioner's size; resized with a warning, if they have to be.

    Raises:
        UserError: images that are read together are of different sizes, or too small.
    """
    seen = cast(FramesEncoder, generator.encoder)
    for k, (one, name) in enumerate(zip(images, names, strict=True)):
        first = k - k % seen.frames
        if one.shape != images[first].shape:
            raise UserError(
                f"{names[first]} has {_pixels(images[first])}, {name} has {_pixels(one)}: they "
                "are read together and must be of one size"
            )
        if min(one.shape[:2]) < SMALLEST:
            raise UserError(
                f"{name} has {_pixels(one)}: give images of {SMALLEST} pixels a side or more"
            )
    resize = Resizer(seen.encoder.image_size)
    return [resize(one, name) for one, name in zip(images, names, strict=True)]


def _pixels(image: NDArray[np.uint8]) -> str:
    return f"{image.shape[0]} × {image.shape[1]} pixels"


def read_image(path: Path) -> NDArray[np.uint8]:
    """An image file as uint8 [H, W, 3].

    Raises:
        UserError: there is none, or it is no image.
    """
    try:
        return decoded(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is no image: {error}") from error

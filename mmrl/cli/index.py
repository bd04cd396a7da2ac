"""``mmrl index``: the images of a folder or a dataset, ready to be searched."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.device import AUTO, DEVICES
from mmrl.experiment.checkpoint import weights_checksum
from mmrl.experiment.run import Run
from mmrl.progress import ProgressBar
from mmrl.retrieval import SharedEmbedding
from mmrl.retrieval.images import Images, index_images, open_images
from mmrl.retrieval.index import ImageIndex
from mmrl.sharing.locate import find_run_folder
from mmrl.text_output import printable
from mmrl.training.load import load

_HELP: Final = """\
Embed every image of a folder (and of the folders in it), or of a dataset of 'mmrl collect', and
keep the embeddings in an index, which 'mmrl search' searches with words.

  mmrl index images --model runs/retrieval --out images.index
  mmrl search images.index "the agent faces a red ball"

Images of another size than the model's are resized; files that are no images are skipped.
"""


def run(arguments: list[str]) -> int:
    """Index images."""
    parser = Parser(prog="mmrl index", description=_HELP, formatter_class=AsWritten)
    parser.add_argument("images", type=str, help="folder of images, or name of a dataset")
    parser.add_argument(
        "--model", type=str, required=True, help="run folder that 'mmrl fit retrieval' made"
    )
    parser.add_argument(
        "--out", type=str | None, default=None, help="folder to write; NAME.index, if not given"
    )
    parser.add_argument("--device", type=str, default=AUTO, help=DEVICES)
    options = parser.parse_args(arguments)
    module, about = open_model(options.model, options.device)
    images = open_images(options.images)
    target = Path(options.out or f"{Path(images.name).name}.index")
    index = _under_a_bar(module, images, about)
    index.save(target)
    for number, what in (
        (index.about["skipped"], f"skipped: {images.why}"),
        (index.about["resized"], "resized"),
    ):
        if number:
            print(f"{number:,} {what}")
    print(f"{len(index):,} images of {printable(images.name)} → {target}")
    example = next((one["description"] for one in index.entries if one.get("description")), "…")
    print(f'search it: mmrl search {target} "{printable(example)}"')
    return 0


def open_model(path: str, device: str) -> tuple[SharedEmbedding, dict[str, Any]]:
    """The embedding of a run, and what an index records of it.

    Raises:
        UserError: no such run, or one of another task.
    """
    found = find_run_folder(path)
    module = cast("SharedEmbedding", load(found, "retrieval", device))
    folder = Run.open(found)
    weights = weights_checksum(folder.newest_checkpoint())
    return module, {"model": str(folder.path.resolve()), "weights": weights}


def _under_a_bar(module: SharedEmbedding, images: Images, about: dict[str, Any]) -> ImageIndex:
    with ProgressBar("indexing", len(images), "images") as bar:
        return index_images(module, images, about, bar.advance)

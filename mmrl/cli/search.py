"""``mmrl search``: the images nearest to a sentence, on a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.cli.index import open_model
from mmrl.device import AUTO, DEVICES
from mmrl.errors import UserError
from mmrl.files import write_bytes
from mmrl.images import png
from mmrl.preprocessing.text import WordTokenizer, split_words
from mmrl.retrieval import SharedEmbedding
from mmrl.retrieval.images import open_images
from mmrl.retrieval.index import ImageIndex, caption
from mmrl.text_output import printable
from mmrl.viz.contact_sheet import SheetImage, contact_sheet

_HELP: Final = """\
Search an index that 'mmrl index' made: print the nearest images, and write them as a contact
sheet. A query is a description like those of the training data, or some phrases of one.

  mmrl search images.index "the agent faces a red ball"
  mmrl search images.index "the agent carries a blue key, sees a green box" --out sheet.png
"""


def run(arguments: list[str]) -> int:
    """Search, print, and draw what was found."""
    parser = Parser(prog="mmrl search", description=_HELP, formatter_class=AsWritten)
    parser.add_argument("index", type=str, help="folder that 'mmrl index' made")
    parser.add_argument("query", type=str, help="a description of the image")
    parser.add_argument("--top", type=int, default=12, help="how many images")
    parser.add_argument("--out", type=str, default="sheet.png", help="contact sheet to write")
    parser.add_argument(
        "--model", type=str | None, default=None, help="run folder, if it has moved"
    )
    parser.add_argument("--device", type=str, default=AUTO, help=DEVICES)
    options = parser.parse_args(arguments)
    if options.top < 1:
        raise UserError(f"--top {options.top}: must be at least 1")
    target = Path(options.out)
    if not target.resolve().parent.is_dir():
        raise UserError(f"--out {target}: its folder does not exist")
    if target.is_dir():
        raise UserError(f"--out {target}: is a folder; name a file such as sheet.png")
    index = ImageIndex.load(Path(options.index))
    for key in ("model", "weights", "source"):
        if not isinstance(index.about.get(key), str):
            raise UserError(f"{options.index} does not name its {key}: 'mmrl index' rebuilds it")
    module, about = open_model(options.model or index.about["model"], options.device)
    if about["weights"] != index.about["weights"]:
        raise UserError(
            f"{options.index} was made with other weights than those of {about['model']}: "
            f"'mmrl index {index.about['source']} --model {about['model']} --out {options.index}' "
            "rebuilds it"
        )
    check_words(module, options.query)
    found = index.search(module.of_sentences([options.query])[0], options.top)
    for rank, one in enumerate(found, 1):
        print(f"{rank:>3}  {one.cosine:6.3f}  {printable(caption(one.entry))}")
    images = open_images(index.about["source"])
    shown = [SheetImage(images.image(one.entry), one.cosine, caption(one.entry)) for one in found]
    write_bytes(target, png(contact_sheet(options.query, shown)))
    print(f"contact sheet: {target}")
    return 0


def check_words(module: SharedEmbedding, query: str) -> None:
    """Refuse words that are not in the model's vocabulary.

    Raises:
        UserError: there is such a word, or no word at all.
    """
    if not query.strip():
        raise UserError("the query is empty: describe the image to find")
    tokenizer = module.model.tokenizer
    if not isinstance(tokenizer, WordTokenizer):
        return  # subwords, which spell any word
    strange = sorted({word for word in split_words(query) if word not in tokenizer.words})
    if strange:
        raise UserError(
            f"the model does not know {', '.join(map(repr, strange))}; its words are: "
            f"{' '.join(tokenizer.words)}"
        )

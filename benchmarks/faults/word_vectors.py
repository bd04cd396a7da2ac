"""Writes files of word vectors into ``vectors``."""

from pathlib import Path

folder = Path("vectors")
folder.mkdir(exist_ok=True)
words = ["open", "shut", "the", "door"]
lines = [f"{word} 0.1 0.2 0.{k}\n" for k, word in enumerate(words, 1)]
for name, content in {
    "spaces.txt": [*lines, ". . . 0.1 0.2 0.3\n"],  # as glove.840B has
    "blank_end.txt": [*lines, "\n"],
    "tabs.txt": [line.replace(" ", "\t") for line in lines],
    "bom.txt": ["\ufeff", *lines],
    "infinite.txt": ["open inf 0 0\n", *lines[1:]],
}.items():
    (folder / name).write_text("".join(content), encoding="utf-8")

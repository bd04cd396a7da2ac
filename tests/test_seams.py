"""The seams of the house: what the framework may not know, and words that it may not use.

The framework reads no sentence of the grid worlds, and names none of their things: that is for
their language, see ``mmrl.language``. Source files are read as tokens: docstrings, which may have
examples, and comments are left out.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parent.parent

THINGS: Final = frozenset(
    ["ball", "balls", "door", "doors", "tile", "tiles", "theme", "themes", "babyai", "minigrid"]
)
"""Words of the grid worlds. Others of their words mean something else as well, such as box, key
and wall, and the colours: these count in sentences alone, "a red box" or "faces a wall".
"""
_COLOR: Final = "red|green|blue|purple|yellow|grey"
_THING: Final = "ball|box|key|door|wall|object"
SENTENCES: Final = re.compile(
    rf"\b(?:{_COLOR})[ _](?:{_THING})s?\b"
    rf"|\b(?:go to|pick up|open|next to|faces|carries|sees) (?:the|an?) "
    rf"(?:\w+ )?(?:{_THING})\b"
    r"|in front of the agent|in the agent's hands"
    r"|the agent (?:sees (?:an?|nothing)|faces|carries)\b"
    r"|on your (?:left|right)|after you |go to\|pick up"
    r"|那个|一个|走到|拿起|打开",
)
"""Their sentences, and patterns that read them."""

KNOWN: Final[dict[str, frozenset[str]]] = {
    "mmrl/wrappers/adapt/minigrid.py": frozenset(["minigrid", "tile"]),  # of that package
    "mmrl/wrappers/making.py": frozenset(["minigrid"]),
    "mmrl/registry.py": frozenset(["minigrid", "babyai"]),  # the extras that bring packages
    "mmrl/optional_packages.py": frozenset(["minigrid", "babyai"]),  # the same
    "mmrl/evaluation/report.py": frozenset(["minigrid"]),  # versions that results name
    "mmrl/cli/paint.py": frozenset(["theme"]),  # an option: all sprites in one style
    "tests/mmrl/wrappers/test_adapters.py": frozenset(["minigrid", "babyai"]),
    "tests/mmrl/test_registry.py": frozenset(["minigrid", "babyai"]),
    "tests/mmrl/cli/test_cli.py": frozenset(["babyai"]),
    "tests/mmrl/viz/test_clips.py": frozenset(["minigrid", "babyai"]),
    "tests/mmrl/training/tasks/test_sprites.py": frozenset(["theme"]),
    "tests/mmrl/training/tasks/test_world_model.py": frozenset(["tile"]),  # tile_size, an argument
    "tests/mmrl/data/test_collection.py": frozenset(["tile"]),  # the same
}
"""Files that name a package or an option, and which."""
HELP: Final = frozenset(["_HELP", "_DESCRIPTION"])
"""Constants that are documentation: the help of commands, with examples."""

PRIVATE: Final = frozenset(
    [
        "told", "tell", "tells", "say", "says", "said", "saying", "judge", "judged", "judgement",
        "dream", "dreams", "dreamt", "dreaming", "foretell", "foretells", "foresee", "foresight",
        "heard", "hear", "misled", "accountable", "witness", "twins", "sight", "picture",
        "pictures",
    ]
)  # fmt: skip
"""Words of the first house, as parts of names."""
ELSEWHERE: Final = {"mmrl/data/hdf5.py": "tell"}
"""Names of other people's: where a file is read, as Python calls it."""
PRIVATE_PAIRS: Final = frozenset(["goes_on", "go_on", "by_chance", "carried_out"])


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def docstring_lines(tree: ast.AST) -> set[int]:
    """The lines of docstrings, those of attributes among them, and of the help of commands."""
    return {
        line
        for node in ast.walk(tree)
        if is_documentation(node)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def is_documentation(node: Any) -> bool:
    """Whether a statement is a string alone, or assigns the help of a command."""
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    is_help = any(isinstance(one, ast.Name) and one.id in HELP for one in targets)
    value = getattr(node, "value", None)
    is_string = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return is_string and (isinstance(node, ast.Expr) or is_help)


@cache
def tokens(path: Path) -> list[tuple[int, int, str]]:
    """Line, type and text of the names and of the strings that are no docstrings."""
    return list(_read_tokens(path))


def _read_tokens(path: Path) -> Iterator[tuple[int, int, str]]:
    text = path.read_text()
    documented = docstring_lines(ast.parse(text))
    for one in tokenize.generate_tokens(io.StringIO(text).readline):
        is_docstring = one.type == tokenize.STRING and one.start[0] in documented
        if one.type in (tokenize.NAME, tokenize.STRING) and not is_docstring:
            yield one.start[0], one.type, one.string


@cache
def parts(name: str) -> list[str]:
    """``TilesOfDoors`` and ``tiles_of_doors`` → tiles, of, doors."""
    return [one.lower() for one in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


@cache
def grid_words(kind: int, text: str) -> frozenset[str]:
    """What a name or a string has of the grid worlds."""
    if kind == tokenize.NAME:
        return THINGS & set(parts(text)) if text != "tile" else frozenset()  # numpy has a tile
    text = re.sub(r"\\[nt]", " ", text)
    words = set(re.findall(r"[a-z]+", text.lower()))
    return THINGS & words | frozenset(SENTENCES.findall(text))


@pytest.mark.parametrize("folder", ["mmrl", "tests/mmrl"])
def test_the_framework_knows_no_grid_world(folder: str) -> None:
    found = []
    for path in sources(folder):
        name = path.relative_to(ROOT).as_posix()
        for line, kind, text in tokens(path):
            if words := grid_words(kind, text) - KNOWN.get(name, frozenset()):
                found.append(f"{name}:{line}: {', '.join(sorted(words))}")
    assert not found, "\n" + "\n".join(found)


def test_what_is_found() -> None:
    assert grid_words(tokenize.STRING, "'go to the red ball'") == {"ball", "go to the red ball"}
    assert grid_words(tokenize.STRING, r"'(go to|pick up|open) (the|an?)'") == {"go to|pick up"}
    assert grid_words(tokenize.STRING, "'the agent faces a wall'")
    assert grid_words(tokenize.STRING, "'那个'")
    assert grid_words(tokenize.NAME, "TILE_SIZE") == {"tile"}
    assert grid_words(tokenize.NAME, "DoorOfTheTheme") == {"door", "theme"}
    for kind, text in (
        (tokenize.NAME, "Box"), (tokenize.NAME, "key"), (tokenize.STRING, "'wall_time'"),
        (tokenize.STRING, "'must be a Box of uint8'"), (tokenize.STRING, "'open the top drawer'"),
        (tokenize.STRING, "'red'"),
    ):  # fmt: skip
        assert not grid_words(kind, text)


def test_names_are_those_of_the_field() -> None:
    found = []
    for path in sources("mmrl", "envs/mmrl_envs", "agents/mmrl_agents"):
        name = path.relative_to(ROOT).as_posix()
        for line, kind, text in tokens(path):
            if kind != tokenize.NAME or text == ELSEWHERE.get(name):
                continue
            words = parts(text)
            pairs = {f"{one}_{two}" for one, two in pairwise(words)}
            if wrong := PRIVATE & set(words) | PRIVATE_PAIRS & pairs:
                found.append(f"{name}:{line}: {text} ({', '.join(sorted(wrong))})")
    assert not found, f"{len(found)} names:\n" + "\n".join(found)

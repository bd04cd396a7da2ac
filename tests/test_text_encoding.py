"""Text files are read and written as UTF-8 on every system: each call names the encoding."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
SOURCES: Final = sorted(
    file for part in ("mmrl", "agents", "envs") for file in (ROOT / part).rglob("*.py")
)
_METHODS: Final = {"read_text": 0, "write_text": 1}  # arguments before the encoding


def without_encoding(source: str) -> Iterator[int]:
    """The lines of calls that leave a text file's encoding to the system."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or any(word.arg == "encoding" for word in call.keywords):
            continue
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name in _METHODS and len(call.args) <= _METHODS[name]:
            yield call.lineno
        modes = [one.value for one in call.args if isinstance(one, ast.Constant)]
        if name in ("open", "fdopen") and any(mode in ("r", "w", "a", "x") for mode in modes):
            yield call.lineno


def test_every_call_names_it():
    found = {
        str(file.relative_to(ROOT)): lines
        for file in SOURCES
        if (lines := list(without_encoding(file.read_text(encoding="utf-8"))))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("path.read_text()", [1]),
        ("path.read_text('utf-8')", []),
        ("\npath.write_text('ü')", [2]),
        ("path.write_text('ü', encoding='utf-8')", []),
        ("open(path, 'w')\nopen(path, 'wb')", [1]),
        ("os.fdopen(handle, 'w')", [1]),
        ("path.open('w', encoding='utf-8')", []),
    ],
)
def test_calls_are_found(source, lines):
    assert list(without_encoding(source)) == lines

"""Files read by declared schemas: whatever is wrong in one is an error of one line, with the file,
the key, the value and what is expected.

A reader declares a :class:`Schema`, or a dataclass of plain types, beside itself::

    class _Saved(Schema):
        kind: Literal["words"]
        length: Size

    saved = read_json(folder / "tokenizer.json", _Saved)

Refused before use: what is no regular file, larger than it can be, not UTF-8, cut, nested deeper
than :data:`MAX_DEPTH`, or of another type, range or key than declared.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
import yaml
from msgspec import Meta

from mmrl.errors import UserError
from mmrl.schema_errors import explain, unknown_key
from mmrl.text_output import shortened
from mmrl.yaml_text import read_yaml as parse

T = TypeVar("T")

MAX_DEPTH: Final = 200
"""Containers within containers in a JSON file, at most."""
LARGEST: Final = 2**28
"""Bytes of a JSON or YAML file, at most."""

Count = Annotated[int, Meta(ge=0, le=2**53)]
"""A whole number from 0."""
Size = Annotated[int, Meta(ge=1, le=2**24)]
"""A width, a length, a number of things that memory is taken for."""
Finite = Annotated[float, Meta(ge=-1e300, le=1e300)]
"""A number that is neither infinite nor NaN."""
Positive = Annotated[float, Meta(gt=0, le=1e300)]
"""A finite number above 0."""


_NO_FILE: Final = "is no regular file; give one, no folder, device or pipe"
_MISFITS: Final = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError,
    RuntimeError, MemoryError,
)  # fmt: skip


class Schema(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of a file and their types; a file with other keys is refused."""


class OpenSchema(msgspec.Struct):
    """As :class:`Schema`, of a file to which others add keys of their own, such as Minari."""


class FileError(UserError):
    """A file is not what its schema declares, or cannot be read."""


def check_regular(path: str | Path, most: int | None = None) -> int:
    """Make sure that a path is of a regular file, no device and no pipe; its size in bytes.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        FileError: it is none, does not exist, or is larger.
    """
    try:
        return _checked_size(path, os.stat(path), most)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def read_content(path: Path, most: int = LARGEST) -> bytes:
    """The content of a regular file.

    Raises:
        FileError: as :func:`check_regular`, or it cannot be read.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            return file.read(_checked_size(path, os.fstat(file.fileno()), most))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def read_text(path: Path, most: int = LARGEST) -> str:
    """The content of a text file in UTF-8.

    Raises:
        FileError: as :func:`read_content`, or it is not UTF-8.
    """
    return _decoded(read_content(path, most), str(path))


def read_json(path: Path, kind: type[T], *, most: int = LARGEST) -> T:
    """The value of a JSON file.

    Args:
        path: of the file.
        kind: its declared type.
        most: bytes that it may have.

    Raises:
        FileError: it cannot be read, is no JSON, or of another type.
    """
    return convert(parse_json(read_content(path, most), str(path)), kind, str(path))


def read_yaml(path: Path, kind: type[T]) -> T:
    """The value of a YAML file, as :func:`read_json`."""
    return convert(parse_yaml(read_text(path), str(path)), kind, str(path))


def parse_json(content: bytes | str, source: str, *, file_names: bool = False) -> Any:
    """The plain value of a text in JSON; NaN and infinities are numbers, as Python writes them.

    Args:
        content: the text.
        source: the file that it is from, for errors.
        file_names: whether a text may be the name of a file that is not UTF-8, whose bytes Python
            keeps as U+DC80 to U+DCFF (``surrogateescape``).

    Raises:
        FileError: it is none, nested too deep, or has half of a character.
    """
    text = content if isinstance(content, str) else _decoded(content, source)
    try:
        value = json.loads(text)
    except RecursionError:
        raise FileError(f"{source}: nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise FileError(f"{source}: is damaged, or no JSON: {shortened(error)}") from error
    if text.count("[") + text.count("{") > MAX_DEPTH and isinstance(value, dict | list):
        _check_depth(value, source)
    if "\\ud" in text.lower():
        _check_characters(value, source, "surrogateescape" if file_names else "strict")
    return value


def parse_yaml(text: str, source: str) -> Any:
    """The plain value of a text in YAML.

    Raises:
        FileError: it is none, nested too deep, or unpacks to more than it can be.
    """
    try:
        return parse(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise FileError(f"{source}: is damaged, or no YAML: {shortened(error)}") from error


def convert(value: Any, kind: type[T], source: str) -> T:
    """A plain value as its declared type.

    Args:
        value: plain data.
        kind: a :class:`Schema`, a dataclass, or any type that msgspec knows.
        source: the file that it is from, for errors.

    Raises:
        FileError: it is of another type: which key, its value, and what is expected.
    """
    if is_dataclass(kind) and isinstance(value, Mapping):
        known = {one.name for one in fields(kind)}
        for key in value:
            if key not in known:
                raise FileError(f"{source}: {unknown_key(str(key), known)}")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise FileError(f"{source}: {explain(str(error), value, kind)}") from error
    except RecursionError:
        raise FileError(f"{source}: nested too deep") from None


@contextmanager
def well_formed(source: str | Path) -> Iterator[None]:
    """A block that uses what a file holds: where that is not what the block needs, and no schema
    can declare it, such as the state of an optimiser, the error is of the file.

    Raises:
        FileError: in place of the errors that a wrong value leads to, and of a UserError that does
            not name the file.
    """
    try:
        yield
    except UserError as error:
        if type(error) not in (UserError, FileError) or str(source) in str(error):
            raise
        raise FileError(f"{source}: {error}") from error
    except _MISFITS as error:
        why = shortened(f"{type(error).__name__}: {error}")
        raise FileError(f"{source}: is damaged, or does not fit: {why}") from error


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for the writer of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _checked_size(path: str | Path, about: os.stat_result, most: int | None) -> int:
    if not stat.S_ISREG(about.st_mode):
        raise FileError(f"{path}: {_NO_FILE}")
    if most is not None and about.st_size > most:
        raise FileError(f"{path}: has {about.st_size:,} bytes, and at most {most:,} are read")
    return about.st_size


def _unreadable(path: str | Path, error: Exception) -> FileError:
    if isinstance(error, FileNotFoundError):
        return FileError(f"{path}: there is no such file")
    if isinstance(error, IsADirectoryError):
        return FileError(f"{path}: {_NO_FILE}")
    return FileError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}")


def _decoded(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(
            f"{source}: is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}"
        ) from error


def _check_depth(value: Any, source: str) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner = [one.values() if isinstance(one, dict) else one for one in level]
        level = [one for each in inner for one in each if isinstance(one, dict | list)]
        if not level:
            return
    raise FileError(f"{source}: nested deeper than {MAX_DEPTH} levels")


def _check_characters(value: Any, source: str, errors: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode(errors=errors)
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise FileError(f"{source}: has half of a character: {half!r}") from error

"""The file of an episode record: what an agent saw, read and did, step by step.

A record is a zip file that ends with ``.episode``, of these members:

- ``summary.json``: what lists and filters need, see :class:`~mmrl.records.episode.Summary`, and
  ``format``, its version. It is the first member and not compressed, so that one read of the file's
  beginning is enough.
- ``steps.json``: everything by step, see :class:`~mmrl.records.episode.EpisodeRecord`. Observations
  0 to T are those before each of the T actions and the last one; arrays are nested lists, not
  finite numbers null.
- ``frames/<camera>/<n>.webp``: the frames of a camera in order, losslessly as WebP, on sheets of
  some megapixels, row by row. ``summary.json`` has each camera's height, width, frames, and the
  columns and rows of a full sheet.
- ``thumbnail.webp``: the last frame of ``scene``, or of the first camera, at most 96 pixels wide
  and high.

Similar frames beside each other are compressed together: 64 frames of a grid world take 3 KiB. A
reader asks only for the sheets that it shows. Files are written atomically, and a reader refuses
what is larger than an episode can be before it is unpacked.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.files import write_bytes
from mmrl.records.episode import SCENE, SHARED, EpisodeRecord, Summary
from mmrl.records.sheets import (
    LONGEST,
    Frames,
    pack_sheets,
    sheet_count,
    thumbnail,
    unpack_sheets,
)
from mmrl.schema import FileError, check_regular, convert, parse_json
from mmrl.text_output import shortened

FORMAT: Final = 1
SUFFIX: Final = ".episode"
SUMMARY: Final = "summary.json"
STEPS: Final = "steps.json"
THUMBNAIL: Final = "thumbnail.webp"
_FRAMES: Final = "frames"
_BEGINNING: Final = 4096  # bytes, more than most summaries have
_LOCAL_HEADER: Final = struct.Struct("<4s5H3I2H")  # of a zip file's member
_END: Final = b"PK\x05\x06"  # of its last 22 bytes, where there is no comment
_END_SIZE: Final = 22
_LARGEST_JSON: Final = 64 * 2**20
_LARGEST_SHEET: Final = 32 * 2**20  # of its file
_MOST_STEPS: Final = 10**15
_DAMAGE: Final = (
    OSError, EOFError, ValueError, OverflowError, RuntimeError, zipfile.BadZipFile, zlib.error,
    struct.error,
)  # fmt: skip
"""What reading a zip file raises that is damaged, encrypted, or none."""
_DAY: Final = (2020, 1, 1, 0, 0, 0)  # of every member: equal episodes are equal files

_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "source": (str,), "env": (str,), "env_args": (dict,), "seed": (int, type(None)),
    "checkpoint": (int, type(None)), "instruction": (str,), "instruction_kind": (str,),
    "success": (bool, type(None)), "steps": (int,), "total_reward": (float, int, type(None)),
    "cameras": (dict,),
}  # fmt: skip
"""The types of a summary's entries."""
_ENTRIES: Final = frozenset(one.name for one in fields(Summary))


class RecordError(UserError):
    """A file is not a record of an episode, or of a newer format."""


class NewerFormatError(RecordError):
    """A record of a format that only newer versions read."""


def write_record(path: Path, record: EpisodeRecord) -> None:
    """Write a record.

    Args:
        path: of the file, which is replaced.
        record: the episode.

    Raises:
        ValueError: its parts do not belong to the same number of steps.
        WriteError: it cannot be written.
    """
    record.check()
    summary = record.summary()
    steps = {
        "instructions": list(record.instructions),
        "rewards": _plain(np.asarray(record.rewards, np.float64)),
        "actions": _plain(np.asarray(record.actions)),
        "action_names": list(record.action_names),
        "numbers": {name: _plain(np.asarray(one)) for name, one in record.numbers.items()},
        "infos": [dict(info) for info in record.infos],
        "about": record.about,
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        about = {"format": FORMAT, **asdict(summary)}
        _add(file, SUMMARY, _json(about), compressed=False)
        _add(file, STEPS, _json(steps), compressed=True)
        if record.frames:
            last = record.frames.get(SCENE, next(iter(record.frames.values())))[-1]
            _add(file, THUMBNAIL, thumbnail(last), compressed=False)
        for camera, frames in record.frames.items():
            for number, sheet in enumerate(pack_sheets(frames, summary.cameras[camera])):
                _add(file, sheet_name(camera, number), sheet, compressed=False)
    write_bytes(path, content.getvalue())


def read_summary(path: Path) -> Summary:
    """The summary of a record, without its frames.

    Raises:
        RecordError: it is not a record, damaged, or of a newer format.
    """
    about = _first_member(path)
    if about is not None:
        return _checked_summary(path, about)
    with _opened(path) as file:
        return _summary(path, file)


def read_thumbnail(path: Path) -> bytes:
    """The thumbnail, as the WebP image that it is.

    Raises:
        RecordError: as :func:`read_summary`, or there is none.
    """
    with _opened(path) as file:
        return _member(path, file, THUMBNAIL, _LARGEST_SHEET)


def read_steps(path: Path) -> dict[str, Any]:
    """What ``steps.json`` holds.

    Raises:
        RecordError: as :func:`read_summary`.
    """
    with _opened(path) as file:
        _summary(path, file)
        return _read_json(path, file, STEPS)


def read_sheet(path: Path, camera: str, number: int) -> bytes:
    """A sheet of frames, as the WebP image that it is.

    Raises:
        RecordError: as :func:`read_summary`, or there is no such sheet.
    """
    with _opened(path) as file:
        _summary(path, file)
        return _member(path, file, sheet_name(camera, number), _LARGEST_SHEET)


def read_record(path: Path) -> EpisodeRecord:
    """A whole record.

    Raises:
        RecordError: it is not a record, damaged, or of a newer format.
    """
    with _opened(path) as file:
        summary = _summary(path, file)
        steps = _read_json(path, file, STEPS)
        frames = {
            camera: _frames(path, file, camera, layout)
            for camera, layout in summary.cameras.items()
        }
    return _record(path, summary, steps, frames)


def sheet_name(camera: str, number: int) -> str:
    """The member of a sheet of frames."""
    return f"{_FRAMES}/{camera}/{number}.webp"


def _record(
    path: Path, summary: Summary, steps: dict[str, Any], frames: dict[str, Frames]
) -> EpisodeRecord:
    try:
        record = EpisodeRecord(
            **{name: getattr(summary, name) for name in SHARED},
            frames=frames,
            instructions=steps["instructions"],
            rewards=steps["rewards"],
            actions=np.asarray(steps["actions"]),
            action_names=steps["action_names"],
            numbers={name: _array(one) for name, one in steps["numbers"].items()},
            infos=steps["infos"],
            about=steps["about"],
        )
        record.check()
        if len(record.rewards) != summary.steps:
            raise ValueError(f"{len(record.rewards)} rewards for {summary.steps} steps")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(
            f"{path}: not a record of an episode: {shortened(repr(error))}"
        ) from error
    return record


def _frames(path: Path, file: zipfile.ZipFile, camera: str, layout: Mapping[str, int]) -> Frames:
    contents = (
        _member(path, file, sheet_name(camera, number), _LARGEST_SHEET)
        for number in range(sheet_count(layout))
    )
    try:
        return unpack_sheets(contents, layout)
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: frames of {camera}: {error}") from error


def _add(file: zipfile.ZipFile, name: str, content: bytes, *, compressed: bool) -> None:
    member = zipfile.ZipInfo(name, _DAY)
    member.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    file.writestr(member, content)


def _plain(array: NDArray[Any]) -> Any:
    """Nested lists; numbers that are not finite become None, floats have seven digits."""
    if array.dtype.kind == "f":
        return _rounded(array.astype(np.float64).tolist())
    return array.tolist()


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.7g}") if math.isfinite(value) else None


def _array(value: Any) -> NDArray[Any]:
    array = np.asarray(value)
    return array.astype(np.float64) if array.dtype == object else array  # null becomes nan


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        check_regular(path)
        return zipfile.ZipFile(path)
    except (*_DAMAGE, FileError) as error:
        raise RecordError(f"{path}: not a record of an episode: {shortened(error)}") from error


def _member(path: Path, file: zipfile.ZipFile, name: str, most: int) -> bytes:
    """What a member holds, which is at most so many bytes."""
    try:
        about = file.getinfo(name)
        if about.file_size > most:
            raise RecordError(f"{path}: {name} is larger than {most:,} bytes")
        if about.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"compression {about.compress_type}")
        with file.open(name) as member:
            content = member.read(most + 1)
    except KeyError as error:
        raise RecordError(f"{path}: has no {name}") from error
    except _DAMAGE as error:
        raise RecordError(f"{path}: {name} is damaged: {shortened(error)}") from error
    return content


def _read_json(path: Path, file: zipfile.ZipFile, name: str) -> dict[str, Any]:
    source = f"{path}: {name}"
    try:
        content = _member(path, file, name, _LARGEST_JSON)
        return convert(parse_json(content, source), dict[str, Any], source)
    except FileError as error:
        raise RecordError(str(error)) from error


def _first_member(path: Path) -> dict[str, Any] | None:
    """The mapping of ``summary.json`` where it is the first member, stored as it is, and the file
    has an end; None elsewhere. A list of thousands of records is read so.

    Raises:
        RecordError: there is no such file, or it cannot be read.
    """
    try:
        check_regular(path)
        with path.open("rb", buffering=0) as file:
            start = file.read(_BEGINNING)
            file.seek(max(file.seek(0, io.SEEK_END) - _END_SIZE, 0))
            end = file.read(_END_SIZE)
    except (OSError, ValueError, FileError) as error:
        raise RecordError(f"{path}: not a record of an episode: {shortened(error)}") from error
    if len(start) < _LOCAL_HEADER.size or not end.startswith(_END):
        return None
    signature, _, flags, method, _, _, crc, size, whole, name, extra = _LOCAL_HEADER.unpack_from(
        start
    )
    begin = _LOCAL_HEADER.size + name + extra
    content = start[begin : begin + size]
    if (
        signature != b"PK\x03\x04" or flags & 1 or method != zipfile.ZIP_STORED or size != whole
        or start[_LOCAL_HEADER.size :][:name] != SUMMARY.encode() or len(content) != size
        or zlib.crc32(content) != crc
    ):  # fmt: skip
        return None
    try:
        about = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return about if isinstance(about, dict) else None


def _summary(path: Path, file: zipfile.ZipFile) -> Summary:
    return _checked_summary(path, _read_json(path, file, SUMMARY))


def _checked_summary(path: Path, about: dict[str, Any]) -> Summary:
    version = about.pop("format", None)
    if not isinstance(version, int) or version > FORMAT:
        raise NewerFormatError(
            f"{path}: a record of format {version}, and this version of mmrl reads up to {FORMAT}"
        )
    try:
        summary = Summary(**{name: value for name, value in about.items() if name in _ENTRIES})
        for name, kinds in _KINDS.items():
            if type(value := getattr(summary, name)) not in kinds:
                raise ValueError(f"{name} is {value!r}")
        if max(abs(summary.steps), abs(summary.checkpoint or 0)) > _MOST_STEPS:
            raise ValueError(f"more than {_MOST_STEPS} steps")
        for layout in summary.cameras.values():
            sizes = [layout[key] for key in ("height", "width", "frames", "columns", "rows")]
            if not all(type(size) is int for size in sizes):
                raise ValueError(f"frames of {sizes}")
            if min(sizes) < 1 or max(sizes[:2]) > LONGEST:
                raise ValueError(f"frames of {sizes}")
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise RecordError(
            f"{path}: not a record of an episode: {shortened(repr(error))}"
        ) from error
    return summary

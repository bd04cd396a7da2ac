"""Numbers of a training as a table: ``metrics.csv`` or ``metrics.jsonl`` in the run folder.

A row has the step, the time in seconds since 1970, and the numbers that were logged then. Where a
training is resumed, rows after its checkpoint are removed, since they are written again.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mmrl.files import write_atomically

STEP: Final = "step"
TIME: Final = "wall_time"


class CsvLogger:
    """``metrics.csv``: a column for each number, empty where a row has none; a new column is added
    to the rows before.

    Args:
        folder, config, steps: as of :class:`mmrl.loggers.Logger`; the configuration is in the
            folder already.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], steps: int | None) -> None:
        self._file = folder / "metrics.csv"
        rows = [] if steps is None else [one for one in self._rows() if int(one[STEP]) <= steps]
        self._columns = list(rows[0]) if rows else [STEP, TIME]
        self._write(rows)

    def log(self, scalars: Mapping[str, float], step: int) -> None:
        """Add a row."""
        row = {STEP: step, TIME: round(time.time(), 3), **scalars}
        new = [name for name in row if name not in self._columns]
        if new:
            self._columns += new
            self._write([*self._rows(), row])
        else:
            _append(self._file, self._text([row]))

    def close(self) -> None:
        """Every row is written already."""

    def _rows(self) -> Iterator[dict[str, Any]]:
        """The rows of the file; the last one is left out where a killed process has cut it."""
        if self._file.is_file():
            with self._file.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    if None not in row.values() and None not in row:
                        yield row

    def _write(self, rows: list[dict[str, Any]]) -> None:
        head = {name: name for name in self._columns}
        write_atomically(self._file, self._text([head, *rows]))

    def _text(self, rows: list[dict[str, Any]]) -> str:
        text = io.StringIO(newline="")
        csv.DictWriter(text, self._columns, lineterminator="\n").writerows(rows)
        return text.getvalue()


class JsonlLogger:
    """``metrics.jsonl``: a JSON object in each line; numbers that are not finite are null.

    Args:
        folder, config, steps: as of :class:`mmrl.loggers.Logger`; the configuration is in the
            folder already.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], steps: int | None) -> None:
        self._file = folder / "metrics.jsonl"
        kept = [] if steps is None else list(self._kept(steps))
        write_atomically(self._file, "".join(kept))

    def log(self, scalars: Mapping[str, float], step: int) -> None:
        """Add a line."""
        finite = {name: one if math.isfinite(one) else None for name, one in scalars.items()}
        row = {STEP: step, TIME: round(time.time(), 3), **finite}
        _append(self._file, json.dumps(row) + "\n")

    def close(self) -> None:
        """Every line is written already."""

    def _kept(self, steps: int) -> Iterator[str]:
        if not self._file.is_file():
            return
        for line in self._file.read_text(encoding="utf-8").splitlines(keepends=True):
            try:
                if json.loads(line)[STEP] <= steps:
                    yield line
            except (ValueError, LookupError, TypeError):  # cut by a killed process
                continue


def _append(file: Path, text: str) -> None:
    """Add whole lines to a file, or none.

    Raises:
        OSError: such as that of a full disk.
    """
    with file.open("ab") as content:
        before = os.fstat(content.fileno()).st_size
        try:
            content.write(text.encode())
            content.flush()
        except OSError:
            content.truncate(before)
            raise

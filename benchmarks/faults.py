"""Every fault that was ever found by trying the product, tried again: before and now, line by line.

    python benchmarks/faults.py

A row runs the command or the call that failed, in a temporary folder with the inputs of
``faults/``, and holds where it does now what it should: a training that ends well, or a refusal in
one short sentence. Rows that another script measures better name it, with what its file has.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from fault_checks import RESULTS, Row
from fault_rows import ENVIRONMENTS, FILES, FOREIGN, SURROUNDINGS
from rich.progress import track

from mmrl.evaluation.report import provenance
from mmrl.files import write_atomically, write_json

INPUTS: Final = Path(__file__).parent / "faults"
PARTS: Final = {
    "Environments and settings": ENVIRONMENTS,
    "Files": FILES,
    "Foreign environments": FOREIGN,
    "Faults and surroundings": SURROUNDINGS,
}


def measure(row: Row) -> dict[str, Any]:
    """Run a row's checks, one after the other, in a folder of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        place = Path(folder) / "place"
        shutil.copytree(INPUTS, place)
        found = []
        for check in row.checks:
            try:
                one = check(place)
                found.append({"now": one.now.replace(folder, "FOLDER"), "holds": one.holds})
            except Exception as error:  # a row that cannot be tried does not hold
                found.append({"now": f"{type(error).__name__}: {error}"[:300], "holds": False})
    return {
        "row": row.id,
        "input": row.input,
        "before": row.before,
        "now": [one["now"] for one in found],
        "holds": all(one["holds"] for one in found) and bool(found),
        "failed": [one["now"] for one in found if not one["holds"]],
    }


def table(parts: dict[str, list[dict[str, Any]]]) -> str:
    """The rows in Markdown."""
    lines = ["# Faults, before and now", "", "Made by `python benchmarks/faults.py`."]
    for part, rows in parts.items():
        lines += ["", f"## {part}: {sum(row['holds'] for row in rows)} of {len(rows)}", "",
                  "| row | input | before | now | holds |", "|---|---|---|---|---|"]  # fmt: skip
        for row in rows:
            now = row["failed"][0] if row["failed"] else row["now"][0]
            more = f" (and {len(row['now']) - 1} more)" if len(row["now"]) > 1 else ""
            cells = [row["row"], row["input"], row["before"], now + more]
            lines.append(
                "| " + " | ".join(cell.replace("|", "\\|") for cell in cells)
                + f" | {'yes' if row['holds'] else 'NO'} |"
            )  # fmt: skip
    return "\n".join(lines) + "\n"


def merged(new: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """All rows that there are: those that were run now, and the others of the file."""
    file = RESULTS / "faults.json"
    rows = {} if not file.is_file() else json.loads(file.read_text())["parts"]
    known = {(row["row"], row["input"]): row for part in rows.values() for row in part}
    known |= {(row["row"], row["input"]): row for part in new.values() for row in part}
    return {
        part: [known[row.id, row.input] for row in planned if (row.id, row.input) in known]
        for part, planned in PARTS.items()
    }


def main() -> None:
    """Run all rows, print those that do not hold, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", help="ids of rows; the file keeps the others")
    parser.add_argument("--jobs", type=int, default=2, help="rows at once")
    options = parser.parse_args()
    started = time.monotonic()
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and so would the commands
    found: dict[str, list[dict[str, Any]]] = {part: [] for part in PARTS}
    plan = [
        (part, row)
        for part, rows in PARTS.items()
        for row in rows
        if not options.only or row.id in options.only
    ]
    with ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda one: measure(one[1]), plan)
        for (part, row), result in zip(plan, track(results, "rows", len(plan)), strict=True):
            found[part].append(result)
            print(f"{time.monotonic() - started:.0f} s", flush=True)
            if options.only or not result["holds"]:
                shown = result["now"] if options.only else result["failed"]
                print(f"{row.id} {row.input}: {'holds' if result['holds'] else 'FAILS'}")
                print("".join(f"    {line}\n" for line in shown), end="", flush=True)
    rows = [row for part in found.values() for row in part]
    print(f"{sum(row['holds'] for row in rows)} of {len(rows)} rows hold")
    whole = merged(found)
    write_json(RESULTS / "faults.json", {"parts": whole, **provenance(started)})
    write_atomically(RESULTS / "faults.md", table(whole))
    if not all(row["holds"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

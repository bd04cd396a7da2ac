"""Files from a stranger that hold code: none of it runs.

    python benchmarks/hostile_files.py

Code that leaves a mark is planted in every kind of file that mmrl reads: run folders, YAML files,
datasets, models, images, and modules in the working directory. Every command that reads such a
file is run on it, as a process with a home of its own. Beside each kind stands a control: the same
payload, opened the careless way (an import, an unpickling, ``gym.make``), leaves its mark. The
table has for each file and command whether the code has run, and how the command ended.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from planted_code import PLANTS, Case, Workshop
from rich.progress import track
from seeds import add_folder, work_folder

from mmrl.evaluation.report import provenance
from mmrl.files import write_json

RESULTS = Path(__file__).parent / "results"


def run(case: Case, command: list[str], shop: Workshop) -> dict[str, Any]:
    """Run one command in one place; whether the code has run."""
    shop.mark.unlink(missing_ok=True)
    python = [sys.executable, *([] if command[0] == "-c" else ["-m", "mmrl"])]
    home = shop.folder / "somebody"
    home.mkdir(exist_ok=True)
    begun = subprocess.Popen(
        [*python, *command], cwd=case.where, text=True, errors="replace",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "HOME": str(home), "SDL_VIDEODRIVER": "dummy", "HF_HUB_OFFLINE": "1",
             "XDG_CONFIG_HOME": str(home), "PYTHONPATH": "", **case.environment},
    )  # fmt: skip
    try:
        out, err = begun.communicate("y\ny\ny\n", 25 if command[0] == "watch" else 600)
    except subprocess.TimeoutExpired:  # a window is open until somebody closes it
        begun.kill()
        out, err = begun.communicate()
    lines = (err.strip() or out.strip() or "-").splitlines()
    return {
        "file": case.name,
        "command": " ".join(command) if command[0] != "-c" else command[1],
        "fired": shop.mark.exists(),
        "status": begun.returncode,
        "traceback": "Traceback (most recent call last)" in err and command[0] != "-c",
        "last_line": lines[-1][:300].replace(str(shop.folder), "FOLDER"),
    }


def main() -> None:
    """Plant, run, print a table, write the result; exits with 1 where code has run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_folder(parser)
    parser.add_argument("--only", help="cases whose name has this in it")
    options = parser.parse_args()
    started = time.monotonic()
    with work_folder(options) as folder:
        shop = Workshop(folder)
        shop.make_honest()
        for plant in PLANTS:
            plant(shop)
        cases = [case for case in shop.cases if not options.only or options.only in case.name]
        rows, controls = [], []
        for case in track(cases, description="files"):
            controls.append(run(case, ["-c", case.control], shop))
            rows += [run(case, command, shop) for command in case.commands]
            fired = sum(row["fired"] for row in rows if row["file"] == case.name)
            armed = "armed" if controls[-1]["fired"] else f"NOT ARMED {controls[-1]['last_line']}"
            print(f"{case.name}: {fired} of {len(case.commands)} fired ({armed})", flush=True)
    fired, tracebacks = (sum(row[key] for row in rows) for key in ("fired", "traceback"))
    duds = [row["file"] for row in controls if not row["fired"]]
    print(
        f"{len(rows)} commands on {len(cases)} kinds of file: {fired} fired, "
        f"{tracebacks} tracebacks"
    )
    if not options.only:
        write_json(
            RESULTS / "hostile_files.json",
            {"commands": len(rows), "fired": fired, "controls_that_fired": len(cases) - len(duds),
             "controls": len(cases), "rows": rows, **provenance(started)},
        )  # fmt: skip
    if fired or duds:
        raise SystemExit(f"fired: {fired}; not armed: {', '.join(duds) or 'none'}")


if __name__ == "__main__":
    main()

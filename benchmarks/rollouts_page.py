"""How fast TensorBoard's tab Rollouts lists 10,000 episodes, and what memory the server takes.

    python benchmarks/rollouts_page.py

50 runs of 200 synthetic episodes each. A server of its own process answers: the first list, which
reads every record's summary, and what that takes of a processor; later ones, within two seconds and
after them; a list that is filtered and sorted, the heat map, an episode, and a sheet of frames.
``benchmarks/results/rollouts_page.json`` has the seconds, and the server's memory before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import urlopen

from mmrl.evaluation.report import provenance
from mmrl.files import write_json

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "rollouts_page.json"
TESTS: Final = HERE.parent / "tests"
_TURNS: Final = 5
_STALE: Final = 2.2  # seconds, after which the server looks again
_SERVER: Final = """
import sys, threading
from mmrl.tensorboard.server import start
print(start(sys.argv[1:], 0).removesuffix("#rollouts"), flush=True)
threading.Event().wait()
"""


def write_episodes(folder: Path, runs: int, each: int) -> int:
    """Write synthetic records, the same ones in every run; their bytes."""
    sys.path.insert(0, str(TESTS))
    from synthetic_episodes import KINDS, episode, write

    for k in range(each):
        record = episode(
            k, steps=10, side=16, kind=KINDS[k % len(KINDS)], checkpoint=1_000 * k,
            success=k % 3 > 0,
        )  # fmt: skip
        write(folder / "run-00", f"{k:05d}", record)
    for run in range(1, runs):
        shutil.copytree(folder / "run-00", folder / f"run-{run:02d}")
    return sum(one.stat().st_size for one in folder.rglob("*.episode"))


def resident(pid: int) -> float:
    """Megabytes that a process has in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def processor(pid: int) -> float:
    """Seconds of processors that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds(address: str, route: str, **parameters: Any) -> tuple[float, Any]:
    """How long a request takes, and the content."""
    began = time.perf_counter()
    with urlopen(f"{address}data/plugin/rollouts/{route}?{urlencode(parameters)}") as answer:
        content = answer.read()
    return round(time.perf_counter() - began, 4), content


def measure(folder: Path) -> dict[str, Any]:
    """Start a server and ask it."""
    command = [sys.executable, "-c", _SERVER, str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    try:
        address = server.stdout.readline().strip()
        found: dict[str, Any] = {"megabytes_before": resident(server.pid)}
        before = processor(server.pid)
        found["first_list"], content = seconds(address, "episodes", limit=50)
        found["first_list_processor"] = round(processor(server.pid) - before, 2)
        first = json.loads(content)
        found["episodes"] = first["all"]
        found["megabytes_after"] = resident(server.pid)

        def median(route: str, wait: float = 0.0, **parameters: Any) -> float:
            times = []
            for _ in range(_TURNS):
                time.sleep(wait)
                times.append(seconds(address, route, **parameters)[0])
            return statistics.median(times)

        chosen = {"kind": "push", "success": "false", "sort": "return", "limit": 50}
        one = {"id": first["episodes"][0]["id"]}
        found |= {
            "list_within_two_seconds": median("episodes", limit=50),
            "list_after_two_seconds": median("episodes", _STALE, limit=50),
            "list_filtered": median("episodes", **chosen),
            "heatmap": median("heatmap"),
            "episode": median("episode", **one),
            "sheet": median("sheet", **one, camera="image", number=0),
            "megabytes_at_the_end": resident(server.pid),
        }
    finally:
        server.kill()
        server.wait()
    return found


def main() -> None:
    """Write the episodes, measure, print and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--each", type=int, default=200, help="episodes of a run")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        size = write_episodes(Path(folder), options.runs, options.each)
        found = measure(Path(folder))
    memory = {
        name.removeprefix("megabytes_"): found.pop(name)
        for name in list(found)
        if name.startswith("megabytes")
    }
    result = {
        "runs": options.runs, "episodes": found.pop("episodes"), "bytes": size,
        "seconds": found, "megabytes": memory, "load": os.getloadavg()[0],
    }  # fmt: skip
    print(json.dumps(result, indent=2))
    write_json(options.out, {**result, **provenance(started, "tensorboard")})


if __name__ == "__main__":
    main()

"""Whether PPO learns in any observation and action space by the command alone.

    python benchmarks/observation_spaces.py --jobs 2
    python benchmarks/observation_spaces.py --only "second camera" state

One bit decides the right action of an episode of one step (``tests/worlds/bits.py``): it is seen in
an image of any layout, in numbers or in a sentence, 24 ways in all, and answered by an action of
three kinds. Random actions are right in half of the episodes. In each of these 72 environments
``mmrl train`` learns for 4,096 steps with the same options, and is tested on 256 episodes that it
has not seen. ``benchmarks/results/observation_spaces.json`` has the shares and their 95% intervals,
and a table lies beside it as Markdown. Environments that are not tried this time keep their
entries.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from seeds import share_cores

from mmrl.evaluation.report import provenance
from mmrl.files import write_atomically, write_json

HERE: Final = Path(__file__).parent
TESTS: Final = HERE.parent / "tests"
sys.path.insert(0, str(TESTS))
from worlds.bits import ACTIONS, OBSERVATIONS  # noqa: E402 - it stands beside

RESULT: Final = HERE / "results" / "observation_spaces.json"
_OPTIONS: Final = [
    "--steps", "4096", "--ppo.num-envs", "16", "--ppo.n-steps", "16", "--ppo.batch-size", "64",
    "--model.features", "32", "--clip-every", "2048", "--eval-episodes", "256",
    "--controls", "false",
]  # fmt: skip


def measure(observations: str, actions: str, seed: int) -> dict[str, Any]:
    """One training: the share of right actions, or the last line of what went wrong."""
    args = json.dumps({"observations": observations, "actions": actions})
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        done = subprocess.run(
            [
                sys.executable, "-m", "mmrl", "train", "--env", "worlds.bits:bits/Bit-v0",
                "--env-args", args, "--seed", str(seed), "--out", str(out), *_OPTIONS,
            ],
            cwd=TESTS, capture_output=True, text=True,
        )  # fmt: skip
        entry: dict[str, Any] = {"observations": observations, "actions": actions}
        if done.returncode:
            entry["error"] = (done.stderr.strip().splitlines() or ["no message"])[-1]
        else:
            result = json.loads((out / "result.json").read_text())
            entry |= {key: result[key] for key in ("success_rate", "success_rate_95", "episodes")}
    print(f"{observations}, {actions}: {entry.get('success_rate', entry.get('error'))}", flush=True)
    return entry


def table(entries: list[dict[str, Any]]) -> str:
    """Observations down, actions across."""
    cells = {
        (one["observations"], one["actions"]): f"{one['success_rate']:.1%}"
        if "success_rate" in one
        else "failed"
        for one in entries
    }
    lines = [f"| the bit is seen in | {' | '.join(ACTIONS)} |", "|---|" + "--:|" * len(ACTIONS)]
    for name in OBSERVATIONS:
        row = " | ".join(cells.get((name, one), "–") for one in ACTIONS)
        lines.append(f"| {name} | {row} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train in each, print the table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(OBSERVATIONS), default=list(OBSERVATIONS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    options = parser.parse_args()
    share_cores(options.jobs)
    started = time.monotonic()
    plan = [(one, action) for one in options.only for action in ACTIONS]
    with ThreadPoolExecutor(options.jobs) as pool:
        found = list(pool.map(lambda one: measure(*one, options.seed), plan))
    before = json.loads(RESULT.read_text())["environments"] if RESULT.exists() else []
    kept = [one for one in before if (one["observations"], one["actions"]) not in plan]
    order = list(OBSERVATIONS)
    entries = sorted([*kept, *found], key=lambda one: order.index(one["observations"]))
    right = sum(one.get("success_rate", 0) >= 0.95 for one in entries)
    report = {
        "options": _OPTIONS,
        "environments": entries,
        "right in 95% or more": f"{right} of {len(entries)}",
        **provenance(started),
    }
    write_json(RESULT, report)
    write_atomically(RESULT.with_suffix(".md"), table(entries))
    print(table(entries) + report["right in 95% or more"])


if __name__ == "__main__":
    main()

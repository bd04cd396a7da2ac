"""The agents that come with the package: runs exported as float16, and evaluated as they are.

    python benchmarks/zoo.py pickup-dist=runs/demo go-to-local=runs/go_to_local_strict/seed-0
    python benchmarks/zoo.py --check

writes ``agents/mmrl_agents/zoo/NAME`` for each, and their success into
``benchmarks/results/zoo.json``, beside that of the weights in float32: on as many held-out episodes
as the training's evaluation had, the same seeds. ``--check`` plays those of the package again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import mmrl
from mmrl.evaluation.report import format_report, provenance
from mmrl.experiment.run import Run
from mmrl.files import write_json

ROOT = Path(__file__).parents[1]
ZOO = ROOT / "agents" / "mmrl_agents" / "zoo"
RESULTS = ROOT / "benchmarks" / "results" / "zoo.json"
LICENCE = "mit"
MEASURES = (
    "success_rate", "success_rate_95", "mean_return", "mean_return_95", "mean_length", "episodes",
)  # fmt: skip


def main() -> None:
    """Make or check the agents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("agents", nargs="*", help="NAME=RUN")
    parser.add_argument("--check", action="store_true", help="play those of the package again")
    options = parser.parse_args()
    if options.check:
        return check()
    started = time.monotonic()
    entries = read_entries()
    for pair in options.agents:
        name, _, run = pair.partition("=")
        entries[name] = make(name, run)
        write_json(RESULTS, {"agents": dict(sorted(entries.items())), **provenance(started)})
    return None


def read_entries() -> dict[str, Any]:
    """What was measured of the agents before."""
    return json.loads(RESULTS.read_text())["agents"] if RESULTS.is_file() else {}


def make(name: str, run: str) -> dict[str, Any]:
    """Export one with its evaluation, and evaluate the weights as they were, too."""
    print(f"{name}: {run}")
    with tempfile.TemporaryDirectory() as place:
        draft = mmrl.export(run, Path(place) / name, half=True, preview=False)
        rounded = {**read_training(Path(run)), **evaluate(draft)}
        result = Path(place) / "result.json"
        write_json(result, rounded)
        target = mmrl.export(run, ZOO / name, half=True, licence=LICENCE, result=result, force=True)
    whole = evaluate(run, controls=False)
    return {
        "env": rounded["env"],
        "float16": {key: rounded[key] for key in MEASURES if key in rounded},
        "float32": {key: whole[key] for key in MEASURES if key in whole},
        "kilobytes": round(size_of(target) / 1e3),
    }


def check() -> None:
    """Play the agents of the package, and compare with what is published."""
    for name, entry in read_entries().items():
        published = entry["float16"]
        measure = "success_rate" if published.get("success_rate") is not None else "mean_return"
        found = evaluate(ZOO / name, controls=False)[measure]
        low, high = published[f"{measure}_95"]
        print(f"{name}: {measure} {found:.4g}, published {published[measure]:.4g}")
        assert low <= found <= high, name


def size_of(folder: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def read_training(run: Path) -> dict[str, Any]:
    """What the result of the training says of the training itself."""
    file = run / "result.json"
    read = json.loads(file.read_text()) if file.is_file() else {}
    return {key: read[key] for key in ("agent", "steps", "seed", "training_seconds") if key in read}


def evaluate(run: str | Path, *, controls: bool = True) -> dict[str, Any]:
    """The agent on its held-out episodes."""
    episodes = Run.open(run).config["eval_episodes"]
    report = mmrl.evaluate(run, episodes=episodes, controls=controls)
    print(format_report(report))
    return report


if __name__ == "__main__":
    main()

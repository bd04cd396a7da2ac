"""What recording episodes costs a training: the demo's, with and without, in turns.

    python benchmarks/recording.py

Each turn trains twice from the start, in a process of its own each, with the same seed: both end
with the same weights, which is checked. ``benchmarks/results/recording.json`` has the seconds and
processor seconds of every training, the median of the turns' ratios, and what was recorded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from mmrl.evaluation.report import provenance
from mmrl.files import write_json

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "recording.json"


def train(megabytes: float, config: Path, steps: int) -> dict[str, Any]:
    """One training in this process: its seconds, and what its folder holds."""
    import yaml

    import mmrl

    given = yaml.safe_load(config.read_text())
    given |= {"steps": steps, "eval_episodes": 0, "clip_every": 0, "record_mb": megabytes}
    mmrl.train(**{**given, "steps": 2_048}, out=_temporary(), verbose=False)
    # all above was to compile and import
    wall, processor = time.perf_counter(), time.process_time()
    run = mmrl.train(**given, out=_temporary(), verbose=False)
    seconds = {"seconds": time.perf_counter() - wall, "processor": time.process_time() - processor}
    weights = hashlib.sha256()
    for name, one in sorted(run.agent.actor.policy.state_dict().items()):
        weights.update(name.encode() + one.cpu().numpy().tobytes())
    records = list((run.path / "episodes").glob("*.episode"))
    return {
        **seconds,
        "weights": weights.hexdigest(),
        "episodes": len(records),
        "bytes": sum(one.stat().st_size for one in records),
    }


def _temporary() -> str:
    return f"{tempfile.mkdtemp()}/run"


def main() -> None:
    """Measure, print the medians, write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=HERE.parent / "configs" / "demo.yaml")
    parser.add_argument("--steps", type=int, default=30_000, help="of each training")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(train(options.one, options.config, options.steps)))
        return
    started = time.monotonic()
    turns = []
    for number in range(options.turns):
        turn: dict[str, Any] = {}
        order = [200.0, 0.0] if number % 2 else [0.0, 200.0]
        for megabytes in order:
            command = [
                sys.executable, __file__, "--one", str(megabytes),
                "--config", str(options.config), "--steps", str(options.steps),
            ]  # fmt: skip
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            turn["with" if megabytes else "without"] = json.loads(printed.splitlines()[-1])
        assert turn["with"].pop("weights") == turn["without"].pop("weights")
        turns.append(turn)
        print(turn, flush=True)
    ratios = {
        key: statistics.median(one["without"][key] / one["with"][key] for one in turns)
        for key in ("seconds", "processor")
    }
    result = {
        "config": options.config.name,
        "steps": options.steps,
        "speed_beside_without_records": ratios,
        "turns": turns,
        **provenance(started),
    }
    write_json(RESULT, result)
    print(f"speed with records, of that without: {ratios['seconds']:.3f} (seconds), "
          f"{ratios['processor']:.3f} (processor seconds)")  # fmt: skip


if __name__ == "__main__":
    main()

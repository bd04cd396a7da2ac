"""What recording episodes costs a training: the demo's, with and without, in turns by update.

    python benchmarks/recording.py

One training records during every other update, rollout and gradient steps, and writes all records
before the next one begins. So both kinds are measured beside each other, and what else the machine
does meets both. The share of the time that the recorder may take is counted over the updates that
record. ``benchmarks/results/recording.json`` has the seconds of every update, the medians, the
median of the pairs' ratios with its 95% interval (bootstrap), and the share of the time that the
recorder itself and its thread have taken, which the machine's noise hardly changes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

import mmrl
from mmrl.evaluation.report import provenance
from mmrl.files import write_json
from mmrl.records import RecordFolder
from mmrl_agents.loop import callbacks
from mmrl_agents.loop.recorder import RolloutRecorder

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "recording.json"


class EveryOtherUpdate(RolloutRecorder):
    """Records in every other update, and measures all of them."""

    seconds: dict[bool, list[float]] = {True: [], False: []}
    taken = 0.0  # by the recorder and its thread
    _records = False
    _began = 0.0

    def _on_rollout_start(self) -> None:
        if self._began:
            if self._records and self._folder is not None:
                path = self._folder.path
                written = self._folder.seconds
                self._folder.close()
                self._folder = RecordFolder(path)
                self._folder.seconds = written
                EveryOtherUpdate.taken = self._spent + written
            took = time.perf_counter() - self._began
            self.seconds[self._records].append(took)
            if not self._records:
                self._started += took  # the share is of the time in which it records
        self._records = not self._records
        self._episode = None
        self._began = time.perf_counter()

    def _on_step(self) -> bool:
        return super()._on_step() if self._records else True

    def _on_rollout_end(self) -> None:
        if self._records:
            super()._on_rollout_end()


def main() -> None:
    """Measure, print the median, write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=HERE.parent / "configs" / "demo.yaml")
    parser.add_argument("--updates", type=int, default=60)
    options = parser.parse_args()
    started = time.monotonic()
    given = yaml.safe_load(options.config.read_text())
    each = given["ppo"]["num_envs"] * given["ppo"]["n_steps"]
    given |= {"steps": each * (options.updates + 3), "eval_episodes": 0, "clip_every": 0}
    callbacks.RolloutRecorder = EveryOtherUpdate  # type: ignore[misc]
    run = mmrl.train(**given, out=f"{tempfile.mkdtemp()}/run", verbose=False)
    records = list((run.path / "episodes").glob("*.episode"))
    pairs = list(
        zip(EveryOtherUpdate.seconds[False][1:], EveryOtherUpdate.seconds[True][1:], strict=False)
    )
    ratios = np.array([without / recording for without, recording in pairs])
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, (10_000, len(ratios))), axis=1)
    result: dict[str, Any] = {
        "config": options.config.name,
        "steps_of_an_update": each,
        "pairs": len(pairs),
        "speed_beside_without_records": round(float(np.median(ratios)), 4),
        "speed_beside_without_records_95": np.percentile(medians, [2.5, 97.5]).round(4).tolist(),
        "share_of_the_recorder": round(
            EveryOtherUpdate.taken / sum(EveryOtherUpdate.seconds[True]), 4
        ),
        "median_seconds": {
            name: round(statistics.median(column), 4)
            for name, column in zip(("without", "with"), zip(*pairs, strict=True), strict=True)
        },
        "episodes": len(records),
        "bytes": sum(one.stat().st_size for one in records),
        "seconds": [[round(one, 4) for one in pair] for pair in pairs],
        **provenance(started),
    }
    write_json(RESULT, result)
    low, high = result["speed_beside_without_records_95"]
    print(
        f"speed with records, of that without: {result['speed_beside_without_records']:.3f} "
        f"({low:.3f} to {high:.3f}), {len(pairs)} pairs, {len(records)} episodes"
    )


if __name__ == "__main__":
    main()

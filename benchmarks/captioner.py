"""How often a captioner says what was done: the verifier judges, on seeds and things it never saw.

    python benchmarks/captioner.py

``mmrl collect`` records the expert's episodes, ``mmrl fit captioner`` fits to them with the options
of ``configs/fit/captioner.yaml`` and several seeds; whatever mentions one of the held-out pairs of
colour and noun is left out of the fit, and counted. Then every step of other seeds' episodes that
carried something out is put into words, from the two pictures around it: a caption is accepted
where the verifier, had it been the episode's instruction, would have called it carried out by then.
Steps that held-out pairs are mentioned of are apart. Beside it: captions of steps drawn by chance
(blind).

Kept in ``benchmarks/results/captioner.json``, with 95% Wilson intervals.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import numpy as np
import yaml
from numpy.typing import NDArray

from mmrl.evaluation.report import provenance
from mmrl.evaluation.splits import held_out
from mmrl.evaluation.statistics import wilson_interval
from mmrl.evaluation.wording import is_among
from mmrl.files import write_json
from mmrl.fitting.loop import load
from mmrl.generative.captioner import as_input
from mmrl.generative.generator import TextGenerator
from mmrl.rollouts import Rollouts, open_rollouts

RESULTS: Final = Path(__file__).parent / "results"
CONFIG: Final = Path(__file__).parent.parent / "configs" / "fit" / "captioner.yaml"
UNSEEN: Final = 500_000_000  # seeds of the test episodes
MMRL: Final = [sys.executable, "-m", "mmrl"]


def collect(env: str, episodes: int, seed: int, out: Path) -> None:
    """The expert's episodes."""
    options = ["--by", "expert", "--episodes", str(episodes), "--seed", str(seed)]
    subprocess.run([*MMRL, "collect", env, *options, "--out", str(out)], check=True)


class End(NamedTuple):
    """A step that carried something out: in ``now`` with it, in ``true`` with it or before."""

    now: tuple[str, ...]
    true: tuple[str, ...]


def ends(rollouts: Rollouts) -> tuple[list[NDArray[np.uint8]], list[End]]:
    """The two pictures around every step that carried something out, one after the other, and
    what it carried out.
    """
    pictures, found = [], []
    for rollout in rollouts:
        before: tuple[str, ...] = ()
        for step, now in enumerate(rollout.achieved):
            before = (*before, *now)
            if now:
                pictures += [rollout.images[step], rollout.images[step + 1]]
                found.append(End(now, before))
    return pictures, found


def judge(said: list[str], found: list[End]) -> dict[str, Any]:
    """The share that is accepted, of steps with and without held-out pairs."""
    right = np.array([is_among(one, end.true) for one, end in zip(said, found, strict=True)])
    new = np.array([held_out(*end.now) for end in found])
    return {name: _rate(right[where]) for name, where in (("seen", ~new), ("held_out", new))}


def by_chance(found: list[End], without: str) -> list[str]:
    """Captions as they are learnt, each of another step than it is judged by."""
    generator = np.random.default_rng(0)
    wanted = [[one for one in end.now if not re.search(without, one)] for end in found]
    some = [captions for captions in wanted if captions]
    drawn = [some[k] for k in generator.integers(len(some), size=len(found))]
    return [captions[int(generator.integers(len(captions)))] for captions in drawn]


def _rate(right: NDArray[np.bool_]) -> dict[str, Any]:
    count, of = int(right.sum()), len(right)
    return {"accepted": round(count / of, 4), "of": of, "95": wilson_interval(count, of)}


def measure(run: Path, pictures: list[NDArray[np.uint8]], found: list[End]) -> dict[str, Any]:
    """What a fitted captioner says of all test steps, judged."""
    generator = cast("TextGenerator", load(run, "captioner", "cpu"))
    said = [one.sentence for one in generator.say(as_input(pictures, generator))]
    result = json.loads((run / "result.json").read_text())
    return {
        **judge(said, found),
        "distinct_captions": len(set(said)),
        "turned_away": result["turned_away"],
        "fit_seconds": result["wall_seconds"],
        "parameters": sum(one.numel() for one in generator.parameters()),
    }


def main() -> None:
    """Collect, fit, judge, print a table, write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--env", default="mmrl/ActionObjDoor-v0")
    parser.add_argument("--episodes", type=int, default=3_000, help="to learn from")
    parser.add_argument("--test-episodes", type=int, default=1_000)
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        folder, runs = Path(place), []
        collect(options.env, options.episodes, 0, folder / "data")
        collect(options.env, options.test_episodes, UNSEEN, folder / "test")
        pictures, found = ends(open_rollouts(str(folder / "test")))
        for seed in options.seeds:
            out = folder / f"seed-{seed}"
            fit = ["--config", str(CONFIG), "--data", str(folder / "data"), "--out", str(out)]
            subprocess.run([*MMRL, "fit", "captioner", *fit, "--seed", str(seed)], check=True)
            runs.append({"seed": seed, **measure(out, pictures, found)})
    blind = judge(by_chance(found, yaml.safe_load(CONFIG.read_text())["without"]), found)
    report = {
        "env": options.env,
        "episodes": options.episodes,
        "test_episodes": options.test_episodes,
        "config": yaml.safe_load(CONFIG.read_text()),
        "runs": runs,
        "blind": blind,
        **provenance(started),
    }
    write_json(RESULTS / "captioner.json", report)
    print("| seed | accepted, unseen seeds | held-out pairs |\n|---|---|---|")
    for name, one in [*((str(run["seed"]), run) for run in runs), ("blind", blind)]:
        cells = [
            f"{part['accepted']:.1%} of {part['of']} ({part['95'][0]:.1%} to {part['95'][1]:.1%})"
            for part in (one["seen"], one["held_out"])
        ]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

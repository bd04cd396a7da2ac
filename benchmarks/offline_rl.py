"""Offline reinforcement learning from pixels on episodes of mixed quality, beside cloning them.

    python benchmarks/offline_rl.py --jobs 2 --folder build/offline_rl
    python benchmarks/offline_rl.py --levels GoToLocal --methods iql bc_successful
    python benchmarks/offline_rl.py --quick

For each level 2,000 episodes are collected with fixed seeds: half by a random policy, half by the
expert, of whose actions a share (``--noise``) is random. From these alone learn implicit and
conservative Q-learning (``configs/offline/iql.yaml``, ``cql.yaml``) and, with the same model and no
memory, behaviour cloning (``configs/imitation/bc.yaml``): of all episodes, and of the successful
ones. All take the same number of gradient steps, with several seeds, by the ``mmrl train`` command.
``benchmarks/results/offline_rl.json`` has for each level the data's success, and for each method
and seed the success on 512 held-out episodes with its 95% interval and its controls: a random
policy, swapped instructions, the expert's length. A table lies beside it as Markdown. What is not
run this time keeps its entries. With ``--folder`` a measurement that was interrupted is resumed.
``--quick`` only tries whether all of it runs, and writes no results.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from commands import finish
from gymnasium.vector import VectorEnv
from learning import of_control
from numpy.typing import NDArray
from seeds import add_folder, each_name, share_cores, work_folder

from mmrl.data import ExpertSource, RandomSource, Request, collect, find_place, open_dataset
from mmrl.evaluation.report import provenance
from mmrl.files import write_atomically, write_json
from mmrl.seeding import action_seed

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "offline_rl.json"
CONFIGS: Final = HERE.parent / "configs"
_CLONING: Final = ("--bc.memory", "none", "--bc.demonstrations", "0")
_KEPT: Final = ("success_rate", "success_rate_95", "episodes", "mean_length", "controls")
_SEEDS: Final = {"random": 0, "noisy": 1_000_000}


@dataclass(frozen=True)
class Method:
    """How a method learns: the name of its agent, its recipe and further options."""

    agent: str
    recipe: Path
    options: tuple[str, ...] = ()


METHODS: Final = {
    "iql": Method("iql", CONFIGS / "offline" / "iql.yaml"),
    "cql": Method("cql", CONFIGS / "offline" / "cql.yaml"),
    "bc_all": Method(
        "bc", CONFIGS / "imitation" / "bc.yaml", (*_CLONING, "--bc.successful-only", "false")
    ),
    "bc_successful": Method("bc", CONFIGS / "imitation" / "bc.yaml", _CLONING),
}


class NoisyExpertSource:
    """The environment's expert, of whose actions a share is random.

    Args:
        noise: the probability of a random action.
    """

    def __init__(self, noise: float) -> None:
        self._noise, self._expert, self._random = noise, ExpertSource(), RandomSource()

    def begin(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """Get ready for episodes with these seeds."""
        self._rng = np.random.default_rng(action_seed(seeds[0]))
        self._expert.begin(env, seeds)
        self._random.begin(env, seeds)

    def actions(
        self, env: VectorEnv[Any, Any, Any], observation: Mapping[str, Any]
    ) -> NDArray[Any]:
        """The expert's actions, or random ones, [N]."""
        best, other = self._expert.actions(env, observation), self._random.actions(env, observation)
        return np.where(self._rng.random(len(other)) < self._noise, other, best)


def collect_mixed(level: str, folder: Path, episodes: int, noise: float) -> dict[str, Any]:
    """Both halves of a level's data; where they are, and what the policies that made them reach."""
    half, found = episodes // 2, {}
    sources = {"random": ("random", RandomSource),
               "noisy": (f"expert, noise {noise:g}", lambda: NoisyExpertSource(noise))}  # fmt: skip
    for name, (by, make_source) in sources.items():
        place = folder / level / f"{name}-v0"
        request = Request(f"mmrl/{level}-v0", half, by, seed=_SEEDS[name])
        collect(request, make_source, find_place(str(place)))
        columns = open_dataset(str(place)).columns(images=False)
        found[name] = {
            "by": by, "episodes": half, "steps": int(columns.starts[-1]),
            "success_rate": round(float(columns.success.mean()), 4),
            "mean_length": round(float(columns.lengths.mean()), 1),
        }  # fmt: skip
    return found


def measure(
    level: str, method: str, seed: int, folder: Path, overrides: list[str]
) -> dict[str, Any]:
    """One training: its result."""
    how, out = METHODS[method], folder / level / method / f"seed-{seed}"
    data = [str(folder / level / f"{name}-v0") for name in _SEEDS]
    seconds = finish(
        out, "train", "--config", how.recipe, "--env", f"mmrl/{level}-v0",
        f"--{how.agent}.data", json.dumps(data), *how.options, "--seed", seed, *overrides,
    )  # fmt: skip
    result = json.loads((out / "result.json").read_text())
    return {"seed": seed, **{key: result.get(key) for key in _KEPT}, "command_seconds": seconds}


def table(levels: dict[str, Any]) -> str:
    """One level and method a line, below the policies that made the data."""
    lines = [
        "| level | learned by | gradient steps | success, by seed | swapped instructions | random "
        "policy | steps (the expert's) |",
        "|---|---|--:|---|--:|--:|--:|",
    ]
    for level, one in levels.items():
        lines += [
            f"| {level} | the data: {half['by']}, {half['episodes']:,} episodes | – "
            f"| {half['success_rate']:.1%} | – | – | {half['mean_length']:.1f} |"
            for half in one["data"].values()
        ]
        lines += [_line(level, name, how) for name, how in one["methods"].items()]
    return "\n".join(lines) + "\n"


def _line(level: str, name: str, how: dict[str, Any]) -> str:
    runs = how["runs"]
    rates = ", ".join(f"{run['success_rate']:.1%}" for run in runs)
    swapped = ", ".join(of_control(run, "swapped_instructions") for run in runs)
    length = sum(run["mean_length"] for run in runs) / len(runs)
    expert = ((runs[0]["controls"] or {}).get("expert") or {}).get("mean_length")
    shown = "–" if expert is None else f"{expert:.1f}"
    return (
        f"| {level} | {name} | {how['steps']:,} | {rates} | {swapped} "
        f"| {of_control(runs[0], 'random_policy')} | {length:.1f} ({shown}) |"
    )


def parse() -> tuple[argparse.Namespace, list[str]]:
    """The options, and those that are handed to ``mmrl train``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--levels", nargs="+", default=["GoToRedBall"])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--episodes", type=int, default=2_000, help="of both halves together")
    parser.add_argument("--noise", type=float, default=0.3, help="random share of expert's actions")
    parser.add_argument("--steps", type=int, default=4_000, help="gradient steps of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    parser.add_argument("--quick", action="store_true", help="try whether it runs, in a minute")
    add_folder(parser)
    options, overrides = parser.parse_known_args()
    if options.quick:
        options.episodes, options.steps, options.seeds = 20, 2, [0]
        small = ["--eval-episodes", "4", "--controls", "false", "--record-mb", "0"]
        overrides = [*small, *overrides]
    return options, overrides


def main() -> None:
    """Collect, train, print the table, write the results."""
    options, overrides = parse()
    share_cores(options.jobs)
    started = time.monotonic()
    kept = RESULT.exists() and not options.quick
    levels: dict[str, Any] = json.loads(RESULT.read_text())["levels"] if kept else {}
    more = ["--steps", str(options.steps), *overrides]
    plan = {f"{level} {m}": (level, m) for level in options.levels for m in options.methods}
    with work_folder(options) as folder:
        for level in options.levels:
            data = collect_mixed(level, folder, options.episodes, options.noise)
            levels.setdefault(level, {"methods": {}})["data"] = data
        measured = each_name(
            list(plan), options, lambda name, seed: measure(*plan[name], seed, folder, more)
        )
        for name, runs in measured:  # each is kept as soon as it is done
            level, method = plan[name]
            levels[level]["methods"][method] = {
                "steps": options.steps,
                "overrides": overrides,
                "jobs": options.jobs,
                "runs": runs,
                **provenance(started),
            }
            if not options.quick:
                write_json(RESULT, {"levels": levels})
                write_atomically(RESULT.with_suffix(".md"), table(levels))
    print(table(levels), end="")


if __name__ == "__main__":
    main()

"""Are our levels BabyAI's levels? Thousands of resets of both, compared by statistical tests.

    python benchmarks/generation.py --resets 5000

Each reset of minigrid is imported into our state, so that one function reads both. For every level
and feature, two samples are compared: a category (the instruction with its colours taken out; the
agent's direction) by the chi-squared test of homogeneity, a number (objects of each kind, doors of
each state, distances, limit of steps, …) by the two-sample Kolmogorov–Smirnov test. With about
1,500 tests, the smallest p-value of equal generators is expected near 1/1,500; a test fails below
``--threshold``, which is a hundred times smaller.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import gymnasium as gym
import minigrid  # noqa: F401  # registers BabyAI's levels
import numpy as np
from numpy.typing import NDArray
from parity_pair import minigrid_id
from rich.progress import track
from scipy import stats

from mmrl.evaluation.report import machine, versions
from mmrl.files import write_json
from mmrl_envs.grid.core import cells
from mmrl_envs.grid.core.state import NOWHERE
from mmrl_envs.grid.generation.levels import LEVELS
from mmrl_envs.grid.minigrid_state import import_minigrid
from mmrl_envs.grid.worlds import GridWorlds

RESULT = Path(__file__).parent / "results" / "generation.json"
PATIENCE = 10  # seconds for one reset of minigrid, which takes milliseconds
KINDS = {
    "keys": cells.KEY,
    "balls": cells.BALL,
    "boxes": cells.BOX,
    "open doors": cells.DOOR_OPEN,
    "closed doors": cells.DOOR_CLOSED,
    "locked doors": cells.DOOR_LOCKED,
}
_COLOR = re.compile(rf"\b({'|'.join(cells.COLORS)})\b")


def features(worlds: GridWorlds, e: int) -> dict[str, Any]:
    """What is compared of one reset: strings are categories, the others numbers."""
    state, layout = worlds.state, worlds.layout
    count = int(state.object_count[e])
    kinds = Counter((state.object_code[e, :count] & cells.KIND_MASK).tolist())
    here = np.array(layout.position(int(state.agent_cell[e])))
    places = [layout.position(int(c)) for c in state.object_cell[e, :count] if c != NOWHERE]
    distances = np.abs(np.array(places) - here).sum(1) if places else np.zeros(1)
    targets = int(state.tracked[e, 0, 0])
    named = [k for k in range(count) if targets >> k & 1 and state.object_cell[e, k] != NOWHERE]
    aims = [
        np.abs(np.array(layout.position(int(state.object_cell[e, k]))) - here).sum() for k in named
    ]
    return {
        "instruction": _COLOR.sub("C", worlds.sentences[e]),
        "direction": str(int(state.agent_direction[e])),
        "column": int(here[0]),
        "row": int(here[1]),
        "objects": count,
        **{name: kinds[kind] for name, kind in KINDS.items()},
        "colours": len(set((state.object_code[e, :count] >> cells.COLOR_SHIFT).tolist())),
        "nearest object": int(distances.min()),
        "mean distance": round(float(distances.mean()), 6),
        "nearest target": int(min(aims, default=-1)),
        "targets": len(named),
        "max steps": int(state.max_steps[e]),
        "carrying": int(state.carried[e] >= 0),
    }


def ours(level: str, resets: int, seed: int) -> list[dict[str, Any]]:
    """Features of our own resets."""
    worlds = GridWorlds(level, resets)
    worlds.seed(np.arange(seed, seed + resets, dtype=np.uint64))
    worlds.reset()
    return [features(worlds, e) for e in range(resets)]


class _Hanging(BaseException):
    """A reset of minigrid that does not end: it looks for a free cell where there is none."""


def _give_up(*_: object) -> None:
    raise _Hanging


def theirs(level: str, resets: int, seed: int, hangs: list[int]) -> list[dict[str, Any]]:
    """Features of minigrid's resets; seeds of those that do not end go to ``hangs``."""
    worlds = GridWorlds(level, 1)
    env = gym.make(minigrid_id(level)).unwrapped
    found = []
    signal.signal(signal.SIGALRM, _give_up)
    for k in range(resets):
        try:
            signal.alarm(PATIENCE)
            with contextlib.redirect_stdout(io.StringIO()):
                env.reset(seed=seed + k)
            signal.alarm(0)
        except _Hanging:
            hangs.append(seed + k)
            continue
        import_minigrid(env, worlds)
        found.append(features(worlds, 0))
    return found


def p_value(a: list[Any], b: list[Any]) -> float:
    """The p-value of the two samples coming from one distribution."""
    if isinstance(a[0], str):
        table = _categories(a, b)
        return 1.0 if table.shape[1] < 2 else float(stats.chi2_contingency(table).pvalue)
    if set(a) == set(b) and len(set(a)) == 1:
        return 1.0
    return float(stats.ks_2samp(a, b, method="asymp").pvalue)


def _categories(a: list[str], b: list[str]) -> NDArray[np.int64]:
    """Counts [2, categories]; what is expected fewer than five times is put together."""
    counts = Counter(a), Counter(b)
    common = [name for name in counts[0] | counts[1] if counts[0][name] + counts[1][name] >= 10]
    table = [[one[name] for name in common] for one in counts]
    rest = [sum(one.values()) - sum(row) for one, row in zip(counts, table, strict=True)]
    if sum(rest) >= 10:
        table = [[*row, left] for row, left in zip(table, rest, strict=True)]
    return np.array(table)


def main() -> None:
    """Compare every level, write the report, and fail if a level differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resets", type=int, default=5000, help="of each level, in both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threshold", type=float, default=5e-6, help="smallest p-value to pass")
    parser.add_argument("--only", nargs="*", default=list(LEVELS), help="these levels")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    began = time.monotonic()
    levels: dict[str, Any] = {}
    hanging: dict[str, list[int]] = {}
    for level in track(options.only, description="levels"):
        a = ours(level, options.resets, options.seed)
        hangs: list[int] = []
        b = theirs(level, options.resets, options.seed, hangs)
        if hangs:
            hanging[level] = hangs
        levels[level] = {
            name: p_value([one[name] for one in a], [one[name] for one in b]) for name in a[0]
        }
    tests = {(level, name): p for level, ps in levels.items() for name, p in ps.items()}
    failed = [f"{level}: {name} (p = {p:.1e})" for (level, name), p in tests.items()
              if p < options.threshold]  # fmt: skip
    informative = [p for p in tests.values() if p < 1]
    write_json(
        options.output,
        {
            "command": f"python benchmarks/generation.py --resets {options.resets}",
            "resets": options.resets,
            "seed": options.seed,
            "threshold": options.threshold,
            "tests": len(tests),
            "smallest_p": min(tests.values()),
            "share_below_0.05": float(np.mean([p < 0.05 for p in informative])),
            "failed": failed,
            "minigrid_hangs_at_seeds": hanging,
            "wall_seconds": round(time.monotonic() - began, 1),
            "versions": versions(),
            "machine": machine(),
            "p_values": levels,
        },
    )
    print(f"{len(tests)} tests, smallest p {min(tests.values()):.1e}, failed: {failed or 'none'}")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""Is the expert to be trusted, and how fast is it? Beside BabyAI's bot, in one run on one core.

    python benchmarks/expert.py

Success from fresh episodes and from the middle of random ones, with what the agent has seen and
with full knowledge; every failure is listed with its seed. An instruction that cannot be
achieved any more is counted apart, see :func:`is_hopeless`.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import os
import statistics
import time
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from mmrl.evaluation.report import machine, versions
from mmrl.files import write_json
from mmrl_envs.grid.core.cells import BOX, DOOR_CLOSED, DOOR_OPEN, EMPTY, KIND_MASK
from mmrl_envs.grid.core.state import CLAUSES, NOWHERE
from mmrl_envs.grid.generation.levels import LEVELS
from mmrl_envs.grid.language.instructions import GO_TO, OPEN, PICK_UP, PUT_NEXT, SINGLE, STRICT
from mmrl_envs.grid.worlds import GridWorlds, Knowledge

RESULT: Final = Path(__file__).parent / "results" / "expert.json"
KNOWLEDGE: Final[tuple[Knowledge, ...]] = ("full", "seen")
BATCH: Final = 256
RAMBLE: Final = 300  # steps of a random beginning, at most
BOT_LOOKS: Final = 1000  # of BabyAI's bot at its plan before it counts as hanging


def is_hopeless(worlds: GridWorlds, e: int) -> bool:
    """Whether BabyAI's rules leave no way to achieve the instruction of environment ``e``.

    All that a clause speaks of is gone with opened boxes; or both halves are strict "open" clauses
    about different doors: the very toggle that completes the first is verified for the second, too,
    and fails it (so it is in minigrid, see ``OpenDoorsOrderN2Debug``); or a strict "pick up" is
    about things that are walled in by others, which must not be picked up (a box may be opened).
    """
    state = worlds.state
    code, progress = state.instruction[e], int(state.progress[e])
    present = {int(k) for k in np.flatnonzero(state.object_cell[e] != NOWHERE)}
    present |= {int(state.content[e, k]) for k in present} | {int(state.carried[e])}
    for clause in range(CLAUSES):
        verb = int(code[1 + clause]) & 15
        if verb == 0 or progress >> clause & 1:
            continue
        for side in range(2 if verb == PUT_NEXT else 1):
            targets = int(state.tracked[e, clause, side])
            things = {k for k in range(64) if targets >> k & 1}
            if verb == GO_TO and any(state.known_cell[e, k] != NOWHERE for k in things):
                continue
            if not things & present:
                return True
    if int(code[1]) & STRICT and int(code[1]) & 15 == PICK_UP and is_walled_in(worlds, e):
        return True
    halves = [int(code[1]), int(code[3])]
    both_strict = all(half & STRICT and half & 15 == OPEN for half in halves)
    same = int(state.tracked[e, 0, 0]) & int(state.tracked[e, 2, 0])
    return int(code[0]) != SINGLE and both_strict and not same


def is_walled_in(worlds: GridWorlds, e: int) -> bool:
    """Whether the agent cannot face any object of the first clause without picking one up."""
    state, layout = worlds.state, worlds.layout
    targets = int(state.tracked[e, 0, 0])
    goals = {int(state.object_cell[e, k]) for k in range(64) if targets >> k & 1}
    steps = (1, -1, layout.stride, -layout.stride)
    reached, edge = {int(state.agent_cell[e])}, [int(state.agent_cell[e])]
    while edge:
        here = edge.pop()
        for near in (here + step for step in steps):
            if near in goals:
                return False
            kind = int(state.grid[e, near]) & KIND_MASK
            if near not in reached and kind in (EMPTY, DOOR_OPEN, DOOR_CLOSED, BOX):
                reached.add(near)
                edge.append(near)
    return True


def play(worlds: GridWorlds, knowledge: Knowledge, over: NDArray[np.bool_]) -> Any:
    """Let the expert play on where it is not ``over``, bool [N].

    Returns:
        Success bool [N] and the steps it took, int [N].
    """
    over = over.copy()
    success = np.zeros(worlds.num_envs, np.bool_)
    steps = np.zeros(worlds.num_envs, np.int64)
    while not over.all():
        actions = worlds.expert_actions(knowledge)
        steps += ~over
        _, terminated, truncated, succeeded, _ = worlds.step(actions, over)
        success |= succeeded
        over |= terminated | truncated
    return success, steps


def fresh_episodes(level: str, seeds: int, knowledge: Knowledge) -> dict[str, Any]:
    """Episodes from their beginning, with the first ``seeds`` seeds."""
    worlds = GridWorlds(level, seeds)
    worlds.remember()
    worlds.seed(np.arange(seeds, dtype=np.uint64))
    worlds.reset()
    hopeless = np.array([is_hopeless(worlds, e) for e in range(seeds)])
    success, steps = play(worlds, knowledge, hopeless)
    return {
        "episodes": int((~hopeless).sum()),
        "hopeless_seeds": np.flatnonzero(hopeless).tolist(),
        "failed_seeds": np.flatnonzero(~success & ~hopeless).tolist(),
        "mean_steps": round(float(steps[success].mean()), 2) if success.any() else None,
    }


def from_the_middle(level: str, states: int, knowledge: Knowledge) -> dict[str, Any]:
    """States in the middle of random episodes, half of them full of pickups, drops and toggles;
    the limit of steps counts from there.
    """
    kept = gone = first = 0
    failed: list[int] = []
    while kept < states:
        worlds = GridWorlds(level, BATCH)
        worlds.remember()
        worlds.seed(np.arange(first, first + BATCH, dtype=np.uint64))
        worlds.reset()
        rng = np.random.default_rng(first)
        lengths = rng.integers(1, np.minimum(worlds.state.max_steps, RAMBLE) + 1)
        chances = np.ones(7) / 7 if first // BATCH % 2 else np.array([2, 2, 4, 3, 3, 3, 0]) / 17
        over = np.zeros(BATCH, np.bool_)
        for t in range(int(lengths.max())):
            actions = rng.choice(7, BATCH, p=chances)
            _, terminated, truncated, _, _ = worlds.step(actions, over | (t >= lengths))
            over |= terminated | truncated
        hopeless = ~over & np.array([is_hopeless(worlds, e) for e in range(BATCH)])
        gone += int(hopeless.sum())
        over |= hopeless
        over |= np.cumsum(~over) > states - kept
        worlds.state.step_count[:] = 0
        success, _ = play(worlds, knowledge, over)
        failed += (first + np.flatnonzero(~success & ~over)).tolist()
        kept += int((~over).sum())
        first += BATCH
        if first > 400 * BATCH:  # a level that is hopeless as a rule
            break
    return {"states": kept, "hopeless": gone, "failed_seeds": failed}


def our_episodes(seconds: float, knowledge: Knowledge, level: str) -> float:
    """Episodes a second of a batch, steps and new episodes included."""
    worlds = GridWorlds(level, BATCH)
    worlds.seed(np.arange(BATCH, dtype=np.uint64))
    worlds.reset()
    none = np.zeros(BATCH, np.bool_)
    over, ended = none, 0
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(16):
            actions = worlds.expert_actions(knowledge)
            _, terminated, truncated, _, count = worlds.step(actions, none, None, over)
            over = terminated | truncated
            ended += count
    return ended / (time.perf_counter() - start)


class _Patience(list[Any]):
    """The plan of BabyAI's bot, which may be looked at only so often in an episode."""

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        self.looks += 1
        if self.looks > BOT_LOOKS:
            raise RuntimeError("no decision")
        return super().__getitem__(index)


def their_episodes(seconds: float, first_seed: int, level: str) -> tuple[float, int, int]:
    """BabyAI's bot: episodes a second, how many, and how many succeeded."""
    from minigrid.utils.baby_ai_bot import BabyAIBot

    with contextlib.redirect_stdout(io.StringIO()):
        env = gym.make(f"BabyAI-{level}-v0")
        episodes = successes = 0
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            env.reset(seed=first_seed + episodes)
            episodes += 1
            with contextlib.suppress(Exception):  # it may lose its way, and asserts that it does
                bot: Any = BabyAIBot(env)
                bot.stack = _Patience(bot.stack)
                action, over = None, False
                while not over:
                    action = bot.replan(action)
                    _, reward, terminated, truncated, _ = env.step(int(action))
                    over = terminated or truncated
                successes += float(reward) > 0
        return episodes / (time.perf_counter() - start), episodes, successes


def measure_speed(repetitions: int, seconds: float) -> dict[str, Any]:
    """Ours and BabyAI's in turn, with ratios of medians."""
    report: dict[str, Any] = {}
    for level in ("GoToLocal", "GoTo"):
        runs: dict[str, list[float]] = {"full": [], "seen": [], "BabyAI's bot": []}
        played = won = 0
        our_episodes(0.1, "full", level)
        our_episodes(0.1, "seen", level)
        for repetition in track(range(repetitions), description=f"speed, {level}"):
            for knowledge in KNOWLEDGE:
                runs[knowledge].append(our_episodes(seconds, knowledge, level))
            rate, episodes, successes = their_episodes(seconds, 10_000 * repetition, level)
            runs["BabyAI's bot"].append(rate)
            played, won = played + episodes, won + successes
        medians = {name: statistics.median(values) for name, values in runs.items()}
        theirs = medians["BabyAI's bot"]
        report[level] = {
            "episodes_per_second": runs,
            "median": medians,
            "times_babyais_bot": {name: medians[name] / theirs for name in KNOWLEDGE},
            "babyais_bot_success": won / played,
        }
    return report


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=200, help="fresh episodes a level")
    parser.add_argument("--states", type=int, default=1000, help="states in mid-episode a level")
    parser.add_argument("--repetitions", type=int, default=5, help="turns of each (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a turn (default 2)")
    parser.add_argument("--core", type=int, default=0, help="which core, on Linux (default 0)")
    parser.add_argument("--only", nargs="*", metavar="LEVEL", help="these levels only")
    parser.add_argument("--output", type=Path, default=RESULT, help="the JSON file to write")
    return parser.parse_args()


def main() -> None:
    """Measure, print, write the file."""
    arguments = parse_arguments()
    began = time.perf_counter()
    about = machine()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {arguments.core})
    speed = measure_speed(arguments.repetitions, arguments.seconds)
    levels: dict[str, Any] = {}
    for level in track(arguments.only or list(LEVELS), description="levels"):
        levels[level] = {
            knowledge: {
                "fresh": fresh_episodes(level, arguments.seeds, knowledge),
                "from_the_middle": from_the_middle(level, arguments.states, knowledge),
            }
            for knowledge in KNOWLEDGE
        }
    totals: dict[str, Any] = {}
    for knowledge in KNOWLEDGE:
        fresh = [level[knowledge]["fresh"] for level in levels.values()]
        middle = [level[knowledge]["from_the_middle"] for level in levels.values()]
        episodes, states = sum(f["episodes"] for f in fresh), sum(m["states"] for m in middle)
        failed = sum(len(f["failed_seeds"]) for f in fresh)
        lost = sum(len(m["failed_seeds"]) for m in middle)
        totals[knowledge] = {
            "episodes": episodes,
            "hopeless_episodes": sum(len(f["hopeless_seeds"]) for f in fresh),
            "failed": failed,
            "success": 1 - failed / episodes,
            "states_in_mid_episode": states,
            "hopeless_states": sum(m["hopeless"] for m in middle),
            "failed_in_mid_episode": lost,
            "success_in_mid_episode": 1 - lost / states,
        }
        print(knowledge, totals[knowledge])
    for level, rates in speed.items():
        print(level, {name: round(rate) for name, rate in rates["median"].items()})
    write_json(
        arguments.output,
        {
            "command": f"python benchmarks/expert.py --seeds {arguments.seeds} "
            f"--states {arguments.states} --repetitions {arguments.repetitions} "
            f"--seconds {arguments.seconds:g}",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": about,
            "versions": versions(),
            "wall_seconds": round(time.perf_counter() - began, 1),
            "totals": totals,
            "speed": speed,
            "levels": levels,
        },
    )
    print(f"written: {arguments.output}")


if __name__ == "__main__":
    main()

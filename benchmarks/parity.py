"""Steps minigrid's BabyAI levels and ours side by side and counts every difference.

Each episode begins in minigrid; :func:`mmrl_envs.grid.minigrid_state.import_minigrid` brings its
state into ours, and both get the same actions. Besides the levels, scrambled worlds are compared:
rooms strewn with walls, doors and things, under instructions that no level would give.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from minigrid.utils.baby_ai_bot import BabyAIBot
from parity_pair import EPISODE_STEPS, ParityPair, minigrid_id
from rich.progress import Progress

from mmrl.evaluation.report import machine, versions
from mmrl.files import write_json
from mmrl_envs.grid.generation.levels import LEVELS

RESULTS: Final = Path(__file__).parent / "results" / "parity.json"
IMAGE_EVERY: Final = 50
SCRAMBLED: Final = "scrambled"
_SCRAMBLED_FROM: Final = ("BabyAI-GoToLocal-v0", "BabyAI-BossLevel-v0", "BabyAI-GoToObjS6-v1")


class _Patience(list[Any]):
    """The bot's stack of subgoals, which it may look at only so often before it has to act: some
    of its plans never come to an end.
    """

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        self.looks += 1
        if self.looks > 1000:
            raise RuntimeError("the bot does not come to a decision")
        return super().__getitem__(index)


_ACTORS: Final = ("everybody", "random", "expert")
Actor = Callable[[], int]


def _weighted(rng: np.random.Generator, weights: list[int]) -> Actor:
    chances = np.array(weights) / sum(weights)
    return lambda: int(rng.choice(len(weights), p=chances))


def _bot(source: Any, rng: np.random.Generator, stumbles: float) -> Actor:
    """The bot of minigrid; takes a random action now and then, and only those once it is lost."""
    random_action = _weighted(rng, [2, 2, 4, 3, 3, 3, 1])
    try:
        bot: Any = BabyAIBot(source)
        bot.stack = _Patience(bot.stack)
    except Exception:
        return random_action
    lost = False
    last: int | None = None

    def act() -> int:
        nonlocal lost, last
        suggested = 6
        if not lost:
            try:
                bot.stack.looks = 0
                suggested = int(bot.replan(last))
            except Exception:  # assertions and errors of many types: it has lost its way
                lost = True
        last = random_action() if lost or rng.random() < stumbles else suggested
        return last

    return act


def _actors(source: Any, rng: np.random.Generator) -> list[Callable[[], Actor]]:
    """Where an episode's actions may come from, in turn."""
    return [
        lambda: _bot(source, rng, 0.0),
        lambda: _weighted(rng, [2, 2, 5, 3, 3, 3, 1]),
        lambda: _bot(source, rng, 0.15),
        lambda: _weighted(rng, [1] * 7),
        lambda: _bot(source, rng, 0.02),
        lambda: _weighted(rng, [3, 3, 2, 8, 6, 4, 0]),
    ]


@dataclass
class Tally:
    """What was compared in a level, and what differed."""

    steps: int = 0
    episodes: int = 0
    successes: int = 0
    failures: int = 0
    truncations: int = 0
    imports_in_mid_episode: int = 0
    images: int = 0
    mismatches: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def note(self, differences: list[str], where: str) -> None:
        """Count differences, and keep the first few with the place where they occurred."""
        self.mismatches.update(differences)
        if differences and len(self.examples) < 5:
            self.examples.append(f"{where}: {', '.join(differences)}")


def compare(env_id: str, level: str | None, steps: int, seed: int) -> Tally:
    """Compare a level over at least ``steps`` steps.

    Args:
        env_id: what minigrid calls it; :data:`SCRAMBLED` for scrambled worlds.
        level: what ours calls it; None where nothing is to be generated.
        steps: how many at least.
        seed: of the actions and the episodes.
    """
    rng = np.random.default_rng(seed)
    tally = Tally()
    scrambled = env_id == SCRAMBLED
    pairs = [ParityPair(name, level) for name in (_SCRAMBLED_FROM if scrambled else (env_id,))]
    while tally.steps < steps:
        k = tally.episodes
        tally.episodes += 1
        pair = pairs[k % len(pairs)]
        short = int(rng.integers(1, EPISODE_STEPS // 3)) if k % 4 == 3 else None
        tally.note(pair.reset(seed + k, short), f"episode {k}, reset")
        if scrambled:
            tally.note(pair.scramble(rng), f"episode {k}, scrambled")
        actors = _actors(pair.source, rng)
        act = actors[k % len(actors)]()
        again = int(rng.integers(1, 40)) if k % 2 else -1
        for t in range(EPISODE_STEPS):
            action = act()
            differences, terminated, truncated, success = pair.step(action)
            tally.steps += 1
            if t % IMAGE_EVERY == IMAGE_EVERY - 1 or terminated or truncated:
                tally.images += 1
                differences += pair.image_differences()
            sentence = pair.source.mission
            tally.note(differences, f"episode {k}, step {t + 1}, action {action}, {sentence!r}")
            tally.truncations += truncated
            tally.successes += success
            tally.failures += terminated and not success
            if differences or terminated or truncated:
                break
            if t == again:
                tally.imports_in_mid_episode += 1
                tally.note(pair.bring_over(), f"episode {k}, import after step {t + 1}")
    return tally


def compare_by_seeds(env_id: str, level: str, seeds: int, steps: int, by: str) -> Tally:
    """Compare a level for ``steps`` steps from each of ``seeds`` seeds; an episode that ends is
    followed by one with the seed ``seeds`` higher.

    Args:
        env_id: what minigrid calls the level.
        level: what ours calls it.
        seeds: 0, 1, …, this many.
        steps: of each seed, at least.
        by: who acts: "random", or "expert", with what the agent has seen.
    """
    tally = Tally()
    pair = ParityPair(env_id, level)
    for first in range(seeds):
        rng = np.random.default_rng(first)
        left, seed = steps, first
        while left > 0:
            tally.note(pair.reset(seed), f"seed {seed}, reset")
            tally.episodes += 1
            ended = False
            while left > 0 and not ended:
                action = int(rng.integers(7)) if by == "random" else pair.ours.expert_action()
                differences, terminated, truncated, success = pair.step(action)
                ended = terminated or truncated
                left -= 1
                tally.steps += 1
                tally.truncations += truncated
                tally.successes += success
                tally.failures += terminated and not success
                tally.note(differences, f"seed {seed}, action {action}")
                if differences:
                    left = 0
            seed += seeds
    return tally


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=4000, help="steps of each level, at least")
    parser.add_argument("--seeds", type=int, default=20, help="played at random and by the expert")
    parser.add_argument("--seed-steps", type=int, default=200, help="steps of each of these seeds")
    parser.add_argument("--seed", type=int, default=0, help="of the actions and the episodes")
    parser.add_argument("--only", nargs="*", metavar="ID", help="minigrid ids of these levels only")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the JSON goes")
    return parser.parse_args()


def main() -> None:
    """Compare every level, show the progress, write the report, and fail if anything differed."""
    options = _options()
    work: list[tuple[str, str | None, int]] = [
        (minigrid_id(level), level, options.steps) for level in LEVELS
    ]
    work.append((SCRAMBLED, None, options.steps))
    if options.only:
        work = [item for item in work if item[0] in options.only]
    began = time.perf_counter()
    levels: dict[str, dict[str, Any]] = {}
    with Progress() as progress:
        task = progress.add_task("levels", total=len(work))
        for env_id, level, steps in work:
            progress.update(task, description=env_id)
            start = time.perf_counter()
            tallies = {"everybody": compare(env_id, level, steps, options.seed)}
            for by in ("random", "expert") if level else ():
                tallies[by] = compare_by_seeds(
                    env_id, level or "", options.seeds, options.seed_steps, by
                )
            for by, tally in tallies.items():
                if tally.mismatches:
                    progress.console.print(env_id, by, dict(tally.mismatches), *tally.examples)
            levels[env_id] = {
                "seconds": round(time.perf_counter() - start, 2),
                **{by: vars(t) | {"mismatches": dict(t.mismatches)} for by, t in tallies.items()},
            }
            progress.advance(task)
    totals = {
        name: sum(level[by][name] for level in levels.values() for by in _ACTORS if by in level)
        for name in ("steps", "episodes", "successes", "failures", "truncations", "images")
    }
    totals["mismatches"] = sum(
        sum(level[by]["mismatches"].values())
        for level in levels.values()
        for by in _ACTORS
        if by in level
    )
    report = {
        "command": f"python benchmarks/parity.py --steps {options.steps} --seeds {options.seeds} "
        f"--seed-steps {options.seed_steps} --seed {options.seed}",
        "what": "steps compared with minigrid: frame, symbols, image, sentence, position, "
        "direction, carried, grid, step count, reward, terminated, truncated, success",
        "machine": machine(),
        "versions": versions(),
        "seed": options.seed,
        "wall_seconds": round(time.perf_counter() - began, 1),
        "totals": totals,
        "levels": levels,
    }
    write_json(options.output, report)
    print(json.dumps(totals), f"in {report['wall_seconds']} s")
    if totals["mismatches"]:
        raise SystemExit("there are differences: see the examples in the report")


if __name__ == "__main__":
    main()

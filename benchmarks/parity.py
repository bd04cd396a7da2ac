"""Steps minigrid's BabyAI levels and ours side by side and counts every difference.

Each episode begins in minigrid; :func:`mmrl_envs.grid.minigrid_state.import_minigrid` brings its
state into ours, and both get the same actions. Besides the levels, scrambled worlds are compared:
rooms strewn with walls, doors and things, under instructions that no level would give.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
from minigrid.core.constants import COLOR_NAMES
from minigrid.core.world_object import Ball, Box, Door, Key, Wall
from minigrid.envs.babyai.core.verifier import (
    LOC_NAMES,
    AfterInstr,
    AndInstr,
    BeforeInstr,
    GoToInstr,
    ObjDesc,
    OpenInstr,
    PickupInstr,
    PutNextInstr,
)
from minigrid.utils.baby_ai_bot import BabyAIBot
from minigrid.wrappers import RGBImgPartialObsWrapper
from numpy.typing import NDArray
from rich.progress import Progress

from mmrl.evaluation.report import machine, versions
from mmrl.files import write_json
from mmrl_envs.grid import cells
from mmrl_envs.grid.env import GridEnv
from mmrl_envs.grid.levels import LEVELS
from mmrl_envs.grid.minigrid_state import import_minigrid
from mmrl_envs.grid.state import NOTHING, make_layout, make_state
from mmrl_envs.grid.views import make_view
from mmrl_envs.grid.views.egocentric import EgocentricSymbols

RESULTS: Final = Path(__file__).parent / "results" / "parity.json"
EPISODE_STEPS: Final = 150  # an episode is broken off here: a lost agent shows nothing new
PICTURE_EVERY: Final = 50
_SYMBOLS: Final = cells.symbols()
_RUNNING: Final = np.zeros(1, np.bool_)
SCRAMBLED: Final = "scrambled"
_SCRAMBLED_FROM: Final = ("BabyAI-GoToLocal-v0", "BabyAI-BossLevel-v0", "BabyAI-GoToObjS6-v1")


def minigrid_id(level: str) -> str:
    """The id under which minigrid registers a level of ours."""
    return f"BabyAI-{level}-v{1 if level == 'GoToObjS6' else 0}"


class Twins:
    """A minigrid environment and one of ours that is kept in the same state.

    Args:
        env_id: what minigrid calls the level.
        level: what ours calls it; None where nothing is to be generated.
    """

    def __init__(self, env_id: str, level: str | None = None) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.source: Any = gym.make(env_id).unwrapped
        self.theirs = RGBImgPartialObsWrapper(self.source, tile_size=8)
        self.ours = GridEnv(level or "GoToObj")
        self._limit = self.source.max_steps
        self._symbols = np.empty((1, 7, 7, 3), np.uint8)
        if level is None:
            worlds, source = self.ours.worlds, self.source
            worlds.layout = make_layout(source.room_size, source.num_cols, source.num_rows, 64)
            worlds.state = make_state(1, worlds.layout)
            worlds.view = make_view(worlds.layout, "egocentric", "pixels", 8, worlds.theme)
            # Nothing is generated: what stands there is what was imported.
            worlds.reset = lambda *_: None  # type: ignore[method-assign]

    def reset(self, seed: int, max_steps: int | None = None) -> list[str]:
        """Begin an episode in minigrid and bring it over; what differs afterwards.

        Args:
            seed: of minigrid's episode.
            max_steps: the limit of steps, if not the level's own.
        """
        self.source.max_steps = self._limit  # some levels keep it, others set it anew at a reset
        with contextlib.redirect_stdout(io.StringIO()):  # minigrid tells of every level it rejects
            observation, _ = self.theirs.reset(seed=seed)
        if max_steps is not None:
            self.source.max_steps = max_steps
        self.ours.reset(seed=seed)
        return self.bring_over(observation)

    def scramble(self, rng: np.random.Generator) -> list[str]:
        """Strew minigrid's rooms with whatever there is, give it an instruction of any form, and
        bring it over; what differs afterwards.
        """
        _strew(self.source, rng)
        self.source.instrs = _any_instruction(self.source, rng)
        self.source.mission = self.source.surface = self.source.instrs.surface(self.source)
        self.source.instrs.reset_verifier(self.source)
        self.source.max_steps = int(rng.integers(20, EPISODE_STEPS))
        return self.bring_over()

    def bring_over(self, observation: dict[str, Any] | None = None) -> list[str]:
        """Import minigrid's present state; what differs afterwards."""
        import_minigrid(self.theirs, self.ours.worlds)
        if observation is None:
            observation = self.theirs.observation(self.source.gen_obs())
        frame = self.ours.worlds.frame(0)
        sentence = self.ours.worlds.sentences[0]
        symbols = self.source.gen_obs()["image"]
        return [
            *self._differences(observation, symbols, frame, sentence),
            *self.picture_differences(),
        ]

    def step(self, action: int) -> tuple[list[str], bool, bool, bool]:
        """One action in both.

        Returns:
            What differs, then minigrid's terminated, truncated and success.
        """
        symbols, reward, terminated, truncated, _ = self.source.step(action)
        observation = self.theirs.observation(symbols)
        success = bool(terminated and float(reward) > 0)
        ours, our_reward, our_terminated, our_truncated, info = self.ours.step(action)
        differences = self._differences(
            observation, symbols["image"], ours["image"], ours["instruction"]
        )
        ended = terminated or truncated
        for name, same in {
            "reward": our_reward == float(reward),
            "terminated": our_terminated == terminated,
            "truncated": our_truncated == truncated,
            "success": info.get("is_success") == (success if ended else None),
        }.items():
            if not same:
                differences.append(name)
        return differences, terminated, truncated, success

    def picture_differences(self) -> list[str]:
        """Whether the whole grids, drawn from above, differ."""
        theirs = self.source.get_frame(highlight=True, tile_size=32)
        return [] if np.array_equal(theirs, self.ours.worlds.picture(0)) else ["picture"]

    def symbols(self) -> NDArray[np.uint8]:
        """Our symbols of what the agent sees, uint8 [7, 7, 3]."""
        worlds = self.ours.worlds
        view = EgocentricSymbols(worlds.layout)
        view.paint(worlds.state, 0, 1, _RUNNING, self._symbols)
        return self._symbols[0]

    def _differences(
        self,
        observation: dict[str, Any],
        symbols: NDArray[np.uint8],
        frame: NDArray[np.uint8],
        sentence: str,
    ) -> list[str]:
        source, state, layout = self.source, self.ours.worlds.state, self.ours.worlds.layout
        x, y = layout.position(int(state.agent_cell[0]))
        held = int(state.carried[0])
        carried = None if held == NOTHING else _SYMBOLS[state.object_code[0, held]].tolist()
        grid = state.grid[0].reshape(-1, layout.stride)
        margin = (layout.stride - layout.width) // 2
        inside = grid[margin : margin + layout.height, margin : margin + layout.width]
        hands = source.carrying and list(source.carrying.encode())
        pairs = {
            "frame": np.array_equal(observation["image"], frame),
            "symbols": np.array_equal(symbols, self.symbols()),
            "sentence": observation["mission"] == sentence,
            "position": tuple(map(int, source.agent_pos)) == (x, y),
            "direction": int(source.agent_dir) == int(state.agent_direction[0]),
            "carried": hands == carried,
            "grid": np.array_equal(source.grid.encode().swapaxes(0, 1), _SYMBOLS[inside]),
            "step_count": (source.step_count, source.max_steps)
            == (int(state.step_count[0]), int(state.max_steps[0])),
        }
        return [name for name, same in pairs.items() if not same]


def _any_thing(rng: np.random.Generator) -> Any:
    color = COLOR_NAMES[rng.integers(6)]
    kind = rng.integers(8)
    if kind == 0:
        return Wall(color)
    if kind <= 2:
        state = rng.integers(3)
        return Door(color, is_open=state == 0, is_locked=state == 2)
    if kind <= 4:
        return Key(color)
    if kind == 5:
        return Ball(color)
    inside = (None, Key(color), Ball("grey"), Box("red", Ball(color)))[rng.integers(4)]
    return Box(color, inside)


def _strew(source: Any, rng: np.random.Generator) -> None:
    """Put things on about a fifth of the inner cells (40 at most), and the agent on a free one."""
    source.carrying = None
    left = 40
    free = []
    for x in range(1, source.width - 1):
        for y in range(1, source.height - 1):
            here = source.grid.get(x, y)
            if here is not None and here.type == "wall" and rng.random() < 0.9:
                continue
            source.grid.set(x, y, None)
            if left and rng.random() < 0.2:
                source.put_obj(_any_thing(rng), x, y)
                left -= 1
            else:
                free.append((x, y))
    # one at least of what every kind of clause needs
    for needed in (Door(COLOR_NAMES[rng.integers(6)]), Ball(COLOR_NAMES[rng.integers(6)])):
        source.put_obj(needed, *free.pop(int(rng.integers(len(free)))))
    source.agent_pos = free[rng.integers(len(free))]
    source.agent_dir = int(rng.integers(4))
    source.step_count = 0


def _any_description(source: Any, rng: np.random.Generator, kinds: list[str | None]) -> ObjDesc:
    """A description that something on the grid fits."""
    while True:
        color = COLOR_NAMES[rng.integers(6)] if rng.random() < 0.4 else None
        place = LOC_NAMES[rng.integers(4)] if rng.random() < 0.3 else None
        description = ObjDesc(kinds[rng.integers(len(kinds))], color, place)
        found, _ = description.find_matching_objs(source)
        if found and not any(thing.type == "wall" for thing in found):
            return description


def _any_clause(source: Any, rng: np.random.Generator) -> Any:
    things: list[str | None] = [None, "box", "ball", "key"]
    strict = bool(rng.random() < 0.25)
    verb = rng.integers(4)
    if verb == 0:
        return GoToInstr(_any_description(source, rng, [*things, "door"]))
    if verb == 1:
        return PickupInstr(_any_description(source, rng, things), strict)
    if verb == 2:
        return OpenInstr(_any_description(source, rng, ["door"]), strict)
    moved = _any_description(source, rng, things)
    return PutNextInstr(moved, _any_description(source, rng, [*things, "door"]), strict)


def _any_half(source: Any, rng: np.random.Generator) -> Any:
    clause = _any_clause(source, rng)
    return AndInstr(clause, _any_clause(source, rng)) if rng.random() < 0.5 else clause


def _any_instruction(source: Any, rng: np.random.Generator) -> Any:
    first = _any_half(source, rng)
    order = rng.integers(3)
    if order == 0:
        return first
    return (BeforeInstr if order == 1 else AfterInstr)(first, _any_half(source, rng))


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
    """The bot of minigrid; takes an action by chance now and then, and for good once it is lost."""
    by_chance = _weighted(rng, [2, 2, 4, 3, 3, 3, 1])
    try:
        bot: Any = BabyAIBot(source)
        bot.stack = _Patience(bot.stack)
    except Exception:
        return by_chance
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
        last = by_chance() if lost or rng.random() < stumbles else suggested
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
    pictures: int = 0
    mismatches: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def note(self, differences: list[str], where: str) -> None:
        """Count differences, and keep the first few with the place where they were seen."""
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
    twins = [Twins(name, level) for name in (_SCRAMBLED_FROM if scrambled else (env_id,))]
    while tally.steps < steps:
        k = tally.episodes
        tally.episodes += 1
        pair = twins[k % len(twins)]
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
            if t % PICTURE_EVERY == PICTURE_EVERY - 1 or terminated or truncated:
                tally.pictures += 1
                differences += pair.picture_differences()
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
    pair = Twins(env_id, level)
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
    parser.add_argument("--seeds", type=int, default=20, help="played by chance and by the expert")
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
        for name in ("steps", "episodes", "successes", "failures", "truncations", "pictures")
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
        "what": "steps compared with minigrid: frame, symbols, picture, sentence, position, "
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

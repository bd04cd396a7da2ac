"""START HERE: a batch of grid worlds without Gymnasium, from level generation to rendered frames.

What is notable:

- The state of all environments is a handful of arrays (struct of arrays, one row an environment),
  and everything that runs at every step is a numba kernel over a range of rows: no Python objects,
  no allocation, no interpreter lock. Threads share a batch by ranges.
- Rules, levels and rewards are BabyAI's, tested action by action against minigrid.
- A level is a declaration of about 20 lines, compiled once into a table of integers, the level
  program, which one kernel runs at every reset: all levels share the same machine code.
- One uint64 a row is the random number generator (SplitMix64), seeded by the episode's seed alone:
  an episode does not depend on the batch or the threads around it.
- An instruction is five integers in the kernels and a sentence (English or Chinese) outside.

Reading order; each layer imports only from those above it:

1. ``core``: ``state.py`` (all arrays), ``cells.py`` (what a byte means), ``jit.py``, ``rng.py``,
   ``visibility.py``
2. ``language/instructions.py``: the grammar; ``rules``: ``dynamics.py`` (actions),
   ``verification.py`` (success)
3. ``generation/levels/go_to.py`` (levels), ``level_builder.py``, ``generator.py``
4. ``stepping.py``: the kernel that makes a step of the whole batch
5. ``expert`` (a planner for demonstrations), ``hindsight`` (what was achieved), ``rendering``
6. this file, which brings them together; ``snapshot.py`` and ``alternatives.py``, what else can be
   done with it; ``vector_env.py`` and ``env.py``, Gymnasium's interface
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.rng import seed_rng
from mmrl_envs.grid.core.state import CLAUSES, State, make_scratch, make_state
from mmrl_envs.grid.editor import Editor, Edits
from mmrl_envs.grid.expert.expert import decide
from mmrl_envs.grid.expert.pathfinding import make_chart
from mmrl_envs.grid.generation.levels import find_level
from mmrl_envs.grid.hindsight.achievements import Moment
from mmrl_envs.grid.hindsight.tracker import AchievementTracker
from mmrl_envs.grid.language.descriptions import ALL, FARTHER, Scene, scenes
from mmrl_envs.grid.language.instructions import Instruction, parsed
from mmrl_envs.grid.language.languages import find_language, sentence_in
from mmrl_envs.grid.rendering.views import View, make_view
from mmrl_envs.grid.rules.invariants import RULES, check_envs
from mmrl_envs.grid.rules.knowledge import update_seen
from mmrl_envs.grid.stepping import step_envs

_CLAUSES_DONE = np.arange(16)[:, None] >> np.arange(CLAUSES) & 1 == 1
Knowledge = Literal["seen", "full"]
_NOTHING_SKIPPED = np.zeros(1, np.bool_)


class GridWorlds:
    """``num_envs`` worlds of one level, stepped together.

    Args:
        level: a name from :data:`mmrl_envs.grid.generation.levels.LEVELS`.
        num_envs: how many.
        max_steps: the limit of steps of an episode; None for BabyAI's.
        view: what the frames show: "egocentric", "full" or "first_person".
        obs: how: "pixels" or "symbolic".
        tile_size: pixels a side of a cell; in the first person, where cells have no size of their
            own, an eighth of a frame's side: 8 makes frames of 64 × 64.
        theme: the look of the pixels: minigrid, paper, neon, or the path of a folder or .npz file
            of tiles, see :mod:`mmrl_envs.grid.rendering.themes.files`; or a list of these, of which
            each episode has one, drawn by its seed.
        num_threads: how many share the batch.
        language: of the instructions, "en" or "zh"; see :mod:`mmrl_envs.grid.language.languages`.
        achieved: report after every step what it achieved; see
        :mod:`mmrl_envs.grid.hindsight.tracker`.
        describe: describe what the agents see, the nearest objects, or with "all" everything; see
            :mod:`mmrl_envs.grid.language.descriptions`.
        strict: a wrong act, or a wrong "done", ends the episode without success; see
            :mod:`mmrl_envs.grid.rules.strict`.
        debug: check the invariants of the state after every step.
        sizes: the level's parameters, such as ``room_size``.

    Raises:
        ValueError: unknown level, parameter or name; impossible sizes or numbers.
    """

    def __init__(
        self,
        level: str,
        num_envs: int,
        *,
        max_steps: int | None = None,
        view: str = "egocentric",
        obs: str = "pixels",
        tile_size: int = 8,
        theme: str | Sequence[str] = "minigrid",
        num_threads: int = 1,
        language: str = "en",
        achieved: bool = False,
        describe: bool | str = False,
        debug: bool = False,
        strict: bool = False,
        **sizes: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs={num_envs}: must be at least 1")
        if max_steps is not None and max_steps < 1:
            raise ValueError(f"max_steps={max_steps}: must be at least 1")
        if type(num_threads) is not int or num_threads < 1:
            raise ValueError(f"num_threads={num_threads!r}: must be a whole number, 1 or more")
        if type(strict) is not bool:
            raise ValueError(f"strict={strict!r}: must be true or false")
        if describe not in (False, True, "all"):
            raise ValueError(f"describe={describe!r}: choose false, true or 'all'")
        find_language(language)
        self.level = level
        self.language = language
        self.num_envs = num_envs
        builder = find_level(level).builder(**sizes)
        self.layout, self.program = builder.build(strict=strict)
        self.rules = builder.strict_rule if strict else 0
        self.state = make_state(num_envs, self.layout)
        self.sentences: list[str] = [""] * num_envs
        self.tracker = AchievementTracker(self.state, self.layout, language) if achieved else None
        self.described = {False: 0, True: FARTHER, "all": ALL}[describe]
        self.theme = theme
        self.view = make_view(self.layout, view, obs, tile_size, theme)
        self.fixed_max_steps = max_steps or builder.max_steps
        self.seeds = np.zeros(num_envs, np.uint64)
        self._all = np.arange(num_envs)
        self._no_env = np.zeros(num_envs, np.bool_)
        threads = min(num_threads, num_envs)
        edges = [num_envs * k // threads for k in range(threads + 1)]
        self._ranges = list(itertools.pairwise(edges))
        self._scratch = [make_scratch(self.layout) for _ in self._ranges]
        self._charts = [make_chart(self.layout) for _ in self._ranges]
        self._executor = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self._debug = debug
        self._images: dict[int, View] = {}
        self._editor: Editor | None = None

    @property
    def frames_shape(self) -> tuple[int, int, int, int]:
        """The shape of the frames of the batch, (N, H, W, 3); uint8."""
        return (self.num_envs, *self.view.shape)

    def seed(self, seeds: NDArray[np.uint64], rows: NDArray[np.int64] | None = None) -> None:
        """Seed the generators of environments ``rows`` (all, if None) by ``seeds``, uint64 [K]."""
        rows = self._all if rows is None else rows
        rng = np.empty(len(rows), np.uint64)
        seed_rng(rng, seeds)
        self.state.rng[rows] = rng
        self.seeds[rows] = seeds

    def reset(
        self, rows: NDArray[np.int64] | None = None, frames: NDArray[np.uint8] | None = None
    ) -> None:
        """Begin a new episode in environments ``rows`` (all, if None), int64 [K], and render their
        first observations into ``frames``, uint8 [N, H, W, 3], if given.

        Raises:
            RuntimeError: no level could be generated; names the level and the seed.
        """
        restart = np.zeros(self.num_envs, np.bool_)
        restart[self._all if rows is None else rows] = True
        self.step(self._all, ~restart, frames, restart)

    def edit(self, edits: dict[int, Edits], frames: NDArray[np.uint8] | None = None) -> None:
        """Apply edits to the initial states of episodes that have just begun from their seeds.

        Args:
            edits: of some environments; see :mod:`mmrl_envs.grid.editor`.
            frames: as of :meth:`reset`.
        """
        if self._editor is None:
            self._editor = Editor(self.layout, self.program, self.fixed_max_steps)
        others = np.ones(self.num_envs, np.bool_)
        for e, its_edits in edits.items():
            scene = self._editor.edited(self.row(e), int(self.seeds[e]), its_edits)
            for name, array in scene._asdict().items():
                if name != "seen":
                    getattr(self.state, name)[e] = array[0]
            others[e] = False
            if self.has_memory:
                update_seen(self.state, self.layout, e, e + 1, ~others)
        rows = np.flatnonzero(~others)
        self.update_sentences(rows)
        if self.tracker is not None:
            self.tracker.begin(self.state, rows)
        if frames is not None:
            self.view.paint(self.state, 0, self.num_envs, others, frames)

    def step(
        self,
        actions: NDArray[np.int64],
        paused: NDArray[np.bool_],
        frames: NDArray[np.uint8] | None = None,
        restart: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_], int]:
        """Step every environment that is not ``paused``, or begin its new episode where
        ``restart``; see :func:`mmrl_envs.grid.stepping.step_envs`.

        Args:
            actions: int64 [N].
            paused: bool [N]; such a frame is left as it is, too.
            frames: uint8 [N, H, W, 3] to render into; None to render nothing.
            restart: bool [N]; None for none.

        Returns:
            Rewards, terminated, truncated, success (each [N]), and how many episodes ended.

        Raises:
            RuntimeError: no level could be generated; names the level and the seed. Or, in debug
                mode, the state violates one of :mod:`mmrl_envs.grid.rules.invariants`.
        """
        n = self.num_envs
        rewards = np.empty(n)
        terminated, truncated, success = np.empty((3, n), np.bool_)
        begins = self._no_env if restart is None else restart

        def step_range(k: int) -> int:
            start, stop = self._ranges[k]
            ended = step_envs(
                self.state,
                self.layout,
                self.program,
                self._scratch[k],
                self.fixed_max_steps,
                start,
                stop,
                actions,
                paused,
                begins,
                rewards,
                terminated,
                truncated,
                success,
            )
            if ended >= 0:
                if self._debug:
                    self._check(start, stop)
                if self.has_memory:
                    update_seen(self.state, self.layout, start, stop, begins)
                if self.tracker is not None:
                    self.tracker.update(self.state, start, stop, actions, paused, begins)
                if frames is not None:
                    self.view.paint(self.state, start, stop, paused, frames)
            return ended

        counts = self._map_ranges(step_range)
        if min(counts) < 0:
            raise RuntimeError(
                f"level {self.level} could not be generated from seed "
                f"{self.seeds[-1 - min(counts)]}: every attempt was rejected; "
                "give it more room or fewer objects"
            )
        if restart is not None:
            begun = np.flatnonzero(restart)
            self.update_sentences(begun)
            if self.tracker is not None:
                self.tracker.forget(begun)
        return rewards, terminated, truncated, success, sum(counts)

    def update_sentences(self, rows: NDArray[np.int64]) -> None:
        """Generate the sentences of environments ``rows``, int64 [K], from their instructions."""
        for e in rows.tolist():
            self.sentences[e] = sentence_in(self.language, self.state.instruction[e].tobytes())

    def paint(self, frames: NDArray[np.uint8]) -> None:
        """Render every agent's observation into ``frames``, uint8 [N, H, W, 3]."""
        self.view.paint(self.state, 0, self.num_envs, self._no_env, frames)

    def frame(self, e: int) -> NDArray[np.uint8]:
        """The observation of environment ``e``, uint8 [H, W, 3], in fresh memory."""
        frames = np.empty((1, *self.view.shape), np.uint8)
        self.view.paint(self.row(e), 0, 1, _NOTHING_SKIPPED, frames)
        return frames[0]

    def image(self, e: int, tile_size: int = 32) -> NDArray[np.uint8]:
        """The whole grid of environment ``e`` from above, what the agent sees brightened: uint8
        [height · tile_size, width · tile_size, 3], as Minigrid draws it.
        """
        if tile_size not in self._images:
            self._images[tile_size] = make_view(
                self.layout, "full", "pixels", tile_size, self.theme
            )
        view = self._images[tile_size]
        frames = np.empty((1, *view.shape), np.uint8)
        view.paint(self.row(e), 0, 1, _NOTHING_SKIPPED, frames)
        return frames[0]

    def instruction(self, e: int) -> Instruction:
        """The instruction of environment ``e``, parsed."""
        return parsed(self.state.instruction[e].tobytes())

    def moment(self, e: int) -> Moment:
        """A copy of environment ``e`` as it is now, for hindsight; see
        :mod:`mmrl_envs.grid.hindsight.achievements`.
        """
        return Moment(State._make(array.copy() for array in self.row(e)), self.layout)

    def scene(self, e: int) -> Scene:
        """The description of what the agent of environment ``e`` sees."""
        return next(scenes(self.state, self.layout, np.array([e])))

    def info(self, mask: NDArray[np.bool_] | None = None) -> dict[str, NDArray[Any]]:
        """The infos of environments where ``mask``, bool [N] (all, if None): ``clauses_done``
        bool [N, 4], as :meth:`clauses_done`; and, where asked for, ``achieved``, tuples of the
        sentences that the last step achieved, and ``description``, a sentence, each an object
        array [N] with None elsewhere.
        """
        done = self.clauses_done()
        if mask is not None:
            done &= mask[:, None]
        info: dict[str, NDArray[Any]] = {"clauses_done": done}
        if self.tracker is not None:
            info["achieved"] = self.tracker.new_achievements(mask)
        if self.described:
            rows = self._all if mask is None else np.flatnonzero(mask)
            info["description"] = np.full(self.num_envs, None, object)
            seen = scenes(self.state, self.layout, rows, self.described)
            info["description"][rows] = [*map(str, seen)]
        return info

    def clauses_done(self) -> NDArray[np.bool_]:
        """Which clauses are done, bool [N, 4]: the one or two of the first half of each
        instruction in columns 0 and 1, those of the second in 2 and 3; False where there is none.
        """
        return _CLAUSES_DONE[self.state.progress & 15]

    @property
    def has_memory(self) -> bool:
        """Whether the cells that the agents have seen are recorded."""
        return self.state.seen.shape[1] > 0

    def remember(self) -> None:
        """From now on record the cells that the agents see; of an episode that is under way, from
        its present view on.
        """
        if not self.has_memory:
            seen = np.zeros(self.state.grid.shape, np.bool_)
            self.state = self.state._replace(seen=seen)
            update_seen(self.state, self.layout, 0, self.num_envs, self._no_env)

    def expert_actions(self, knowledge: Knowledge = "seen") -> NDArray[np.int64]:
        """The expert's action in every environment, int64 [N]; see
        :mod:`mmrl_envs.grid.expert.expert`.

        Args:
            knowledge: "seen" plans with what the agent has seen since its episode began (or
                since :meth:`remember`, which the first call does by itself); "full" with all
                there is.

        Returns:
            Actions; 6 ("done") where success is no longer possible.

        Raises:
            ValueError: another ``knowledge``.
        """
        if knowledge not in ("seen", "full"):
            raise ValueError(f"knowledge={knowledge!r}: choose 'seen' or 'full'")
        if knowledge == "seen":
            self.remember()
        actions = np.empty(self.num_envs, np.int64)
        knows_all = knowledge == "full"

        def decide_range(k: int) -> int:
            decide(self.state, self.layout, self._charts[k], knows_all, *self._ranges[k], actions)
            return 0

        self._map_ranges(decide_range)
        return actions

    def close(self) -> None:
        """Shut the threads down."""
        if self._executor is not None:
            self._executor.shutdown()

    def _map_ranges(self, work: Callable[[int], int]) -> list[int]:
        """Map ``work`` over the ranges of the batch, each in a thread; the results."""
        if self._executor is None:
            return [work(0)]
        elsewhere = self._executor.map(work, range(1, len(self._ranges)))
        return [work(0), *elsewhere]

    def _check(self, start: int, stop: int) -> None:
        broken, e = check_envs(self.state, self.layout, start, stop)
        if broken:
            raise RuntimeError(
                f"level {self.level}, environment {e} of seed {self.seeds[e]}, step "
                f"{self.state.step_count[e]}: {RULES[broken]}"
            )

    def row(self, e: int) -> State:
        """The state of one environment alone; a view."""
        return State._make(array[e : e + 1] for array in self.state)

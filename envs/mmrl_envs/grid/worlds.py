"""A batch of grid worlds without Gymnasium: state and recipe brought together with the kernels."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.rng import seed_streams
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
from mmrl_envs.grid.rules.knowledge import look_around
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
        achieved: tell after every step what it achieved; see
        :mod:`mmrl_envs.grid.hindsight.tracker`.
        describe: tell what the agents see, the nearest things, or with "all" everything; see
            :mod:`mmrl_envs.grid.language.descriptions`.
        debug: check after every step that the state is one that can be.
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
        **sizes: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs={num_envs}: must be at least 1")
        if max_steps is not None and max_steps < 1:
            raise ValueError(f"max_steps={max_steps}: must be at least 1")
        if type(num_threads) is not int or num_threads < 1:
            raise ValueError(f"num_threads={num_threads!r}: must be a whole number, 1 or more")
        if describe not in (False, True, "all"):
            raise ValueError(f"describe={describe!r}: choose false, true or 'all'")
        find_language(language)
        self.level = level
        self.language = language
        self.num_envs = num_envs
        recipe = find_level(level).recipe(**sizes)
        self.layout, self.recipe = recipe.finish()
        self.state = make_state(num_envs, self.layout)
        self.sentences: list[str] = [""] * num_envs
        self.witness = AchievementTracker(self.state, self.layout, language) if achieved else None
        self.described = {False: 0, True: FARTHER, "all": ALL}[describe]
        self.theme = theme
        self.view = make_view(self.layout, view, obs, tile_size, theme)
        self.fixed_max_steps = max_steps or recipe.max_steps
        self.seeds = np.zeros(num_envs, np.uint64)
        self._all = np.arange(num_envs)
        self._nobody = np.zeros(num_envs, np.bool_)
        threads = min(num_threads, num_envs)
        edges = [num_envs * k // threads for k in range(threads + 1)]
        self._ranges = list(itertools.pairwise(edges))
        self._scratch = [make_scratch(self.layout) for _ in self._ranges]
        self._charts = [make_chart(self.layout) for _ in self._ranges]
        self._others = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self._debug = debug
        self._images: dict[int, View] = {}
        self._editor: Editor | None = None

    @property
    def frames_shape(self) -> tuple[int, int, int, int]:
        """The shape of the frames of the batch, (N, H, W, 3); uint8."""
        return (self.num_envs, *self.view.shape)

    def seed(self, seeds: NDArray[np.uint64], rows: NDArray[np.int64] | None = None) -> None:
        """Start the random streams of environments ``rows`` (all, if None) anew, uint64 [K]."""
        rows = self._all if rows is None else rows
        streams = np.empty(len(rows), np.uint64)
        seed_streams(streams, seeds)
        self.state.streams[rows] = streams
        self.seeds[rows] = seeds

    def reset(
        self, rows: NDArray[np.int64] | None = None, frames: NDArray[np.uint8] | None = None
    ) -> None:
        """Begin a new episode in environments ``rows`` (all, if None), int64 [K]; what their
        agents see goes to ``frames``, uint8 [N, H, W, 3], if given.

        Raises:
            RuntimeError: no level could be generated; names the level and the seed.
        """
        restart = np.zeros(self.num_envs, np.bool_)
        restart[self._all if rows is None else rows] = True
        self.step(self._all, ~restart, frames, restart)

    def edit(self, edits: dict[int, Edits], frames: NDArray[np.uint8] | None = None) -> None:
        """Have episodes that have just begun from their seeds begin edited.

        Args:
            edits: of some environments; see :mod:`mmrl_envs.grid.editor`.
            frames: as of :meth:`reset`.
        """
        if self._editor is None:
            self._editor = Editor(self.layout, self.recipe, self.fixed_max_steps)
        others = np.ones(self.num_envs, np.bool_)
        for e, its_edits in edits.items():
            scene = self._editor.edited(self._row(e), int(self.seeds[e]), its_edits)
            for name, array in scene._asdict().items():
                if name != "seen":
                    getattr(self.state, name)[e] = array[0]
            others[e] = False
            if self.has_memory:
                look_around(self.state, self.layout, e, e + 1, ~others)
        rows = np.flatnonzero(~others)
        self.word(rows)
        if self.witness is not None:
            self.witness.begin(self.state, rows)
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
            frames: uint8 [N, H, W, 3] to paint into; None where nobody looks.
            restart: bool [N]; None for none.

        Returns:
            Rewards, terminated, truncated, success (each [N]), and how many episodes ended.

        Raises:
            RuntimeError: no level could be generated; names the level and the seed. Or, in debug
                mode, the state breaks a rule of :mod:`mmrl_envs.grid.rules.invariants`.
        """
        n = self.num_envs
        rewards = np.empty(n)
        terminated, truncated, success = np.empty((3, n), np.bool_)
        begins = self._nobody if restart is None else restart

        def step_range(k: int) -> int:
            start, stop = self._ranges[k]
            ended = step_envs(
                self.state,
                self.layout,
                self.recipe,
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
                    look_around(self.state, self.layout, start, stop, begins)
                if self.witness is not None:
                    self.witness.watch(self.state, start, stop, actions, paused, begins)
                if frames is not None:
                    self.view.paint(self.state, start, stop, paused, frames)
            return ended

        counts = self._share(step_range)
        if min(counts) < 0:
            raise RuntimeError(
                f"level {self.level} could not be generated from seed "
                f"{self.seeds[-1 - min(counts)]}: every attempt was turned down; "
                "give it more room or fewer objects"
            )
        if restart is not None:
            begun = np.flatnonzero(restart)
            self.word(begun)
            if self.witness is not None:
                self.witness.forget(begun)
        return rewards, terminated, truncated, success, sum(counts)

    def word(self, rows: NDArray[np.int64]) -> None:
        """Put the instructions of environments ``rows``, int64 [K], into words."""
        for e in rows.tolist():
            self.sentences[e] = sentence_in(self.language, self.state.instruction[e].tobytes())

    def paint(self, frames: NDArray[np.uint8]) -> None:
        """Paint what every agent sees into ``frames``, uint8 [N, H, W, 3]."""
        self.view.paint(self.state, 0, self.num_envs, self._nobody, frames)

    def frame(self, e: int) -> NDArray[np.uint8]:
        """What the agent of environment ``e`` sees, uint8 [H, W, 3], in fresh memory."""
        frames = np.empty((1, *self.view.shape), np.uint8)
        self.view.paint(self._row(e), 0, 1, _NOTHING_SKIPPED, frames)
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
        view.paint(self._row(e), 0, 1, _NOTHING_SKIPPED, frames)
        return frames[0]

    def instruction(self, e: int) -> Instruction:
        """The instruction of environment ``e``, parsed."""
        return parsed(self.state.instruction[e].tobytes())

    def moment(self, e: int) -> Moment:
        """Environment ``e`` as it is now, to find out what was achieved; see
        :mod:`mmrl_envs.grid.hindsight.achievements`.
        """
        return Moment(State._make(array.copy() for array in self._row(e)), self.layout)

    def scene(self, e: int) -> Scene:
        """What the agent of environment ``e`` sees, in words."""
        return next(scenes(self.state, self.layout, np.array([e])))

    def told(self, mask: NDArray[np.bool_] | None = None) -> dict[str, NDArray[Any]]:
        """What is known of environments where ``mask``, bool [N] (all, if None): ``clauses_done``
        bool [N, 4], as :meth:`clauses_done`; and, where asked for, ``achieved``, tuples of the
        sentences that the last step achieved, and ``description``, a sentence, each an object
        array [N] with None elsewhere.
        """
        done = self.clauses_done()
        if mask is not None:
            done &= mask[:, None]
        told: dict[str, NDArray[Any]] = {"clauses_done": done}
        if self.witness is not None:
            told["achieved"] = self.witness.tell(mask)
        if self.described:
            rows = self._all if mask is None else np.flatnonzero(mask)
            told["description"] = np.full(self.num_envs, None, object)
            seen = scenes(self.state, self.layout, rows, self.described)
            told["description"][rows] = [*map(str, seen)]
        return told

    def clauses_done(self) -> NDArray[np.bool_]:
        """Which clauses are done, bool [N, 4]: the one or two of the first half of each
        instruction in columns 0 and 1, those of the second in 2 and 3; False where there is none.
        """
        return _CLAUSES_DONE[self.state.progress & 15]

    @property
    def has_memory(self) -> bool:
        """Whether it is noted what the agents have seen."""
        return self.state.seen.shape[1] > 0

    def remember(self) -> None:
        """From now on note what the agents see; an episode that is under way is known from its
        present view on.
        """
        if not self.has_memory:
            seen = np.zeros(self.state.grid.shape, np.bool_)
            self.state = self.state._replace(seen=seen)
            look_around(self.state, self.layout, 0, self.num_envs, self._nobody)

    def expert_actions(self, knowledge: Knowledge = "seen") -> NDArray[np.int64]:
        """What an expert would do now in every environment, int64 [N]; see
        :mod:`mmrl_envs.grid.expert.expert`.

        Args:
            knowledge: "seen" plans with what the agent has seen since its episode began (or
                since :meth:`remember`, which the first call does by itself); "full" with all
                there is.

        Returns:
            Actions; 6 ("done") where the instruction cannot be carried out any more.

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

        self._share(decide_range)
        return actions

    def close(self) -> None:
        """Let go of the threads."""
        if self._others is not None:
            self._others.shutdown()

    def _share(self, work: Callable[[int], int]) -> list[int]:
        """Have every range of the batch worked on, each by a thread; what came of each."""
        if self._others is None:
            return [work(0)]
        elsewhere = self._others.map(work, range(1, len(self._ranges)))
        return [work(0), *elsewhere]

    def _check(self, start: int, stop: int) -> None:
        broken, e = check_envs(self.state, self.layout, start, stop)
        if broken:
            raise RuntimeError(
                f"level {self.level}, environment {e} of seed {self.seeds[e]}, step "
                f"{self.state.step_count[e]}: {RULES[broken]}"
            )

    def _row(self, e: int) -> State:
        """The state of one environment alone; a view."""
        return State._make(array[e : e + 1] for array in self.state)

"""A world of its own for the tests: drawn shapes on wide images, and sentences about them.

"touch the small teal star" over "a small teal star left of a large ochre hexagon". It imports
Gymnasium and NumPy alone, as a package of somebody else would, and registers

- ``shapes/Touch-v0``, which names the language of its sentences,
- ``shapes/Plain-v0``, the same world, which names none,
- ``shapes/Silent-v0``, which neither describes what is seen nor reports what was achieved,
- ``shapes/Asked-v0``, which says which sentences ask for the same in its scene, and has an expert.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

HEIGHT, WIDTH, CELL = 72, 96, 24
ROWS, COLUMNS = HEIGHT // CELL, WIDTH // CELL
SIZES: Final = {"small": 16, "large": 24}
COLORS: Final = {"teal": (0, 128, 128), "ochre": (204, 119, 34), "violet": (143, 0, 255)}
FORMS: Final = ("star", "hexagon", "arch")
VERBS: Final = ("touch", "tap")
"""They mean the same."""
MOVES: Final = ((-1, 0), (1, 0), (0, -1), (0, 1))
_GROUND: Final = (240, 236, 228)
_CURSOR: Final = (20, 20, 20)


class Touch(gym.Env[dict[str, Any], int]):
    """Move a cursor onto the shape that the instruction names.

    Observation: ``image`` uint8 [72, 96, 3] and ``instruction``. Action: 0 up, 1 down, 2 left,
    3 right, a cell of 24 pixels. Reward 1 and the end on the named shape; with ``strict=True``
    the other shape ends the episode, too; truncated after ``limit`` steps. With ``achieved=True``
    the infos hold ``achieved``, with ``describe=True`` ``description``.
    """

    metadata: dict[str, Any] = {
        "render_modes": ["rgb_array"],
        "language": "worlds.shapes:ShapeLanguage",
        "actions": ("up", "down", "left", "right"),
    }
    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8),
        instruction=spaces.Text(40, charset="abcdefghijklmnopqrstuvwxyz "),
    )
    action_space = spaces.Discrete(4)

    def __init__(
        self,
        limit: int = 8,
        strict: bool = False,
        achieved: bool = False,
        describe: bool = False,
        render_mode: str | None = None,
    ) -> None:
        self.limit, self.strict, self.render_mode = limit, strict, render_mode
        self._reports = {"achieved": achieved, "description": describe}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Two different shapes in different columns, and the cursor on neither."""
        super().reset(seed=seed)
        columns = np.sort(self.np_random.permutation(COLUMNS)[:2]).tolist()
        rows = self.np_random.integers(ROWS, size=2).tolist()
        self._places = list(zip(rows, columns, strict=True))
        names = [f"{size} {color} {form}" for size in SIZES for color in COLORS for form in FORMS]
        self._names = [names[k] for k in self.np_random.permutation(len(names))[:2]]
        self._cursor = self._places[0]
        while self._cursor in self._places:
            cell = int(self.np_random.integers(ROWS * COLUMNS))
            self._cursor = divmod(cell, COLUMNS)
        verb = VERBS[int(self.np_random.integers(2))]
        self._target = int(self.np_random.integers(2))
        self._sentence = f"{verb} the {self._names[self._target]}"
        self._touched: set[int] = set()
        self._steps = 0
        return self._look(), self._info(())

    def step(self, action: int) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Move the cursor; it stays inside."""
        self._steps += 1
        down, right = MOVES[int(action)]
        row, column = self._cursor
        self._cursor = (
            min(max(row + down, 0), ROWS - 1),
            min(max(column + right, 0), COLUMNS - 1),
        )
        on = self._on()
        new = () if on is None or on in self._touched else (f"touch the {self._names[on]}",)
        self._touched |= set() if on is None else {on}
        success = on == self._target
        ended = success or (self.strict and on is not None)
        over = not ended and self._steps >= self.limit
        info = self._info(new)
        if ended or over:
            info["is_success"] = success
        return self._look(), float(success), ended, over, info

    def render(self) -> NDArray[np.uint8]:
        """The image of the observation."""
        return self._look()["image"]  # type: ignore[no-any-return]

    def _on(self) -> int | None:
        return self._places.index(self._cursor) if self._cursor in self._places else None

    def _info(self, achieved: tuple[str, ...]) -> dict[str, Any]:
        every = {"achieved": achieved, "description": self._description()}
        return {name: every[name] for name, wanted in self._reports.items() if wanted}

    def _description(self) -> str:
        first, second = self._names
        on = self._on()
        touched = "" if on is None else f", the cursor on a {self._names[on]}"
        return f"a {first} left of a {second}{touched}"

    def _look(self) -> dict[str, Any]:
        image = np.full((HEIGHT, WIDTH, 3), _GROUND, np.uint8)
        for name, (row, column) in zip(self._names, self._places, strict=True):
            size, color, form = name.split()
            cell = image[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
            cell[_mask(form, SIZES[size])] = COLORS[color]
        row, column = self._cursor
        y, x = row * CELL + CELL // 2, column * CELL + CELL // 2
        image[y - 3 : y + 3, x - 3 : x + 3] = _CURSOR
        return {"image": image, "instruction": self._sentence}


class Plain(Touch):
    """The same without a language."""

    metadata = {key: one for key, one in Touch.metadata.items() if key != "language"}


class Silent(Plain):
    """It reports nothing but rewards."""

    def __init__(self, limit: int = 8, render_mode: str | None = None) -> None:
        super().__init__(limit, render_mode=render_mode)


class Asked(Touch):
    """It can be asked which sentences mean the same here, and what an expert would do.

    A sentence may be short of words: "touch the star" is its own instruction where only one shape
    is a star.
    """

    def is_equivalent(self, sentence: str) -> bool:
        """Whether the words of a sentence describe the named shape and not the other one."""
        words = set(sentence.split()) - {*VERBS, "the"}
        fits = [words <= set(name.split()) for name in self._names]
        return fits[self._target] and not fits[1 - self._target]

    def expert_action(self, knowledge: str = "seen") -> int:
        """One of the moves of a shortest path, around nothing."""
        (row, column), (y, x) = self._cursor, self._places[self._target]
        if column != x:
            return 3 if x > column else 2
        return 1 if y > row else 0


def _mask(form: str, side: int) -> NDArray[np.bool_]:
    """Which pixels of a cell a form covers, bool [24, 24]."""
    y, x = np.mgrid[:CELL, :CELL] - (CELL - 1) / 2
    x, y = np.abs(x) / (side / 2), y / (side / 2)
    if form == "star":
        return x + np.abs(y) < 0.45 / np.maximum(np.maximum(x, np.abs(y)), 1e-6) ** 0.5
    if form == "hexagon":
        return np.maximum(x * 0.87 + np.abs(y) * 0.5, np.abs(y)) < 0.87
    inside: NDArray[np.bool_] = (x < 1) & (np.abs(y) < 1) & ((x > 0.4) | (y < -0.3))
    return inside


class ShapeLanguage:
    """What these sentences mean; it imports nothing of the framework."""

    held_out_pairs = (("teal", "star"), ("ochre", "arch"))

    def is_held_out(self, sentence: str) -> bool:
        """Whether it mentions one of the pairs."""
        return any(f"{color} {form}" in sentence for color, form in self.held_out_pairs)

    def kind(self, instruction: str) -> str:
        """Its verb."""
        return self.canonical(instruction).partition(" ")[0]

    def canonical(self, sentence: str) -> str:
        """To tap is to touch."""
        return re.sub("^tap ", "touch ", sentence)

    def prompt(
        self, description: str, generator: np.random.Generator, *, places: float = 0.0
    ) -> str:
        """One or more of the phrases."""
        phrases = self.phrases(description)
        count = int(generator.integers(1, len(phrases) + 1))
        chosen = np.sort(generator.permutation(len(phrases))[:count])
        return ", ".join(phrases[k] for k in chosen)

    def constraints(self, prompt: str) -> tuple[str, ...]:
        """Between commas."""
        return tuple(prompt.split(", ")) if prompt else ()

    def satisfied(self, prompt: str, description: str) -> tuple[bool, ...]:
        """Those that are phrases."""
        return tuple(one in self.phrases(description) for one in self.constraints(prompt))

    def possible_constraints(
        self, descriptions: Iterable[str], *, places: bool = False
    ) -> list[str]:
        """All phrases."""
        return sorted({phrase for one in descriptions for phrase in self.phrases(one)})

    def goal_prompt(self, instruction: str) -> str:
        """The cursor on the shape."""
        name = self.canonical(instruction).removeprefix("touch the ")
        return f"the cursor on a {name}"

    def phrases(self, description: str) -> tuple[str, ...]:
        """The shapes, and where the cursor is."""
        return tuple(re.split(", | left of ", description))

    def generalized(self, phrase: str) -> str:
        """Without the size."""
        return re.sub(f" ({'|'.join(SIZES)}) ", " ", phrase)

    def query(self, description: str, phrases: Sequence[str]) -> str:
        """Commas between them."""
        return ", ".join(phrases)

    def layout(self, description: str) -> tuple[str, ...]:
        """Whether the cursor touches a shape."""
        return ("on",) if "cursor" in description else ("off",)


for _name, _class in {"Touch": Touch, "Plain": Plain, "Silent": Silent, "Asked": Asked}.items():
    if f"shapes/{_name}-v0" not in gym.registry:
        gym.register(f"shapes/{_name}-v0", _class)

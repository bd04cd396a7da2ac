"""The observation and action spaces of the grid worlds, and their metadata: words, language."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from gymnasium import spaces

from mmrl_envs.grid.core.cells import ACTIONS
from mmrl_envs.grid.generation.edits import EDITS
from mmrl_envs.grid.language.instructions import MAX_CHARACTERS
from mmrl_envs.grid.language.languages import find_language

METADATA: Final[dict[str, Any]] = {
    "render_fps": 10,
    "actions": ACTIONS,
    "edits": EDITS,
    "instruction_option": "instruction",
    "info_keys": {"achieved": "achieved", "description": "describe"},
    "instruction_words": find_language("en").words,
    "language": "mmrl_envs.grid.language.grid_language:GridLanguage",
}
"""The metadata of every grid world; agents learn the words of the language from it, and
that episodes may begin from edited scenes (``reset(options={"edits": …})``) or with an
instruction of the caller's (``reset(options={"instruction": …})``)."""


def metadata(language: str) -> dict[str, Any]:
    """The metadata of a grid world in another language."""
    return {**METADATA, "instruction_words": find_language(language).words}


def observation_space(frame_shape: tuple[int, int, int], language: str = "en") -> spaces.Dict:
    """``image`` uint8 of the shape of a view, and ``instruction``, a sentence of a language."""
    return spaces.Dict(
        {
            "image": spaces.Box(0, 255, frame_shape, np.uint8),
            "instruction": spaces.Text(
                MAX_CHARACTERS, min_length=1, charset=find_language(language).charset
            ),
        }
    )


def action_space() -> spaces.Discrete:
    """The seven actions of Minigrid: left, right, forward, pickup, drop, toggle, done."""
    return spaces.Discrete(len(ACTIONS))

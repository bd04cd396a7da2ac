"""Earlier names of the keys in saved states: checkpoints that were written with them are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

EARLIER: Final = {
    "encoded": "told",
    "final_step": "ending",
    "imagined_steps": "dreamt",
    "instructions": "heard",
    "label": "said",
    "learned": "learnt",
    "selected_share": "learnt",
    "truncated": "cut",
}
"""Earlier names of keys, by their present ones."""


def entry(state: Mapping[str, Any], key: str) -> Any:
    """The entry of a saved state under its present or its earlier key.

    Raises:
        KeyError: there is neither.
    """
    return state[key] if key in state else state[EARLIER[key]]

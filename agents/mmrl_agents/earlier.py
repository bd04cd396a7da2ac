"""Saved states of earlier versions: other names of the keys, and images with the channels first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.preprocessing.image import in_order_of, is_image

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


def in_order(
    observation: Mapping[str, NDArray[Any]], space: spaces.Space[Any]
) -> dict[str, NDArray[Any]]:
    """A saved batch of observations, copied, its images in the order of a space's axes."""
    return {
        key: np.array(saved_images(key, one, space), order="C") for key, one in observation.items()
    }


def saved_images(key: str, array: NDArray[Any], space: spaces.Space[Any]) -> NDArray[Any]:
    """A saved array [N, …] of an observation's key; images in the order of a space's axes.

    Args:
        key: of the observation.
        array: that was saved.
        space: of the observations, a ``Dict``.
    """
    shape = cast("Any", space)[key].shape
    return in_order_of(shape, array) if is_image(shape[-3:]) else array

"""The observation space of preprocessed input, with the fingerprint of its preprocessing."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from gymnasium import spaces
from numpy.typing import DTypeLike


class EncodedSpace(spaces.Box):
    """A Box that is equal only to a Box of the same preprocessing.

    An agent is saved with its observation space: loading it with another tokenizer or other speech
    features is an error, instead of giving nonsense.

    Args:
        low, high: smallest and largest value.
        shape: of one encoded input.
        dtype: of its values.
        fingerprint: of the preprocessing, see :func:`fingerprint`.
        words: the vocabulary, where values are ids of words.
    """

    def __init__(
        self,
        low: float,
        high: float,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        fingerprint: str,
        words: tuple[str, ...] = (),
    ) -> None:
        super().__init__(low, high, shape, dtype)  # type: ignore[arg-type]
        self.fingerprint = fingerprint
        self.words = words

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and self.fingerprint == getattr(other, "fingerprint", None)

    __hash__ = None  # type: ignore[assignment]  # as Box


def fingerprint(**settings: Any) -> str:
    """A short hash of the settings of a preprocessing (JSON values)."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

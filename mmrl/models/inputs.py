"""What a model is given: shapes of arrays and vocabularies of token ids, by observation key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from gymnasium import spaces

from mmrl.contract import ACTION_MASK, GOAL, IMAGE, INSTRUCTION, SPEECH
from mmrl.models.encoders.base import Vocabulary


@dataclass(frozen=True)
class ModelInputs:
    """The modalities of a model, each under its observation key in one of the two tables.

    Attributes:
        shapes: of one observation's array, without the batch: images [H, W, 3], stacks of images
            [F, H, W, 3] with goal images [1, H, W, 3], vectors [K], features of speech as their
            preprocessing makes them. A model of images [3, H, W] takes them with the channels
            first.
        vocabularies: of sequences of token ids: how many ids there are, or the words by their ids.
    """

    shapes: Mapping[str, tuple[int, ...]]
    vocabularies: Mapping[str, Vocabulary] = field(default_factory=dict)

    @classmethod
    def standard(
        cls,
        image_size: tuple[int, int],
        vocabulary: Vocabulary | None = None,
        *,
        speech: tuple[int, ...] | None = None,
        goal: tuple[int, int] | None = None,
        channels_first: bool = False,
    ) -> Self:
        """Those of the contract's own keys.

        Args:
            image_size: height and width of ``image``.
            vocabulary: of ``instruction``; None without written instructions.
            speech: shape of the features of ``speech``; None without spoken instructions.
            goal: height and width of ``goal``; None without goal images.
            channels_first: images [3, H, W], as torch has them, instead of [H, W, 3].
        """

        def image(size: tuple[int, int]) -> tuple[int, ...]:
            return (3, *size) if channels_first else (*size, 3)

        shapes: dict[str, tuple[int, ...]] = {IMAGE: image(image_size)}
        if speech is not None:
            shapes[SPEECH] = tuple(speech)
        if goal is not None:
            shapes[GOAL] = (1, *image(goal))
        return cls(shapes, {} if vocabulary is None else {INSTRUCTION: vocabulary})

    @classmethod
    def from_space(cls, space: spaces.Dict) -> Self:
        """Those of a policy's observation space: integers wider than a byte are token ids, with the
        words of an :class:`~mmrl.preprocessing.encoded.EncodedSpace`. An action mask is none.
        """
        shapes, vocabularies = {}, {}
        for key, one in space.spaces.items():
            if key == ACTION_MASK:
                continue
            if isinstance(one, spaces.Box) and one.dtype.kind in "iu" and one.dtype.itemsize > 1:
                words: tuple[str, ...] = getattr(one, "words", ())
                vocabularies[key] = words or int(np.max(one.high)) + 1
            else:
                shapes[key] = tuple(one.shape or ())
        return cls(shapes, vocabularies)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` gave.

        Raises:
            AttributeError, KeyError, TypeError: it is something else.
        """
        shapes = {key: tuple(shape) for key, shape in plain["shapes"].items()}
        return cls(shapes, dict(plain["vocabularies"]))

    def to_json(self) -> dict[str, Any]:
        """Plain data for a model's file."""
        return {
            "shapes": {key: list(shape) for key, shape in self.shapes.items()},
            "vocabularies": {
                key: one if isinstance(one, int) else list(one)
                for key, one in self.vocabularies.items()
            },
        }

    @property
    def modalities(self) -> list[str]:
        """The observation keys of all modalities."""
        return [*self.shapes, *self.vocabularies]

"""A captioner that is trained during reinforcement learning, on the agent's successes (HIGhER)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray

from mmrl.experiment.checkpoint import put_weights, weights_of
from mmrl.generative.text.models import TextGenerator
from mmrl.preprocessing.image import channels_last
from mmrl.preprocessing.text import Tokenizer
from mmrl_agents.hindsight.relabelling import Captioner, FinalStep

_GROWTH: Final = 1.25  # it is trained again when there are so many times as many examples
_KEPT: Final = 4096
_BATCH: Final = 64
_RATE: Final = 1e-3


class LearnedCaptioner(Captioner):
    """A captioner trained on successful episodes (HIGhER: Cideron et al., 2019): the last two
    frames of one are an example of its instruction. With each quarter more examples it is trained
    for another round; before the first one it generates nothing.

    Args:
        generator: with new weights; see :class:`Captioner`.
        tokenizer: of the instructions.
        seed: of the sampling of examples.

    Attributes:
        first: successes before it is first trained.
        first_steps: gradient steps of the first round.
        steps: of the others.
    """

    first: ClassVar[int] = 64
    first_steps: ClassVar[int] = 400
    steps: ClassVar[int] = 150

    def __init__(self, generator: TextGenerator, tokenizer: Tokenizer, seed: int = 0) -> None:
        super().__init__(generator, tokenizer)
        self._rng = np.random.default_rng(seed)
        self._optimizer = torch.optim.AdamW(generator.parameters(), lr=_RATE)
        self._images: list[NDArray[np.uint8]] = []
        self._sentences: list[str] = []
        self._count, self._next, self._loss = 0, self.first, float("nan")
        self.rounds: int = 0

    def learn(self, final_steps: Sequence[FinalStep]) -> None:
        """Record the instructions, keep the successes, and train on them."""
        self.undo.record_attributes(self, "_count", "_next", "_loss", "rounds")
        sentences = self._given.record(final_steps, self.undo)
        for step, sentence in zip(final_steps, sentences, strict=True):
            if step.success:
                self._keep(step.images, sentence)
        if self._count >= self._next:
            self.undo.record(partial(self._set_learned, self._learned()))
            self._loss = self._round(self.steps if self.rounds else self.first_steps)
            self._next = int(self._count * _GROWTH) + 1
            self.rounds += 1

    def label(self, final_steps: Sequence[FinalStep]) -> list[str]:
        """As :meth:`Captioner.label`; nothing before it is trained."""
        return super().label(final_steps) if self.rounds else [""] * len(final_steps)

    def metrics(self) -> dict[str, float]:
        """As :meth:`Relabeller.metrics`."""
        return {
            **super().metrics(), "captioner_examples": self._count, "captioner_loss": self._loss
        }  # fmt: skip

    def _keep(self, images: NDArray[np.uint8], sentence: str) -> None:
        """Keep an example in place of the oldest, where there is no room."""
        pairs: tuple[tuple[list[Any], Any], ...] = (
            (self._images, images),
            (self._sentences, sentence),
        )
        for kept, one in pairs:
            if len(kept) < _KEPT:
                self.undo.record(kept.pop)
                kept.append(one)
            else:
                place = self._count % _KEPT
                self.undo.record(partial(kept.__setitem__, place, kept[place]))
                kept[place] = one
        self._count += 1

    def _round(self, steps: int) -> float:
        """Train for some gradient steps; their mean loss."""
        module, losses = self.generator.train(), []
        for _ in range(steps):
            chosen = self._rng.integers(len(self._images), size=_BATCH)
            images = torch.from_numpy(np.stack([self._images[k] for k in chosen]))
            ids = module.ids([self._sentences[k] for k in chosen])
            loss = module.loss(images.to(module.device), ids)
            self._optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            self._optimizer.step()
            losses.append(float(loss.detach()))
        return float(np.mean(losses))

    def get_state(self) -> dict[str, Any]:
        """As :meth:`Relabeller.get_state`."""
        return {
            **super().get_state(),
            "images": np.stack(self._images) if self._images else None,
            "sentences": list(self._sentences),
            "counts": [self._count, self._next, self._loss, self.rounds],
            **self._learned(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """As :meth:`Relabeller.set_state`."""
        super().set_state(state)
        images = state["images"]
        self._images = [] if images is None else [*np.ascontiguousarray(channels_last(images))]
        self._sentences = list(state["sentences"])
        self._count, self._next, self._loss, self.rounds = state["counts"]
        self._set_learned(state)

    def _learned(self) -> dict[str, Any]:
        """What a round of training changes, as plain data."""
        optimizer = self._optimizer.state_dict()["state"]
        return {
            "generator": self._rng.bit_generator.state,
            "weights": {name: one.clone() for name, one in weights_of(self.generator).items()},
            "optimizer": {
                str(number): {name: value.clone() for name, value in one.items()}
                for number, one in optimizer.items()
            },
        }

    def _set_learned(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`_learned` gave."""
        self._rng.bit_generator.state = state["generator"]
        put_weights(self.generator, state["weights"])
        whole = self._optimizer.state_dict()
        moments = {int(number): one for number, one in state["optimizer"].items()}
        self._optimizer.load_state_dict({**whole, "state": moments})

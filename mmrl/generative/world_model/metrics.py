"""How accurate a world model's predictions are on held-out episodes.

:func:`predict_episodes` imagines episodes from a random moment on and compares them with what
happened, by :meth:`Predictions.k_step_accuracy`; :func:`outcome_f1` scores rewards and ends one
step ahead.

Axes: E episodes, H imagined steps, K tokens of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.generative.world_model.dataset import TokenEpisodes
from mmrl.generative.world_model.model import WorldModel
from mmrl.generative.world_model.state import Batch, State

_AT_ONCE: Final = 64


@dataclass(frozen=True)
class Predictions:
    """Imagined steps of E episodes, H each, beside the real ones.

    Attributes:
        starts: real steps before the first imagined one, int64 [E].
        ids: imagined tokens, int64 [E, H, K].
        true: real tokens, int64 [E, H, K].
        last: tokens of the last real image, int64 [E, K].
        mask: steps that the real episodes have, bool [E, H].
        known: tokens whose places had been in view before the first imagined step, bool [E, H, K],
            by the motions that the real images show.
    """

    starts: NDArray[np.int64]
    ids: Tensor
    true: Tensor
    last: Tensor
    mask: Tensor
    known: Tensor

    def k_step_accuracy(self, k: int, predictable: Tensor | None = None) -> dict[str, float]:
        """Shares of the tokens that are correct after k steps.

        Args:
            k: 1 to H.
            predictable: tokens that can be predicted, bool [E, H, K]; by default ``known``.

        Returns:
            "all", of all tokens; "predictable", of those that can be predicted; and "copied", the
            same for the last real image as a baseline. NaN where there are none.
        """
        at, rows = k - 1, self.mask[:, k - 1]
        true = self.true[rows, at]
        can = (self.known if predictable is None else predictable)[rows, at]
        right, same = self.ids[rows, at] == true, self.last[rows] == true
        parts = {"all": right, "predictable": right[can], "copied": same[can]}
        return {name: float(one.float().mean()) for name, one in parts.items()}


@torch.no_grad()
def predict_episodes(
    model: WorldModel, episodes: TokenEpisodes, steps: int, generator: np.random.Generator
) -> Predictions:
    """Imagine the rest of each episode from a random moment on, taking the most probable tokens.

    Args:
        model: the world model.
        episodes: whose actions it is given.
        steps: H.
        generator: draws the moments.
    """
    lengths = episodes.lengths
    starts = generator.integers(0, np.maximum(lengths - steps, 0) + 1)
    order = np.argsort(starts, kind="stable")
    parts = [
        _predict(model, episodes, rows, starts[rows], steps)
        for rows in np.array_split(order, max(1, len(order) // _AT_ONCE))
    ]
    back = torch.from_numpy(np.argsort(order, kind="stable"))
    columns = (torch.cat(column)[back] for column in zip(*parts, strict=True))
    return Predictions(starts, *columns)


@torch.no_grad()
def outcome_f1(model: WorldModel, batches: Sequence[Batch]) -> dict[str, float]:
    """F1 scores of rewards other than 0 and of ends, "reward_f1" and "end_f1", one step ahead of
    real ones, over all steps of some batches.
    """
    rows = []
    for batch in batches:
        batch = Batch(*(one.to(model.device) for one in batch))
        predicted, mask = model.predict(batch), batch.mask
        rows.append((
            (predicted.rewards != 0)[mask],
            (batch.rewards != 0)[mask],
            predicted.ends[mask],
            batch.ends[mask],
        ))  # fmt: skip
    rewarded, reward, ended, end = (torch.cat(column) for column in zip(*rows, strict=True))
    return {"reward_f1": f1(rewarded, reward), "end_f1": f1(ended, end)}


def f1(predicted: Tensor, true: Tensor) -> float:
    """The harmonic mean of precision and recall of bool [N]; NaN without a positive in either."""
    hits = int((predicted & true).sum())
    both = int(predicted.sum() + true.sum())
    return 2 * hits / both if both else float("nan")


def observe(
    model: WorldModel, episodes: TokenEpisodes, rows: NDArray[np.int64], lengths: NDArray[np.int64]
) -> State:
    """The state of some episodes, by their numbers, after so many steps of each."""
    segments = episodes.segments(rows, np.zeros_like(lengths), int(lengths.max()))
    device = model.device
    return model.observe(
        episodes.ids[segments.frames].to(device),
        episodes.actions[segments.steps].to(device),
        episodes.words[torch.from_numpy(rows)].to(device),
        torch.from_numpy(lengths).to(device),
    )


def _predict(
    model: WorldModel,
    episodes: TokenEpisodes,
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
    steps: int,
) -> tuple[Tensor, ...]:
    """The tensors of :class:`Predictions`."""
    state = observe(model, episodes, rows, starts)
    segments = episodes.segments(rows, starts, steps)
    true = episodes.ids[segments.frames].to(model.device)
    actions = episodes.actions[segments.steps].to(model.device)
    imagined, _ = model.imagine(state, actions, ignore_ends=True)
    known = _known(model, state, true, actions)
    tensors = (imagined.ids, true[:, 1:], true[:, 0])
    return *(one.cpu() for one in tensors), segments.mask, known.cpu()


def _known(model: WorldModel, state: State, true: Tensor, actions: Tensor) -> Tensor:
    """Tokens whose places were in view before, bool [B, H, K]."""
    memory, known = state.memory, []
    for t in range(actions.shape[1]):
        motions = model.ego_motion(true[:, t], true[:, t + 1], actions[:, t])
        memory = model.memory.move(memory, motions)
        known.append(model.memory.read(memory)[0] != model.memory.empty)
    return torch.stack(known, 1)

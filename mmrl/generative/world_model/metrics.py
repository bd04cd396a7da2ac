"""How well a world model foretells episodes that it did not learn from."""

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
class Foresight:
    """A dream from a moment of each of E episodes on, beside what was to come, H steps each.

    Attributes:
        starts: steps that had been made, int64 [E].
        ids: that were dreamt, int64 [E, H, K].
        true: that came, int64 [E, H, K].
        last: tokens when the dream began, int64 [E, K].
        there: steps that were made, bool [E, H].
        known: tokens whose places had been in view before the dream, bool [E, H, K], by the motions
            that the true images show.
    """

    starts: NDArray[np.int64]
    ids: Tensor
    true: Tensor
    last: Tensor
    there: Tensor
    known: Tensor

    def accuracy(self, step: int, where: Tensor | None = None) -> dict[str, float]:
        """Shares of the tokens that are right after so many steps.

        Args:
            step: 1 to H.
            where: tokens that can be foretold, bool [E, H, K]; those that are known, if None.

        Returns:
            "all", of all tokens; "predictable", of those that can be foretold; and "copied", the
            same of the last true image. NaN where there are none.
        """
        k, rows = step - 1, self.there[:, step - 1]
        true = self.true[rows, k]
        can = (self.known if where is None else where)[rows, k]
        right, same = self.ids[rows, k] == true, self.last[rows] == true
        parts = {"all": right, "predictable": right[can], "copied": same[can]}
        return {name: float(one.float().mean()) for name, one in parts.items()}


@torch.no_grad()
def foresee(
    model: WorldModel, episodes: TokenEpisodes, steps: int, generator: np.random.Generator
) -> Foresight:
    """Have episodes dreamt on, each from a moment that is drawn, for as long as they truly went on.

    Args:
        model: that dreams; the most probable tokens are taken.
        episodes: with their actions.
        steps: H.
        generator: that draws.
    """
    lengths = episodes.lengths
    starts = generator.integers(0, np.maximum(lengths - steps, 0) + 1)
    order = np.argsort(starts, kind="stable")
    parts = [
        _dream(model, episodes, rows, starts[rows], steps)
        for rows in np.array_split(order, max(1, len(order) // _AT_ONCE))
    ]
    back = torch.from_numpy(np.argsort(order, kind="stable"))
    columns = (torch.cat(column)[back] for column in zip(*parts, strict=True))
    return Foresight(starts, *columns)


def _dream(
    model: WorldModel,
    episodes: TokenEpisodes,
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
    steps: int,
) -> tuple[Tensor, ...]:
    """The tensors of a :class:`Foresight`."""
    state = observe(model, episodes, rows, starts)
    piece = episodes.padded(rows, starts, steps)
    true = episodes.ids[piece.frames].to(model.device)
    actions = episodes.actions[piece.steps].to(model.device)
    dreamt, _ = model.imagine(state, actions, goes_on=True)
    known = _known(model, state, true, actions)
    whole = (dreamt.ids, true[:, 1:], true[:, 0])
    return *(one.cpu() for one in whole), piece.there, known.cpu()


def observe(
    model: WorldModel, episodes: TokenEpisodes, rows: NDArray[np.int64], starts: NDArray[np.int64]
) -> State:
    """Where episodes stand after so many steps."""
    piece = episodes.padded(rows, np.zeros_like(starts), int(starts.max()))
    device = model.device
    return model.observe(
        episodes.ids[piece.frames].to(device),
        episodes.actions[piece.steps].to(device),
        episodes.words[torch.from_numpy(rows)].to(device),
        torch.from_numpy(starts).to(device),
    )


def _known(model: WorldModel, state: State, true: Tensor, actions: Tensor) -> Tensor:
    """Whose places were in view before: bool [B, H, K]."""
    places, seen, known = model.places, state.seen, []
    for t in range(actions.shape[1]):
        motions = model.odometry(true[:, t], true[:, t + 1], actions[:, t])
        seen = places.move(seen, motions)
        known.append(places.recall(seen)[0] != places.nothing)
    return torch.stack(known, 1)


@torch.no_grad()
def outcomes(model: WorldModel, pieces: Sequence[Batch]) -> dict[str, float]:
    """F1 of rewards that are not 0 and of ends, "reward_f1" and "end_f1", one step ahead of what
    truly was, over all steps of some pieces.
    """
    rows = []
    for piece in pieces:
        piece = Batch(*(one.to(model.device) for one in piece))
        told, count = model.predict(piece), piece.there
        rows.append((
            (told.rewards != 0)[count],
            (piece.rewards != 0)[count],
            told.ends[count],
            piece.ends[count],
        ))  # fmt: skip
    rewarded, reward, ended, end = (torch.cat(column) for column in zip(*rows, strict=True))
    return {"reward_f1": f1(rewarded, reward), "end_f1": f1(ended, end)}


def f1(told: Tensor, true: Tensor) -> float:
    """The harmonic mean of precision and recall of bool [N]; NaN where nothing is true or told."""
    hits = int((told & true).sum())
    both = int(told.sum() + true.sum())
    return 2 * hits / both if both else float("nan")

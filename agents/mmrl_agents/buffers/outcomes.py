"""A replay memory of rewarded and unrewarded steps, for reward prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl_agents.buffers.rollout import MultimodalRolloutBuffer

_SHARE: Final = 4  # one rollout fills at most this part of the memory


class Outcomes(NamedTuple):
    """Steps, and whether each was rewarded.

    Attributes:
        observations: before the step, by key, tensors [n, …].
        actions: float32 [n, A].
        rewarded: whether the reward was above 0, float32 [n].
    """

    observations: dict[str, Tensor]
    actions: Tensor
    rewarded: Tensor


class OutcomeReplay:
    """A replay memory with as many rewarded steps as others, from which both are drawn alike.

    Of a rollout's steps without reward, those that ended an episode are kept, since they look most
    like the rewarded ones; where there are none, others at random, as many as are rewarded. When
    it is full, new steps replace random ones.

    Args:
        size: steps of each kind.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._counts = [0, 0]
        self._observations: dict[str, Tensor] = {}  # by key, [2, size, …]: unrewarded, rewarded
        self._actions = torch.zeros(2, size, 0)
        self._rng = np.random.default_rng(0)

    def __len__(self) -> int:
        """How many steps there are of the rarer kind."""
        return min(self._counts)

    def add(self, rollout: MultimodalRolloutBuffer) -> None:
        """Keep steps of a rollout; those that a time limit cut are left out."""
        if not self._observations:
            self._allocate(rollout)
        rewarded = (rollout.rewards > 0) & ~rollout.cut
        others = (rollout.rewards <= 0) & ~rollout.cut
        ends = np.zeros_like(others)
        ends[:-1] = others[:-1] & (rollout.episode_starts[1:] > 0)
        positive, negative = np.flatnonzero(rewarded), np.flatnonzero(ends)
        if not len(negative):
            negative = self._some(np.flatnonzero(others), len(positive))
        for kind, chosen in enumerate((negative, positive)):
            self._keep(kind, self._some(chosen, max(1, self.size // _SHARE)), rollout)

    def sample(self, count: int) -> Outcomes:
        """Draw ``count`` steps of each kind, with replacement; there has to be one of each."""
        drawn = [torch.from_numpy(self._rng.integers(0, n, count)) for n in self._counts]

        def pick(kept: Tensor) -> Tensor:
            rows = (one[chosen.to(one.device)] for one, chosen in zip(kept, drawn, strict=True))
            return torch.cat(list(rows))

        actions = pick(self._actions)
        rewarded = torch.arange(2.0, device=actions.device).repeat_interleave(count)
        kept = {key: pick(one) for key, one in self._observations.items()}
        return Outcomes(kept, actions, rewarded)

    def get_state(self) -> dict[str, Any]:
        """The content, as plain data."""
        full = max(self._counts)
        return {
            "counts": list(self._counts),
            "observations": {key: one[:, :full].clone() for key, one in self._observations.items()},
            "actions": self._actions[:, :full].clone(),
            "random": self._rng.bit_generator.state,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Resume from a state.

        Raises:
            ValueError: of a memory of another size.
        """
        if max(state["counts"]) > self.size:
            raise ValueError(f"a memory of {max(state['counts'])} steps, not of {self.size}")
        self._counts = list(state["counts"])
        kept = {**state["observations"], "": state["actions"]}
        grown = {
            key: torch.zeros(2, self.size, *one.shape[2:], dtype=one.dtype)
            for key, one in kept.items()
        }
        for key, one in kept.items():
            grown[key][:, : one.shape[1]] = one
        self._actions = grown.pop("")
        self._observations = grown
        self._rng.bit_generator.state = state["random"]

    def _allocate(self, rollout: MultimodalRolloutBuffer) -> None:
        self._observations = {
            key: one.new_zeros(2, self.size, *one.shape[2:])
            for key, one in rollout.observations.items()
        }
        width = rollout.actions.shape[2]
        self._actions = torch.zeros(2, self.size, width, device=rollout.device)

    def _some(self, chosen: NDArray[np.int64], most: int) -> NDArray[np.int64]:
        """At most so many, at random."""
        if len(chosen) <= most:
            return chosen
        return self._rng.choice(chosen, most, replace=False)

    def _keep(self, kind: int, steps: NDArray[np.int64], rollout: MultimodalRolloutBuffer) -> None:
        count = self._counts[kind]
        places = np.arange(count, count + len(steps))
        late = places >= self.size
        places[late] = self._rng.choice(self.size, int(late.sum()), replace=False)
        self._counts[kind] = min(self.size, count + len(steps))
        to, rows = torch.from_numpy(places), torch.from_numpy(steps)
        for key, kept in self._observations.items():
            stored = rollout.observations[key].flatten(0, 1)
            kept[kind, to.to(kept.device)] = stored[rows.to(stored.device)].to(kept.device)
        actions = rollout.actions.reshape(-1, rollout.actions.shape[2])[steps]
        self._actions[kind, to] = torch.from_numpy(actions.astype(np.float32)).to(
            self._actions.device
        )

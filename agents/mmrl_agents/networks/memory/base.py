"""The interface of a memory: features → features, with a state handed from step to step.

A state is one tensor [N, S], zeros at the beginning of an episode.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Memory(nn.Module, ABC):
    """Features → features, with a state.

    Attributes:
        features: width H of the output.
        state_size: width S of the state.
    """

    features: int
    state_size: int

    def begin(self, count: int) -> Tensor:
        """The state of ``count`` episodes that begin, float32 [count, S]."""
        return next(self.parameters()).new_zeros(count, self.state_size)

    def forward(self, features: Tensor, state: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            features: float [N, F].
            state: left by the step before, float [N, S].
            starts: whether an episode begins here, bool [N]; its state is reset.

        Returns:
            Features float [N, H] and the state, float [N, S].
        """
        return self.step(features, state * ~starts.unsqueeze(1))

    @abstractmethod
    def step(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Float [N, F] and [N, S] → float [N, H] and the next state."""

    @abstractmethod
    def sequences(self, features: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """Many steps at once; the same numbers as step by step.

        Args:
            features: float [T, N, F].
            state: before the first step, float [N, S].
            starts: whether an episode begins there, bool [T, N].

        Returns:
            Float [T, N, H].
        """

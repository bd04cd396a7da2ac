"""Memories: recurrent networks and frame stacks, with a state that is handed from step to step.

A state is one tensor [N, S], zeros at the beginning of an episode.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmrl.errors import UserError, unknown
from mmrl_agents.choices import KIND
from mmrl_agents.parts import Part


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


class Recurrent(Memory):
    """An LSTM (Hochreiter & Schmidhuber, 1997) or a GRU (Cho et al., 2014).

    Episodes and parts of them are packed side by side, so that one call of torch's own kernel
    goes through all, however they begin and end.

    Args:
        width: F of the features.
        cell: ``nn.LSTM`` or ``nn.GRU``.
        size: H, of the hidden state.
    """

    def __init__(self, width: int, cell: Callable[..., nn.RNNBase], *, size: int = 128) -> None:
        super().__init__()
        self.cell = cell(width, size)
        self.features = size
        self.parts = 2 if isinstance(self.cell, nn.LSTM) else 1
        self.state_size = self.parts * size

    def step(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Memory.step`."""
        out, after = self.cell(features.unsqueeze(0), self._split(state))
        return out.squeeze(0), torch.cat(after, 2).squeeze(0) if self.parts == 2 else after[0]

    def sequences(self, features: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """As :meth:`Memory.sequences`."""
        rows, lengths, fresh = segments(starts)
        row, first = rows.unbind(1)
        steps = torch.arange(int(lengths.max()), device=features.device).unsqueeze(1)
        there = steps < lengths
        when = (first + steps).clamp_max(len(features) - 1)  # [longest, segments]
        padded = features[when, row]
        before = state[row] * ~fresh.unsqueeze(1)
        packed = pack_padded_sequence(padded, lengths.cpu(), enforce_sorted=False)
        out, _ = pad_packed_sequence(self.cell(packed, self._split(before))[0])
        whole = out.new_zeros(*features.shape[:2], self.features)
        return whole.index_put((when[there], row.expand_as(when)[there]), out[there])

    def _split(self, state: Tensor) -> Any:
        parts = tuple(part.unsqueeze(0).contiguous() for part in state.chunk(self.parts, 1))
        return parts if self.parts == 2 else parts[0]


def segments(starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The segments of sequences at the beginnings of episodes.

    Args:
        starts: whether an episode begins there, bool [T, N].

    Returns:
        For each of the S segments its row of the batch and its first step, int64 [S, 2], its
        length int64 [S], and whether it begins an episode, bool [S].
    """
    cuts = starts.clone()
    cuts[0] = True
    rows = cuts.T.nonzero()
    row, first = rows.unbind(1)
    ends = torch.full_like(first, len(starts))
    same = row[1:] == row[:-1]
    ends[:-1][same] = first[1:][same]
    return rows, ends - first, starts[first, row]


class FrameStack(Memory):
    """The features of the last steps side by side: frame stacking (Mnih et al., 2015), where each
    frame is encoded once instead of once for every stack that it is in.

    Args:
        width: F of the features.
        frames: how many steps, this one included.
    """

    def __init__(self, width: int, *, frames: int = 4) -> None:
        if frames < 2:
            raise ValueError(f"frames={frames}: a stack has 2 or more")
        super().__init__()
        self.mix = nn.Linear(frames * width, width)
        self.features, self.state_size = width, (frames - 1) * width
        self._width = width

    def step(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Memory.step`."""
        stack = torch.cat([state, features], 1)
        return torch.relu(self.mix(stack)), stack[:, self._width :]

    def sequences(self, features: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """As :meth:`Memory.sequences`."""
        before = state.unflatten(1, (-1, self._width)).transpose(0, 1)
        past = len(before)
        line = torch.cat([before, features])  # [past + T, N, F]
        episode = starts.long().cumsum(0)  # 0 continues the one before
        episode = torch.cat([episode.new_zeros(past, episode.shape[1]), episode])
        stacks = [
            line[k : k + len(features)]
            * (episode[k : k + len(features)] == episode[past:]).unsqueeze(2)
            for k in range(past + 1)
        ]
        return torch.relu(self.mix(torch.cat(stacks, 2)))


MEMORIES: Final[dict[str, Callable[..., Memory]]] = {
    "lstm": lambda width, **args: Recurrent(width, nn.LSTM, **args),
    "gru": lambda width, **args: Recurrent(width, nn.GRU, **args),
    "frame_stack": FrameStack,
}


def build_memory(name: str, width: int, args: dict[str, Any]) -> Memory:
    """The memory of that name.

    Args:
        name: a key of :data:`MEMORIES`.
        width: of the features.
        args: ``size`` of the hidden state, or ``frames`` of the stack.

    Raises:
        UserError: unknown name, or arguments that do not fit.
    """
    if name not in MEMORIES:
        raise unknown("memory", name, MEMORIES)
    try:
        return MEMORIES[name](width, **args)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"memory options {args} do not fit {name}: {error}") from error


@dataclass(frozen=True)
class MemoryConfig:
    """Configuration of a memory; an option that is None has the memory's own default.

    Attributes:
        kind: lstm, gru or frame_stack.
        size: of the hidden state of an LSTM or a GRU.
        frames: of a frame stack.
    """

    kind: str
    size: int | None = None
    frames: int | None = None


class MemoryPart(Part):
    """A memory of an on-policy agent's policy."""

    Config = MemoryConfig
    kinds = tuple(MEMORIES)

    def check(self, hyper: Any) -> None:
        """As :meth:`Part.check`."""
        if self.config.kind not in MEMORIES:
            raise unknown(self.key, self.config.kind, MEMORIES)
        if hyper.batch_size % hyper.n_steps:
            section = self.key.rpartition(".")[0]
            raise UserError(
                f"{section}.batch_size={hyper.batch_size}: with a memory, minibatches are whole "
                f"rollouts of some environments: give a multiple of n_steps={hyper.n_steps}"
            )

    def policy_kwargs(self) -> dict[str, Any]:
        """As :meth:`Part.policy_kwargs`."""
        options = {name: value for name, value in asdict(self.config).items() if value is not None}
        return {"memory": options.pop(KIND), "memory_args": options}

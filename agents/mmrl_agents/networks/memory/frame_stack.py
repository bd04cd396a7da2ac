"""Frame stacking: the features of the last steps side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmrl_agents.networks.memory.base import Memory


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

"""Convolutions of maps of a few places, as at the end of a ResNet: one matrix product each."""

from __future__ import annotations

from typing import Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

_FEW: Final = 9


class SmallMapConv2d(nn.Conv2d):
    """torch's, with its weights and their names; on a CPU, where its output has at most nine
    places, done as one matrix product.

    The last stage of ResNet-18 makes maps of 2 x 2 out of pictures of 56 pixels. Libraries of
    convolutions, made for large maps, take four times as long for them as the product does, in
    bfloat16 and forward and backward together, though it multiplies by the zeros around the map.
    """

    @classmethod
    def of(cls, conv: nn.Conv2d) -> Self:
        """The same convolution, with the same parameters."""
        ours = cls.__new__(cls)
        nn.Module.__init__(ours)
        ours.__dict__.update(conv.__dict__)
        return ours

    def forward(self, maps: Tensor) -> Tensor:
        """Maps float [B, C, H, W] → float [B, D, rows, columns]."""
        rows, columns = (self._places(maps.shape[2 + axis], axis) for axis in (0, 1))
        if maps.device.type != "cpu" or not 1 <= rows * columns <= _FEW:
            return super().forward(maps)
        windows = self._windows(maps.permute(0, 2, 3, 1), rows, columns)
        kernels = self.weight.permute(0, 2, 3, 1).flatten(1)
        return functional.linear(windows, kernels, self.bias).permute(0, 3, 1, 2)

    def _places(self, side: int, axis: int) -> int:
        """Places of the output along an axis of the maps."""
        room = side + 2 * self._margins[axis] - self.kernel_size[axis]
        return room // self.stride[axis] + 1

    def _windows(self, maps: Tensor, rows: int, columns: int) -> Tensor:
        """What each place of the output is made of: float [B, H, W, C] → [B, rows, columns, M], M
        values in the order kernel row, kernel column, channel.
        """
        (top, left), (down, right) = self._margins, self.stride
        padded = functional.pad(maps, (0, 0, left, left, top, top))
        high, wide = down * (rows - 1) + 1, right * (columns - 1) + 1
        shifted = [
            padded[:, i : i + high : down, j : j + wide : right]
            for i in range(self.kernel_size[0])
            for j in range(self.kernel_size[1])
        ]
        return torch.cat(shifted, dim=3)

    @property
    def _margins(self) -> tuple[int, int]:
        assert not isinstance(self.padding, str)
        return self.padding[0], self.padding[1]


def with_small_maps(module: nn.Module) -> nn.Module:
    """The same module, its convolutions ready for small maps."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Conv2d and _is_plain(child):
                setattr(parent, name, SmallMapConv2d.of(child))
    return module


def _is_plain(conv: nn.Conv2d) -> bool:
    return (
        conv.groups == 1
        and conv.dilation == (1, 1)
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
    )

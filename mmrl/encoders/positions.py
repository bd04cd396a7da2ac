"""Where in a sequence a token stands."""

from __future__ import annotations

import torch
from torch import Tensor


def sines(length: int, width: int) -> Tensor:
    """Positions in a sequence, float32 [length, width]: sines and cosines of wavelengths from 2π
    to 20,000π (Vaswani et al., 2017).
    """
    place = torch.arange(length).unsqueeze(1)
    rate = torch.exp(torch.arange(0, width, 2) * (-torch.log(torch.tensor(10_000.0)) / width))
    both = torch.stack([torch.sin(place * rate), torch.cos(place * rate)], dim=2)
    return both.flatten(1)[:, :width]

"""Norms for encoders that collect and learn in turn."""

from __future__ import annotations

from torch import nn


def group_norm(width: int) -> nn.Module:
    """A norm without running statistics: the policy that collects is the one that learns."""
    return nn.GroupNorm(1, width)

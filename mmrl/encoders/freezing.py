"""Encoders that are trained, frozen, or trained in their last stages only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import torch
from torch import Tensor, nn

from mmrl.encoders.cache import Encode, FeatureCache, digests
from mmrl.tokens import Tokens, TokensShape


class Encoder(nn.Module, ABC):
    """A module of stages, from the input to the output, which may be frozen from below.

    What is frozen is really so: no gradient, no moving statistics of BatchNorm and no dropout,
    even after ``train()``, which stable-baselines3 calls before every update.
    """

    shape: TokensShape
    cache: FeatureCache | None = None
    memory_format: torch.memory_format = torch.contiguous_format
    _trained: int | None = None

    @abstractmethod
    def stages(self) -> list[nn.Module]:
        """The parts with parameters, the first one next to the input."""

    @property
    def is_frozen(self) -> bool:
        """Whether nothing of it is trained."""
        return self._trained == 0

    def freeze(self, trained: int) -> None:
        """Train the last ``trained`` stages only; 0 for none.

        Raises:
            ValueError: there are not so many.
        """
        stages = self.stages()
        if not 0 <= trained <= len(stages):
            raise ValueError(f"{trained} trained stages: there are 0 to {len(stages)}")
        self._trained = trained
        self.requires_grad_(False)
        for stage in stages[len(stages) - trained :]:
            stage.requires_grad_(True)
        self.train(self.training)

    def lay_out(self, memory_format: torch.memory_format) -> None:
        """Have weights and pictures in that order in memory: plane by plane is faster in float32 on
        a CPU, pixel by pixel (``channels_last``) in bfloat16.
        """
        self.memory_format = memory_format
        self.to(memory_format=memory_format)  # type: ignore[call-overload]

    def remember(self, capacity: int) -> None:
        """Encode each distinct input once from now on, as long as the encoder is frozen.

        Args:
            capacity: bytes of features that may be kept.
        """
        self.cache = FeatureCache(capacity)

    @property
    def remembers(self) -> bool:
        """Whether each distinct input is encoded once."""
        return self.cache is not None and self.is_frozen

    def keys(self, rows: Tensor) -> list[bytes]:
        """By which inputs [B, …] are remembered: equal for those that have the same tokens."""
        return digests(rows)

    def encoded(self, rows: Tensor, encode: Encode, grid: tuple[int, int] | None = None) -> Tokens:
        """``encode(rows)``, without gradient where nothing is trained, and from the cache where
        there is one.

        Args:
            rows: inputs [B, …].
            encode: inputs → values float [B, K, D] and their mask, bool [B, K].
            grid: on which the tokens lie.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            if self.cache is None or not self.is_frozen:
                return Tokens(*encode(rows), grid)
            keys, state = self.keys(rows), self._state(rows.device)
            tokens = self.cache.lookup(rows, keys, encode, state)
        tokens.grid = grid
        return tokens

    def _state(self, device: torch.device) -> tuple[Any, ...]:
        """What features depend on besides the input; torch counts the changes of each tensor."""
        weights = [(w.data_ptr(), w._version) for w in tensors(self)]
        autocast = torch.is_autocast_enabled(device.type)
        return autocast and torch.get_autocast_dtype(device.type), *weights

    def train(self, mode: bool = True) -> Self:
        """As in torch, but what is frozen stays as in evaluation."""
        super().train(mode)
        if self._trained is not None:
            stages = self.stages()
            super().train(False)
            for stage in stages[len(stages) - self._trained :]:
                stage.train(mode)
            self.training = mode
        return self


def tensors(module: nn.Module) -> list[Tensor]:
    """All parameters and buffers, those that two modules share more than once.

    Written for speed, since the weights of BERT-base are looked over before every call: a tenth of
    the time of ``parameters()``, which makes names and leaves out repetitions.
    """
    found: list[Tensor | None] = []
    modules: list[nn.Module | None] = [module]
    for one in modules:
        if one is None:
            continue
        if one._parameters:
            found += one._parameters.values()
        if one._buffers:
            found += one._buffers.values()
        if one._modules:
            modules += one._modules.values()
    return [tensor for tensor in found if tensor is not None]


def with_parameters(modules: nn.Module) -> list[nn.Module]:
    """The children that have parameters, in their order."""
    return [child for child in modules.children() if any(True for _ in child.parameters())]

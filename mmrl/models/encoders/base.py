"""The base classes of encoders: one modality → Tokens.

An :class:`Encoder` is trained, frozen, or trained in its last stages only, and caches features
while it is frozen. A :class:`TextEncoder` encodes each distinct instruction of a batch once; a
:class:`ProjectedEncoder` is any encoder with a linear layer on top.

Shapes: B batch, U distinct inputs of a batch, L ids of an instruction, K tokens, D their width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final, Self

import torch
from torch import Tensor, nn

from mmrl.models.encoders.cache import Encode, FeatureCache, digests, sentence_keys
from mmrl.models.encoders.dedup import distinct_rows
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.text import PADDING


class Encoder(nn.Module, ABC):
    """An encoder of one modality: raw numbers → Tokens, in stages that can be frozen from the input
    on.

    Frozen stages have no gradient, no moving BatchNorm statistics and no dropout, even after
    ``train()``, which stable-baselines3 calls before every update.

    Attributes:
        shape: of the tokens.
        cache: of features of distinct inputs, see :meth:`enable_cache`.
        memory_format: of weights and images, see :meth:`set_memory_format`.
        channels_first: whether it takes images [B, 3, H, W], as torch and stable-baselines3's
            ``VecTransposeImage`` have them, instead of [B, H, W, 3].
    """

    shape: TokensShape
    channels_first: bool = False
    cache: FeatureCache | None = None
    memory_format: torch.memory_format = torch.contiguous_format
    _trained: int | None = None
    _weights: Weights | None = None

    @abstractmethod
    def stages(self) -> list[nn.Module]:
        """The parts with parameters, from the input to the output."""

    @property
    def is_frozen(self) -> bool:
        """Whether no stage is trained."""
        return self._trained == 0

    def freeze(self, trained: int) -> None:
        """Train the last ``trained`` stages only; 0 for none.

        Raises:
            ValueError: there are fewer stages.
        """
        stages = self.stages()
        if not 0 <= trained <= len(stages):
            raise ValueError(f"{trained} trained stages: there are 0 to {len(stages)}")
        self._trained = trained
        self.requires_grad_(False)
        for stage in stages[len(stages) - trained :]:
            stage.requires_grad_(True)
        self.train(self.training)

    def set_memory_format(self, memory_format: torch.memory_format) -> None:
        """Compute in that order in memory: ``contiguous_format`` is faster in float32 on a CPU,
        ``channels_last`` in bfloat16.
        """
        self.memory_format = memory_format
        self.to(memory_format=memory_format)  # type: ignore[call-overload]

    def enable_cache(self, capacity: int) -> None:
        """Encode each distinct input once from now on, while the encoder is frozen.

        Args:
            capacity: of the cache, in bytes of features.
        """
        self.cache = FeatureCache(capacity)

    @property
    def uses_cache(self) -> bool:
        """Whether each distinct input is encoded once."""
        return self.cache is not None and self.is_frozen

    def cache_keys(self, rows: Tensor) -> list[bytes]:
        """A key for each of the inputs [B, …]; equal keys have the same tokens."""
        return digests(rows)

    def apply_cached(
        self, rows: Tensor, encode: Encode, grid: tuple[int, int] | None = None
    ) -> Tokens:
        """``encode(rows)``, without gradient where nothing is trained, and from the cache where
        there is one.

        Args:
            rows: inputs [B, …].
            encode: inputs → values float [B, K, D] and their mask, bool [B, K].
            grid: (rows, columns) on which the tokens lie.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            if not self.uses_cache or torch.compiler.is_exporting():
                return Tokens(*encode(rows), grid)
            assert self.cache is not None
            keys, state = self.cache_keys(rows), self._state(rows.device)
            tokens = self.cache.lookup(rows, keys, encode, state)
        tokens.grid = grid
        return tokens

    def _state(self, device: torch.device) -> tuple[Any, ...]:
        """What features depend on besides the input: weights and precision."""
        if self._weights is None or not self._weights.has_same_modules():
            self._weights = Weights(self)
        autocast = torch.is_autocast_enabled(device.type)
        return autocast and torch.get_autocast_dtype(device.type), self._weights.state()

    def train(self, mode: bool = True) -> Self:
        """As in torch, but frozen stages stay in evaluation mode."""
        super().train(mode)
        if self._trained is not None:
            stages = self.stages()
            super().train(False)
            for stage in stages[len(stages) - self._trained :]:
                stage.train(mode)
            self.training = mode
        return self


class ProjectedEncoder(Encoder):
    """An encoder with a linear layer on each of its tokens, which is always trained.

    Args:
        encoder: raw numbers → Tokens [B, K, D].
        width: E of the projected tokens [B, K, E].
    """

    def __init__(self, encoder: Encoder, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.project = nn.Linear(encoder.shape.width, width)
        self.shape = TokensShape(width, encoder.shape.grid)
        self.channels_first = encoder.channels_first

    def stages(self) -> list[nn.Module]:
        """Those of the encoder."""
        return self.encoder.stages()

    def freeze(self, trained: int) -> None:
        """As :meth:`Encoder.freeze`, of the encoder without the projection."""
        self.encoder.freeze(trained)

    def enable_cache(self, capacity: int) -> None:
        """As :meth:`Encoder.enable_cache`, of the encoder without the projection."""
        self.encoder.enable_cache(capacity)

    def set_memory_format(self, memory_format: torch.memory_format) -> None:
        """As :meth:`Encoder.set_memory_format`, of the encoder."""
        self.encoder.set_memory_format(memory_format)

    def forward(self, given: Tensor) -> Tokens:
        """What the encoder takes → Tokens [B, K, E]."""
        tokens: Tokens = self.encoder(given)
        return tokens.map(lambda values, _: self.project(values))


class Weights:
    """The version of a module's parameters and buffers, checked before every cached call.

    Written for speed, since BERT-base has 200 of them in 230 modules: the tree is walked once, and
    again after modules or tensors were added or replaced.
    """

    def __init__(self, module: nn.Module) -> None:
        modules = list(module.modules())
        owned: list[dict[str, Any]] = []
        for one in modules:
            owned += one._parameters, one._buffers
        self._tensors = [part for part in owned if part]
        self._children = [one._modules for one in modules if one._modules]
        self._empty = [part for part in owned if not part]
        self._leaves = [one._modules for one in modules if not one._modules]
        self._walked = self._present()

    def has_same_modules(self) -> bool:
        """Whether no module or tensor was added or replaced since this was made."""
        return not (any(self._empty) or any(self._leaves)) and self._present() == self._walked

    def state(self) -> tuple[Any, ...]:
        """Addresses and version counters, equal as long as no tensor was changed or moved."""
        every = chain.from_iterable(map(dict.values, self._tensors))
        tensors = [tensor for tensor in every if tensor is not None]
        return tuple(map(Tensor.data_ptr, tensors)), tuple(map(_VERSION, tensors))

    def _present(self) -> list[nn.Module | None]:
        return list(chain.from_iterable(map(dict.values, self._children)))


_VERSION: Final = attrgetter("_version")


def with_parameters(modules: nn.Module) -> list[nn.Module]:
    """The children that have parameters, in order."""
    return [child for child in modules.children() if any(True for _ in child.parameters())]


Vocabulary = int | Sequence[str]
"""The number of token ids, or the words by their ids."""


def size_of(vocabulary: Vocabulary) -> int:
    """Token ids are below this."""
    return vocabulary if isinstance(vocabulary, int) else len(vocabulary)


class TextEncoder(Encoder):
    """A text encoder: token ids → Tokens.

    Each distinct instruction of a batch is encoded once, without its padding; all rows that have it
    share its tokens.

    Args:
        width: D of the tokens.
        vocabulary: ids are below this.
    """

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.shape = TokensShape(width=width)

    def stages(self) -> list[nn.Module]:
        """The children that have parameters."""
        return with_parameters(self)

    @abstractmethod
    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Distinct instructions → their tokens.

        Args:
            ids: int64 [U, L].
            mask: bool [U, L], False for padding.

        Returns:
            Values float [U, K, D] and their mask, bool [U, K].
        """

    def forward(self, ids: Tensor) -> Tokens:
        """Integers [B, L], ``PADDING`` where there is no token → Tokens [B, K, D].

        Raises:
            ValueError: a token outside the vocabulary.
        """
        if torch.compiler.is_exporting():  # one graph for all batches: nothing depends on values
            return Tokens(*self.encode(ids.long(), ids != PADDING))
        for token in map(int, ids.aminmax()):
            if not 0 <= token < self.vocabulary:
                raise ValueError(
                    f"token {token}: this text encoder has {self.vocabulary}; "
                    "it was given ids of another tokenizer than its own"
                )
        if self.uses_cache:
            return self.apply_cached(ids, self._encode_trimmed)
        rows, where = distinct_rows(ids)
        tokens = self.apply_cached(rows, self._encode_trimmed)
        return Tokens(tokens.values, tokens.mask, rows=where)

    def cache_keys(self, rows: Tensor) -> list[bytes]:
        """As :meth:`Encoder.cache_keys`; padding makes no difference."""
        return sentence_keys(rows)

    def _encode_trimmed(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`encode`, of ids [U, L] cut to the longest instruction among them."""
        longest = max(int((rows != PADDING).sum(1).max()), 1)
        rows = rows[:, :longest].long()
        return self.encode(rows, rows != PADDING)

"""Encoders that are trained, frozen, or trained in their last stages only.

Text encoders: token ids → Tokens, each distinct instruction of a batch encoded once.
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
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.text import PADDING


class Encoder(nn.Module, ABC):
    """A module of stages, from the input to the output, which may be frozen from below.

    What is frozen is really so: no gradient, no moving statistics of BatchNorm and no dropout,
    even after ``train()``, which stable-baselines3 calls before every update.
    """

    shape: TokensShape
    cache: FeatureCache | None = None
    memory_format: torch.memory_format = torch.contiguous_format
    _trained: int | None = None
    _weights: Weights | None = None

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
        """Have weights and images in that order in memory: plane by plane is faster in float32 on
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
        """What features depend on besides the input."""
        if self._weights is None or not self._weights.are_those_of_before():
            self._weights = Weights(self)
        autocast = torch.is_autocast_enabled(device.type)
        return autocast and torch.get_autocast_dtype(device.type), self._weights.state()

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

    def stages(self) -> list[nn.Module]:
        """Those of the encoder."""
        return self.encoder.stages()

    def freeze(self, trained: int) -> None:
        """As :meth:`Encoder.freeze`, of the encoder without the projection."""
        self.encoder.freeze(trained)

    def remember(self, capacity: int) -> None:
        """As :meth:`Encoder.remember`, of the encoder without the projection."""
        self.encoder.remember(capacity)

    def lay_out(self, memory_format: torch.memory_format) -> None:
        """As :meth:`Encoder.lay_out`, of the encoder."""
        self.encoder.lay_out(memory_format)

    def forward(self, given: Tensor) -> Tokens:
        """What the encoder takes → Tokens [B, K, E]."""
        tokens: Tokens = self.encoder(given)
        return tokens.map(lambda values, _: self.project(values))


class Weights:
    """The parameters and buffers of a module, to be looked over before every call.

    Written for speed, since BERT-base has 200 of them in 230 modules: the tree is walked once, and
    again where something was added to it or replaced.
    """

    def __init__(self, module: nn.Module) -> None:
        modules = list(module.modules())
        held: list[dict[str, Any]] = []
        for one in modules:
            held += one._parameters, one._buffers
        self._tensors = [part for part in held if part]
        self._children = [one._modules for one in modules if one._modules]
        self._empty = [part for part in held if not part]
        self._leaves = [one._modules for one in modules if not one._modules]
        self._walked = self._present()

    def are_those_of_before(self) -> bool:
        """Whether the module still has the parts that it had."""
        return not (any(self._empty) or any(self._leaves)) and self._present() == self._walked

    def state(self) -> tuple[Any, ...]:
        """Something that is equal as long as nothing was changed or moved; torch counts the
        changes of each tensor.
        """
        every = chain.from_iterable(map(dict.values, self._tensors))
        tensors = [tensor for tensor in every if tensor is not None]
        return tuple(map(Tensor.data_ptr, tensors)), tuple(map(_VERSION, tensors))

    def _present(self) -> list[nn.Module | None]:
        return list(chain.from_iterable(map(dict.values, self._children)))


_VERSION: Final = attrgetter("_version")


def with_parameters(modules: nn.Module) -> list[nn.Module]:
    """The children that have parameters, in their order."""
    return [child for child in modules.children() if any(True for _ in child.parameters())]


Vocabulary = int | Sequence[str]
"""How many token ids there are, or the words by their ids."""


def size_of(vocabulary: Vocabulary) -> int:
    """Token ids are below this."""
    return vocabulary if isinstance(vocabulary, int) else len(vocabulary)


class TextEncoder(Encoder):
    """Token ids → Tokens.

    A batch of observations holds few distinct instructions: each is encoded once, as long as it
    is, and its tokens are handed to every row that has it.

    Args:
        width: of the tokens.
        vocabulary: ids are below this.
    """

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.shape = TokensShape(width=width)

    def stages(self) -> list[nn.Module]:
        """Its children that have parameters."""
        return with_parameters(self)

    @abstractmethod
    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Distinct instructions, int64 [U, L], and which of their tokens there are, bool [U, L] →
        values float [U, K, D] and their mask, bool [U, K].
        """

    def forward(self, ids: Tensor) -> Tokens:
        """Integers [B, L], ``PADDING`` where there is no token → Tokens [B, K, D].

        Raises:
            ValueError: a token outside the vocabulary.
        """
        for token in map(int, ids.aminmax()):
            if not 0 <= token < self.vocabulary:
                raise ValueError(
                    f"token {token}: this text encoder has {self.vocabulary}; "
                    "it was given another tokenizer than its own"
                )
        if self.remembers:
            return self.encoded(ids, self._encode_trimmed)
        rows, where = distinct_rows(ids)
        tokens = self.encoded(rows, self._encode_trimmed)
        return Tokens(tokens.values, tokens.mask, rows=where)

    def keys(self, rows: Tensor) -> list[bytes]:
        """As :meth:`Encoder.keys`; a sentence is the same whatever the padding after it."""
        return sentence_keys(rows)

    def _encode_trimmed(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Distinct instructions [U, L], no longer than the longest of them is."""
        longest = max(int((rows != PADDING).sum(1).max()), 1)
        rows = rows[:, :longest].long()
        return self.encode(rows, rows != PADDING)


def distinct_rows(ids: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows of a matrix, and which of them each row is.

    Rows are told apart by a hash, which is much faster than sorting them; should two different
    rows ever share one, the slow way is taken.

    Args:
        ids: integers [B, L], or floats, of which half precision tells apart.

    Returns:
        [U, L] and int64 [B], with ``rows[where]`` equal to ``ids``.
    """
    whole = _as_integers(ids)
    powers = torch.full((whole.shape[1],), _ODD, device=ids.device).cumprod(0)  # modulo 2^64
    hashes = (whole * powers).sum(1)
    unique, where = torch.unique(hashes, return_inverse=True)
    first = torch.full_like(unique, ids.shape[0])
    first.scatter_reduce_(0, where, torch.arange(len(ids), device=ids.device), "amin")
    rows = ids[first]
    if bool((rows[where] == ids).all()):
        return rows, where
    rows, where = torch.unique(ids, dim=0, return_inverse=True)
    return rows, where


def _as_integers(rows: Tensor) -> Tensor:
    """The same rows as int64; four half floats make one."""
    if not rows.is_floating_point():
        return rows.long()
    rows = rows.half()
    rows = torch.nn.functional.pad(rows, (0, -rows.shape[1] % 4))
    return rows.contiguous().view(torch.int64)


_ODD: Final = 0x9E3779B97F4A7C15 - (1 << 64)  # as a signed 64-bit number

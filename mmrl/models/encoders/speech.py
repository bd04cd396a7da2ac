"""Speech encoders: features of an utterance → Tokens, each distinct utterance encoded once.

Convolutions over log-mel features for policies (:class:`LogMelCNN`), with a transformer on top for
recognition (:class:`SpeechTransformer`), and pretrained Wav2Vec2 and Whisper models.

Shapes: B batch, U distinct utterances, T frames, K tokens, D their width. Features are exactly zero
after the end of an utterance, which is where masks come from.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.errors import UserError
from mmrl.models.encoders.base import Encoder, with_parameters
from mmrl.models.encoders.dedup import distinct_rows
from mmrl.models.encoders.hub import UNREADABLE, first_line
from mmrl.models.encoders.layers import sines
from mmrl.models.encoders.others import build_other, is_of_others
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.hub import (
    download_hint,
    hub_cache,
    load_weights,
    model_from_config,
    pretrained_config,
)
from mmrl.preprocessing.speech import LogMel, PretrainedSpeech, SpeechPreprocessor
from mmrl.text_output import shortened

_NOT_USED: Final = "masked_spec_embed"  # of Wav2Vec2's masking, which is off; most files lack it
_LEAST_VARIANCE: Final = 1e-4  # of a band; one that never changes stays 0


class SpeechEncoder(Encoder):
    """A speech encoder: features of utterances → Tokens.

    Args:
        width: D of the tokens.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.shape = TokensShape(width=width)

    def stages(self) -> list[nn.Module]:
        """The children that have parameters."""
        return with_parameters(self)

    @abstractmethod
    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Distinct utterances → their tokens.

        Args:
            features: float32 [U, …].

        Returns:
            Values float [U, K, D] and their mask, bool [U, K].
        """

    def forward(self, features: Tensor) -> Tokens:
        """Floats [B, …], as the preprocessing makes them → Tokens [B, K, D]."""
        if self.uses_cache or torch.compiler.is_exporting():  # a graph is for any batch
            return self.apply_cached(features, lambda some: self.encode(some.float()))
        rows, where = distinct_rows(features.flatten(1))
        utterances = rows.unflatten(1, features.shape[1:]).float()
        tokens = self.apply_cached(utterances, self.encode)
        return Tokens(tokens.values, tokens.mask, rows=where)


class SpeechBlock(nn.Module):
    """relu(norm(convolution)) over time, at half the rate; zeros outside the mask."""

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(bands, width, 5, stride=2, padding=2)
        self.norm = nn.LayerNorm(width)

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Float [U, bands, T] and bool [U, T] → the same at half the rate, [U, width, T / 2]."""
        maps, mask = self.conv(maps), mask[:, ::2]
        maps = functional.relu(self.norm(maps.transpose(1, 2))).transpose(1, 2)
        return maps * mask.unsqueeze(1), mask


class LogMelCNN(SpeechEncoder):
    """A CNN over log-mel features: three strided convolutions over time give a token for every
    80 ms, to each of which the maximum over the utterance is added.

    Each band is normalised over the utterance (mean 0, variance 1), which removes much of the voice
    and the noise; the maximum keeps a single word, which a mean averages away; the last norm gives
    tokens the scale of text tokens. Without all three a policy learns the meaning of words from
    rewards many times more slowly, or never.

    Frames after the utterance are zeros before each layer, so that neither the length of the
    recording nor the other utterances of a batch change anything.

    Args:
        shape: frames T and bands of an utterance.
        width: D of the tokens.

    Raises:
        ValueError: features of another number of axes.
    """

    def __init__(self, shape: tuple[int, ...], *, width: int = 64) -> None:
        if len(shape) != 2:
            raise ValueError(f"log-mel features are [frames, bands], got {list(shape)}")
        super().__init__(width)
        self.blocks = nn.ModuleList(SpeechBlock(n, width) for n in (shape[1], width, width))
        self.norm = nn.LayerNorm(width)

    def stages(self) -> list[nn.Module]:
        """The convolutions; the last norm is part of the last one."""
        return [*self.blocks[:-1], nn.ModuleList([self.blocks[-1], self.norm])]

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`SpeechEncoder.encode`; features float32 [U, frames, bands], K = frames / 8."""
        mask = (features != 0).any(2)
        longest = max(int(mask.sum(1).max()), 1)
        mask = mask[:, :longest]
        maps = standardized(features[:, :longest], mask).transpose(1, 2)
        for block in self.blocks:
            maps, mask = block(maps, mask)
        strongest = maps.amax(2, keepdim=True)  # no other is below 0
        return self.norm((maps + strongest).transpose(1, 2)), mask


def standardized(features: Tensor, mask: Tensor) -> Tensor:
    """Cepstral mean and variance normalisation (Viikki & Laurila, 1998): mean 0 and variance 1 of
    each band over an utterance, 0 outside the mask.

    Args:
        features: float32 [U, T, bands].
        mask: bool [U, T].
    """
    counted = mask.unsqueeze(2)
    frames = counted.sum(1, keepdim=True).clamp_min(1)
    centred = (features - (features * counted).sum(1, keepdim=True) / frames) * counted
    variance = centred.square().sum(1, keepdim=True) / frames
    return centred * (variance + _LEAST_VARIANCE).rsqrt()


class SpeechTransformer(SpeechEncoder):
    """A transformer encoder (Vaswani et al., 2017, pre-norm) over the tokens of
    :class:`LogMelCNN`, one for every 80 ms.

    Args:
        shape: frames T and bands of an utterance.
        width, layers, heads: of the transformer.
        dropout: of the transformer.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(width)
        self.convolutions = LogMelCNN(shape, width=width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width,
                heads,
                4 * width,
                dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def stages(self) -> list[nn.Module]:
        """The convolutions, then each layer; the last norm is part of the last one."""
        *first, last = [*self.convolutions.stages(), *self.layers]
        return [*first, nn.ModuleList([last, self.norm])]

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`SpeechEncoder.encode`; features float32 [U, frames, bands], K = frames / 8."""
        values, mask = self.convolutions.encode(features)
        values = values + sines(*values.shape[1:]).to(values)
        ignored = ~mask
        ignored[:, 0] = False  # attention needs one token, even of silence
        for layer in self.layers:
            values = layer(values, src_key_padding_mask=ignored)
        return self.norm(values), mask


class PretrainedSpeechEncoder(SpeechEncoder):
    """The encoder of a pretrained Wav2Vec2 (Baevski et al., 2020) or Whisper (Radford et al., 2022)
    model.

    Args:
        model: of transformers.
    """

    def __init__(self, model: nn.Module) -> None:
        config: Any = model.config
        super().__init__(int(config.hidden_size))
        config.apply_spec_augment = False  # random masking would make a policy stochastic
        whole: Any = model
        self.model = whole.get_encoder() if config.model_type == "whisper" else whole
        self.config = config
        self._is_whisper = config.model_type == "whisper"

    def stages(self) -> list[nn.Module]:
        """What comes before the transformer, then each of its layers."""
        layers = max(
            (part for part in self.model.modules() if isinstance(part, nn.ModuleList)), key=len
        )
        inside = {id(part) for layer in layers for part in layer.modules()}
        front = [
            part
            for part in self.model.modules()
            if id(part) not in inside and part._parameters and not _holds(part, layers)
        ]
        return [nn.ModuleList(front), *layers]

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`SpeechEncoder.encode`.

        Wav2Vec2's norms depend on the whole recording: each utterance is encoded alone, without
        the silence after it.
        """
        if self._is_whisper:
            values = self.model(features).last_hidden_state
            return values, torch.ones_like(values[..., 0], dtype=torch.bool)
        least = 400  # samples that Wav2Vec2's convolutions need for one token
        encoded = []
        for utterance in features:
            samples = int((utterance != 0).nonzero().max()) + 1 if utterance.any() else 0
            encoded.append(self.model(utterance[None, : max(samples, least)]).last_hidden_state[0])
        values = nn.utils.rnn.pad_sequence(encoded, batch_first=True)
        lengths = torch.tensor([len(one) for one in encoded], device=values.device)
        return values, torch.arange(values.shape[1], device=values.device) < lengths[:, None]


def _holds(module: nn.Module, part: nn.Module) -> bool:
    return any(one is part for one in module.modules())


SPEECH_ENCODERS: Final[dict[str, Callable[..., SpeechEncoder]]] = {"log_mel_cnn": LogMelCNN}
"""Our own, by name; every other name is a Wav2Vec2 or Whisper model, by hub name or folder."""


def build_speech_preprocessor(name: str, seconds: float) -> SpeechPreprocessor:
    """The preprocessing that goes with a speech encoder.

    Raises:
        UserError: a pretrained feature extractor cannot be loaded.
    """
    is_ours = name in SPEECH_ENCODERS or is_of_others(name)
    return LogMel(seconds) if is_ours else PretrainedSpeech(name, seconds)


def build_speech_encoder(
    name: str, shape: tuple[int, ...], *, pretrained: bool = True, **kwargs: Any
) -> SpeechEncoder:
    """The speech encoder of that name.

    Args:
        name: a key of :data:`SPEECH_ENCODERS`, of an entry point, a dotted path, a hub name or a
            local path.
        shape: of the features of one utterance.
        pretrained: load the weights; otherwise they are random.
        kwargs: arguments of ours.

    Raises:
        UserError: no such model can be loaded, or arguments that do not fit.
    """
    if name in SPEECH_ENCODERS:
        try:
            return SPEECH_ENCODERS[name](shape, **kwargs)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"model.speech_args {kwargs} do not fit {name}: {shortened(error)}"
            ) from error
    if is_of_others(name):
        return build_other("speech", name, SpeechEncoder, SPEECH_ENCODERS, kwargs, shape)
    if kwargs:
        raise UserError(f"{name} takes no model.speech_args, got {', '.join(kwargs)}")
    try:
        model = (
            load_weights(name, optional=_NOT_USED)
            if pretrained
            else model_from_config(pretrained_config(name))
        )
    except UNREADABLE as error:
        raise UserError(
            f"speech encoder {name!r} is neither ours ({', '.join(SPEECH_ENCODERS)}), nor a local "
            f"folder with config.json and model.safetensors, nor cached in {hub_cache()}, nor "
            f"reachable ({first_line(error)}). Offline: log_mel_cnn, or such a folder"
            f"{download_hint(name)}"
        ) from error
    if model.config.model_type not in ("wav2vec2", "whisper"):
        raise UserError(
            f"speech encoder {name!r} is a {model.config.model_type}: give a wav2vec2 or whisper"
        )
    return PretrainedSpeechEncoder(model)

"""A speech encoder that listens to whole sentences: convolutions, then self-attention."""

from __future__ import annotations

from torch import Tensor, nn

from mmrl.encoders.positions import sines
from mmrl.encoders.speech import LogMelCNN, SpeechEncoder


class SpeechTransformer(SpeechEncoder):
    """The tokens of :class:`LogMelCNN`, one for every 80 ms, each of which looks at all others
    (Vaswani et al., 2017, with the norms first): which sounds make a word depends on those around
    them.

    Args:
        shape: frames and bands of an utterance.
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
        values, heard = self.convolutions.encode(features)
        values = values + sines(*values.shape[1:]).to(values)
        ignored = ~heard
        ignored[:, 0] = False  # there must be something to look at, were it silence
        for layer in self.layers:
            values = layer(values, src_key_padding_mask=ignored)
        return self.norm(values), heard

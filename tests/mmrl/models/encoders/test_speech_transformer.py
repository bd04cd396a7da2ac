"""The speech encoder for whole sentences: silence and company change nothing."""

from __future__ import annotations

import pytest
import torch

from mmrl.models.encoders.speech import SpeechTransformer


@pytest.fixture
def encoder() -> SpeechTransformer:
    return SpeechTransformer((80, 6), width=16, layers=2, heads=2).eval()


def test_what_follows_the_last_word_does_not_matter(encoder: SpeechTransformer) -> None:
    features = torch.randn(2, 80, 6)
    features[0, 33:] = 0
    both, alone = encoder(features), encoder(features[:1])
    assert both.values.shape == (2, 10, 16)
    assert both.mask.sum(1).tolist() == [5, 10]
    torch.testing.assert_close(both.values[0, :5], alone.values[0, :5], rtol=1e-4, atol=1e-5)


def test_silence_is_finite(encoder: SpeechTransformer) -> None:
    tokens = encoder(torch.zeros(2, 80, 6))
    assert tokens.values.isfinite().all()
    assert not tokens.mask.any()


def test_freezing_from_below(encoder: SpeechTransformer) -> None:
    assert len(encoder.stages()) == 5
    encoder.freeze(1)
    assert encoder.norm.weight.requires_grad
    assert all(weight.requires_grad for weight in encoder.layers[1].parameters())
    assert not any(weight.requires_grad for weight in encoder.layers[0].parameters())
    assert not any(weight.requires_grad for weight in encoder.convolutions.parameters())

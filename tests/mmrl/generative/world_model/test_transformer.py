"""The transformer over frames: step by step as all at once, and never a look ahead."""

from __future__ import annotations

import pytest
import torch

from mmrl.generative.world_model.transformer import FrameTransformer

BATCH, STEPS, TOKENS, WIDTH = 3, 7, 4, 16


def transformer(frames: int = 3) -> FrameTransformer:
    torch.manual_seed(0)
    made = FrameTransformer(WIDTH, 2, 2, frames)
    for layer in made.layers:
        torch.nn.init.normal_(layer.age)
    return made.eval()


def frames() -> torch.Tensor:
    return torch.randn(BATCH, STEPS, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("parts", [[1] * STEPS, [3, 4], [5, 1, 1]])
@pytest.mark.parametrize("looks_back", [1, 3, 20])
def test_with_the_cache_as_all_at_once(parts: list[int], looks_back: int):
    model, x = transformer(looks_back), frames()
    whole, last = model(x, model.begin(BATCH, TOKENS))
    cache, outputs = model.begin(BATCH, TOKENS), []
    for part in x.split(parts, 1):
        one, cache = model(part, cache)
        outputs.append(one)
    assert torch.allclose(torch.cat(outputs, 1), whole, atol=1e-5)
    for one, other in zip((*cache.keys, *cache.values), (*last.keys, *last.values), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert torch.equal(cache.known, last.known)


def test_later_frames_change_nothing_before():
    model, x = transformer(), frames()
    other = x.clone()
    other[:, 4:] = torch.randn_like(other[:, 4:])
    one, another = (model(given, model.begin(BATCH, TOKENS))[0] for given in (x, other))
    assert torch.equal(one[:, :4], another[:, :4])
    assert not torch.allclose(one[:, 4], another[:, 4])


def test_each_sequence_has_its_own_length():
    model, x = transformer(), frames()
    lengths = torch.tensor([0, 2, STEPS])
    _, cache = model(x, model.begin(BATCH, TOKENS), lengths)
    for row, length in enumerate(lengths.tolist()):
        begun = model.begin(1, TOKENS)
        alone = model(x[row : row + 1, :length], begun)[1] if length else begun
        assert torch.equal(cache.known[row], alone.known[0])
        kept = alone.known[0]
        for part, right in zip((cache.keys, cache.values), (alone.keys, alone.values), strict=True):
            for one, other in zip(part, right, strict=True):
                assert torch.allclose(one[row][..., kept, :], other[0][..., kept, :], atol=1e-5)


def test_what_is_too_old_is_forgotten():
    model, x = transformer(frames=2), frames()
    other = x.clone()
    other[:, 0] = torch.randn_like(other[:, 0])
    one, another = (model(given, model.begin(BATCH, TOKENS))[0] for given in (x, other))
    reach = len(model.layers)  # each layer looks one frame back
    assert not torch.allclose(one[:, reach], another[:, reach])
    assert torch.allclose(one[:, reach + 1 :], another[:, reach + 1 :])

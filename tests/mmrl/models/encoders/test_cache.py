"""A cache gives what the encoder would give, computes it once, and is never stale."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mmrl.models.encoders.cache import FeatureCache, digests, sentence_keys
from mmrl.models.encoders.image import build_image_encoder
from mmrl.models.encoders.text import build_text_encoder

IDS = torch.tensor([[2, 5, 6, 0], [2, 4, 4, 7], [3, 0, 0, 0], [2, 5, 6, 0]])


class Counting:
    """Doubles its input, as tokens; a row's first number is how many of them count."""

    def __init__(self):
        self.rows = []

    def __call__(self, rows):
        self.rows += rows.tolist()
        values = torch.stack([rows.float(), 2 * rows.float()], dim=2)
        mask = torch.arange(rows.shape[1]) < rows[:, :1].clamp_min(1)
        return values, mask


def look(cache, rows, encode):
    tokens = cache.lookup(rows, digests(rows), encode, None)
    return tokens.values, tokens.mask


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.lists(st.tuples(*[st.integers(1, 3)] * 3), min_size=1, max_size=6),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 400),
)
def test_it_agrees_with_the_encoder(batches, capacity):
    cache, encode = FeatureCache(capacity), Counting()
    for batch in batches:
        rows = torch.tensor(batch)
        values, mask = look(cache, rows, encode)
        right, counts = Counting()(rows)
        assert torch.equal(mask, counts[:, : mask.shape[1]])
        assert not counts[:, mask.shape[1] :].any()
        assert torch.equal(values[mask], right[:, : mask.shape[1]][mask])
        assert cache.nbytes <= capacity
    assert cache.hits + cache.misses == sum(map(len, batches))
    if capacity == 400 and len({row for batch in batches for row in batch}) < 10:
        assert cache.misses == len(encode.rows) == len({tuple(row) for row in encode.rows})


def test_the_longest_unused_goes_first():
    cache, encode = FeatureCache(3 * (3 * 2 * 4 + 3)), Counting()
    rows = torch.tensor([[3, 0, k] for k in range(4)])
    look(cache, rows[:3], encode)
    look(cache, rows[:1], encode)  # used again
    look(cache, rows[3:], encode)
    assert len(cache) == 3
    encode.rows.clear()
    look(cache, rows[[0, 2, 3]], encode)
    assert encode.rows == []
    look(cache, rows[1:2], encode)
    assert encode.rows == [[3, 0, 1]]


@pytest.fixture(params=["image", "text"])
def frozen(request):
    if request.param == "image":
        encoder = build_image_encoder("small_resnet", (16, 16), width=8)
        given_ = torch.randint(0, 256, (2, 16, 16, 3), dtype=torch.uint8)[[0, 1, 0, 0]]
    else:
        encoder, given_ = build_text_encoder("small_bert", 20, 8, width=8, layers=1, heads=2), IDS
    encoder.freeze(0)
    return encoder, given_


def calls(encoder):
    seen = []
    encoder.stages()[0].register_forward_hook(lambda *_: seen.append(1))
    return seen


def test_encoded_once(frozen):
    encoder, given_ = frozen
    right = encoder(given_)
    encoder.enable_cache(1 << 20)
    seen = calls(encoder)
    for _ in range(3):
        got = encoder(given_)
        assert_close(got.values[got.mask], right.values[right.mask])
        assert torch.equal(got.mask, right.mask)
        assert got.grid == right.grid
    assert len(seen) == 1
    assert 0.5 < encoder.cache.hit_rate < 1


@pytest.mark.parametrize("how", ["load", "in place", "replaced"])
def test_other_weights_are_noticed(frozen, how):
    encoder, given_ = frozen
    encoder.enable_cache(1 << 20)
    before = encoder(given_).values
    weight = next(encoder.parameters())
    if how == "load":
        encoder.load_state_dict({k: 1.5 * v for k, v in encoder.state_dict().items()})
    elif how == "in place":
        with torch.no_grad():
            weight.mul_(2)
    else:
        weight.data = weight.data * 2
    after = encoder(given_)
    assert not torch.allclose(before, after.values)
    encoder.cache = None
    assert_close(encoder(given_).values[after.mask], after.values[after.mask])


def test_other_precision_is_noticed(frozen):
    encoder, given_ = frozen
    encoder.enable_cache(1 << 20)
    whole = encoder(given_).values
    with torch.autocast("cpu", torch.bfloat16):
        encoder(given_)
    assert_close(encoder(given_).values, whole, rtol=0, atol=0)


def test_what_is_trained_is_never_remembered(frozen):
    encoder, given_ = frozen
    encoder.enable_cache(1 << 20)
    encoder.freeze(1)
    encoder(given_).values.sum().backward()
    assert len(encoder.cache) == 0


def test_padding_makes_no_other_sentence():
    keys = sentence_keys(torch.tensor([[2, 256, 0], [2, 256, 1], [2, 0, 0]]))
    assert keys == sentence_keys(
        torch.tensor([[2, 256, 0, 0, 0], [2, 256, 1, 0, 0], [2] + 4 * [0]])
    )
    assert len(set(keys)) == 3
    encoder = build_text_encoder("small_bert", 300, 8, width=8, layers=1, heads=2)
    encoder.freeze(0)
    encoder.enable_cache(1 << 20)
    seen = calls(encoder)
    encoder(torch.tensor([[2, 256, 0, 0]]))
    encoder(torch.tensor([[2, 256], [2, 256]]))
    assert len(seen) == 1
    assert encoder(torch.tensor([[2, 256, 7, 0], [2, 256, 0, 0]])).mask.sum(1).tolist() == [3, 2]


def test_images_of_another_shape_have_other_keys():
    black = torch.zeros(1, 3, 4, 2, dtype=torch.uint8)
    assert digests(black) != digests(black.reshape(1, 3, 2, 4))


def test_the_table_grows_up_to_its_capacity():
    slot = 3 * 2 * 4 + 3
    cache, encode = FeatureCache(100 * slot), Counting()
    rows = torch.tensor([[3, k // 50, k % 50] for k in range(250)])
    for start in range(0, 250, 25):
        batch = rows[start : start + 25]
        values, _ = look(cache, batch, encode)
        assert torch.equal(values, Counting()(batch)[0])
        assert cache.nbytes <= 100 * slot
    assert len(cache) == 100
    encode.rows.clear()
    assert torch.equal(look(cache, rows[150:], encode)[0], Counting()(rows[150:])[0])
    assert encode.rows == []

"""Instructions become tokens, each distinct one encoded once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mmrl.errors import UserError
from mmrl.models.encoders import dedup as distinct
from mmrl.models.encoders.bert import small_bert
from mmrl.models.encoders.dedup import distinct_rows
from mmrl.models.encoders.text import TEXT_ENCODERS, build_text_encoder
from mmrl.models.tokens import TokensShape
from mmrl.preprocessing import hub as packaged
from mmrl.preprocessing.text import PretrainedTokenizer

PROPERTY = settings(deadline=None, derandomize=True, max_examples=50)
matrices = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 4), min_size=width, max_size=width), min_size=1, max_size=24
    )
)


@pytest.fixture
def encoder():
    return small_bert(20, width=8, layers=1, heads=2, length=8).eval()


def record_calls(encoder):
    """What the encoder's BERT is given from now on."""
    calls = []

    def note(module, args, kwargs):
        calls.append((kwargs["input_ids"].clone(), kwargs["attention_mask"].clone()))

    encoder.bert.register_forward_pre_hook(note, with_kwargs=True)
    return calls


def check_distinct(rows):
    ids = torch.tensor(rows)
    unique, where = distinct_rows(ids)
    assert torch.equal(unique[where], ids)
    assert sorted(map(tuple, unique.tolist())) == sorted({tuple(row) for row in rows})
    assert where.dtype == torch.int64


@PROPERTY
@given(matrices)
def test_distinct_rows_as_by_brute_force(rows):
    check_distinct(rows)


@PROPERTY
@given(matrices)
def test_distinct_rows_where_every_hash_collides(rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "_ODD", 0)
        check_distinct(rows)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_distinct_rows_keep_the_type(dtype):
    ids = torch.tensor([[1, 2], [3, 4], [1, 2]], dtype=dtype)
    assert distinct_rows(ids)[0].dtype == dtype


def test_sentences_of_one_grammar_have_different_hashes(monkeypatch):
    words = torch.arange(3, 23)
    first, second = torch.meshgrid(words, words, indexing="ij")
    ids = torch.full((400, 6), 2)
    ids[:, 2], ids[:, 3] = first.flatten(), second.flatten()
    slow = []
    unique = torch.unique

    def watch(*args, **kwargs):
        slow.append("dim" in kwargs)
        return unique(*args, **kwargs)

    monkeypatch.setattr(torch, "unique", watch)
    check_distinct(ids.tolist())
    assert slow == [False]


def test_each_distinct_instruction_is_encoded_once(encoder):
    calls = record_calls(encoder)
    one, two = [2, 5, 6, 0, 0, 0, 0, 0], [2, 7, 0, 0, 0, 0, 0, 0]
    tokens = encoder(torch.tensor([one, two, one, one, two], dtype=torch.int32))
    (ids, mask), *more = calls
    assert not more
    assert ids.shape == (2, 3)  # two sentences, as long as the longer one
    assert sorted(mask.sum(1).tolist()) == [2, 3]
    assert tokens.values.shape == (5, 3, 8)
    assert tokens.mask.tolist() == [[True, True, k != 1] for k in (0, 1, 0, 0, 1)]
    assert tokens.grid is None
    assert torch.equal(tokens.values[0], tokens.values[2])
    assert not torch.equal(tokens.values[0], tokens.values[1])


def test_padding_does_not_change_anything(encoder):
    short = torch.tensor([[2, 5, 6, 0, 0, 0, 0, 0]])
    beside_long = torch.cat([short, torch.tensor([[2, 4, 4, 4, 4, 4, 4, 4]])])
    alone, together = encoder(short), encoder(beside_long)
    assert alone.values.shape[1] == 3
    assert together.values.shape[1] == 8
    assert_close(alone.values[0], together.values[0, :3], rtol=1e-4, atol=1e-5)
    assert together.mask[0].tolist() == [True] * 3 + [False] * 5
    assert_close(alone.mean()[0], together.mean()[0], rtol=1e-4, atol=1e-5)


def test_order_of_the_words_counts(encoder):
    one, two = encoder(torch.tensor([[2, 5, 6]])), encoder(torch.tensor([[2, 6, 5]]))
    assert not torch.allclose(one.mean(), two.mean())


def test_nothing_but_padding_is_no_disaster(encoder):
    tokens = encoder(torch.zeros(2, 8, dtype=torch.int32))
    assert not tokens.mask.any()
    assert_close(tokens.mean(), torch.zeros(2, 8))


def test_gradient_counts_every_row(encoder):
    row = torch.tensor([[2, 5, 6]])
    weights = encoder.bert.embeddings.word_embeddings.weight

    def gradient(repeats):
        weights.grad = None
        encoder(row.expand(repeats, 3)).values.pow(3).sum().backward()
        return weights.grad.clone()

    assert_close(gradient(4), 4 * gradient(1), rtol=1e-4, atol=1e-5)


def test_no_dropout_of_our_own():
    encoder = small_bert(20, width=8, layers=1, heads=2).train()
    ids = torch.tensor([[2, 5, 6]])
    assert torch.equal(encoder(ids).values, encoder(ids).values)


def test_pretrained_model_by_path(minilm, offline):
    encoder = build_text_encoder(minilm, 0, 16).eval()
    tokenizer = PretrainedTokenizer(minilm, 16)
    sentences = ["go to the red bell", "walk over to the crimson bell", "open a bank account"]
    ids = torch.stack([torch.from_numpy(tokenizer.encode(s).copy()) for s in sentences])
    with torch.no_grad():
        tokens = encoder(ids)
    assert encoder.shape == TokensShape(384)
    near, far = torch.cosine_similarity(tokens.mean()[0], tokens.mean()[1:])
    assert near > far + 0.2  # it knows English


def test_model_saved_by_a_user(tmp_path, offline):
    ours = small_bert(20, width=8, layers=1, heads=2, length=8).eval()
    ours.bert.save_pretrained(tmp_path)
    theirs = build_text_encoder(str(tmp_path), 20, 8).eval()
    ids = torch.tensor([[2, 5, 6, 0]])
    assert theirs.shape.width == 8
    assert_close(theirs(ids).values, ours(ids).values)


def test_missing_model(offline):
    with pytest.raises(UserError, match=r"'nobody/nothing'.*small_bert"):
        build_text_encoder("nobody/nothing", 20, 8)


def test_folder_without_a_model(tmp_path, offline):
    with pytest.raises(UserError, match="text encoder"):
        build_text_encoder(str(tmp_path), 20, 8)


def test_arguments_of_ours_are_not_for_theirs(minilm, offline):
    with pytest.raises(UserError, match=r"text_args.*width"):
        build_text_encoder(minilm, 20, 8, width=16)


def test_gradients_add_up_in_a_fixed_order():
    """Training can be repeated to the last bit, however many threads share the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        torch.manual_seed(0)
        encoder = small_bert(20, width=32, layers=1, heads=2, length=8)
        ids = torch.randint(3, 5, (512, 8), dtype=torch.int32)
        weights = torch.randn(512, 8, 32)
        gradients = set()
        for _ in range(20):
            encoder.zero_grad()
            (encoder(ids).values * weights).sum().backward()
            gradients.add(encoder.bert.embeddings.word_embeddings.weight.grad.numpy().tobytes())
        assert len(gradients) == 1
    finally:
        torch.set_num_threads(threads)


WORDS = ["bag_of_words", "word_vectors", "word_gru", "word_cnn"]


@pytest.mark.parametrize("name", TEXT_ENCODERS)
def test_every_encoder_keeps_the_promises(name):
    args = {"layers": 1, "heads": 2} if name == "small_bert" else {}
    encoder = build_text_encoder(name, 20, 8, width=8, **args).eval()
    ids = torch.tensor([[2, 5, 6, 0, 0, 0], [2, 4, 4, 4, 4, 7], [2, 5, 6, 0, 0, 0], [0] * 6])
    tokens = encoder(ids)
    assert tokens.values.shape[0] == 4
    assert tokens.values.shape[2] == encoder.shape.width == 8
    assert torch.equal(tokens.values[0], tokens.values[2])
    assert not tokens.mask[3].any()
    assert tokens.mean()[3].abs().sum() == 0
    alone = encoder(ids[:1])
    assert_close(alone.mean(), tokens.mean()[:1], rtol=1e-4, atol=1e-5)
    tokens.mean().sum().backward()
    assert all(weight.grad is not None for weight in encoder.parameters())


@pytest.mark.parametrize("name", WORDS)
def test_order_counts_where_it_should(name):
    encoder = build_text_encoder(name, 20, 8, width=8)
    one, two = encoder(torch.tensor([[2, 5, 6]])), encoder(torch.tensor([[2, 6, 5]]))
    orderless = name in ("bag_of_words", "word_vectors")
    assert torch.allclose(one.mean(), two.mean()) == orderless


def test_bag_of_words_counts():
    encoder = build_text_encoder("bag_of_words", 20, 8, width=8)
    once, twice = encoder(torch.tensor([[5, 6, 0]])), encoder(torch.tensor([[5, 6, 6]]))
    assert_close(twice.values - once.values, encoder.weight.weight[6].view(1, 1, 8))


def test_word_gru_is_torchs():
    encoder = build_text_encoder("word_gru", 20, 8, width=8)
    ids = torch.tensor([[2, 5, 6, 7], [2, 3, 0, 0]])
    tokens = encoder(ids)
    for row, length in ((0, 4), (1, 2)):
        states, _ = encoder.gru(encoder.vectors(ids[row : row + 1, :length]))
        assert_close(tokens.values[row, :length], states[0])


def test_word_cnn_sees_as_far_as_its_layers_reach():
    encoder = build_text_encoder("word_cnn", 20, 12, width=8, layers=2, reach=1)
    one = encoder(torch.tensor([[2, 5, 6, 7, 8, 9, 10]])).values[0]
    two = encoder(torch.tensor([[2, 5, 6, 7, 8, 9, 11]])).values[0]
    assert [torch.equal(*pair) for pair in zip(one, two, strict=True)] == [True] * 4 + [False] * 3


def test_minilm_by_name_is_the_packaged_model(minilm, offline):
    by_name, by_path = (build_text_encoder(name, 0, 16).eval() for name in ("minilm", minilm))
    ids = torch.tensor([PretrainedTokenizer("minilm", 16).encode("go to the red bell").tolist()])
    assert_close(by_name(ids).values, by_path(ids).values)
    assert by_name.shape.width == 384


def test_a_packaged_model_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(packaged.PACKAGED, "minilm", ("no_such_package", "model", "minilm"))
    with pytest.raises(UserError, match=r"pip install 'multimodal-rl\[minilm\]'"):
        build_text_encoder("minilm", 0, 16)

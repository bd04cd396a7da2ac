"""The text decoder: its probabilities are those of a language, however they are asked for."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.generative.text.decoder import SentenceTrie, TextDecoder, sines
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.text import PADDING, START, WordTokenizer

WORDS = 3  # besides padding, unknown and start


def decoder(grid: tuple[int, int] | None = (2, 2), length: int = 4, seed: int = 0) -> TextDecoder:
    torch.manual_seed(seed)
    made = TextDecoder(TokensShape(8, grid), 3 + WORDS, width=16, layers=1, heads=2, length=length)
    with torch.no_grad():  # far from uniform
        made.gpt.lm_head.weight.mul_(20)
    return made


def some_tokens(rows: int, grid: tuple[int, int] | None = (2, 2), seed: int = 1) -> Tokens:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(rows, 4, 8, generator=generator)
    return Tokens(values, torch.ones(rows, 4, dtype=torch.bool), grid)


def every_text(length: int) -> torch.Tensor:
    """All texts of at most ``length`` words, as a tokenizer encodes them, padded."""
    texts = [
        [START, *(3 + word for word in words)]
        for count in range(length + 1)
        for words in itertools.product(range(WORDS), repeat=count)
    ]
    return torch.tensor([text + [PADDING] * (length + 2 - len(text)) for text in texts])


def test_the_probabilities_of_all_texts_sum_to_less_than_one_and_nearly_so_with_the_longer_ones():
    made, ids = decoder(length=8), every_text(4)
    tokens = Tokens(
        some_tokens(1).values.expand(len(ids), -1, -1),
        torch.ones(len(ids), 4, dtype=torch.bool),
        (2, 2),
    )
    with torch.no_grad():
        total = made.eval().log_prob(tokens, ids).exp().sum()
        stopped = made.log_prob(some_tokens(1), torch.tensor([[START, 0, 0]])).exp()
    assert 0 < float(stopped) < float(total) < 1 + 1e-5


def test_greedy_takes_the_most_probable_word_each_time():
    made = decoder().eval()
    tokens = some_tokens(5)
    ids = made.generate(tokens).ids
    given = torch.full((5, 1), START)
    for k in range(ids.shape[1]):
        logits, _ = made._teacher_forced(tokens, torch.cat([given, torch.zeros(5, 1).long()], 1))
        step = logits[:, k].clone()
        step[:, [1, 2]] = -torch.inf
        over = (given[:, 1:] == PADDING).any(1)
        assert torch.equal(ids[:, k], torch.where(over, PADDING, step.argmax(1)))
        given = torch.cat([given, ids[:, k : k + 1]], 1)
        if over.any():
            break


def test_a_wide_enough_beam_finds_the_most_probable_text():
    made, rows = decoder(length=4, seed=4).eval(), 6
    tokens = some_tokens(rows)
    texts = every_text(2)  # longer ones have no end: there is no room for it
    found = made.generate(tokens, how="beam", beams=40)
    for row in range(rows):
        alone = Tokens(
            tokens.values[row : row + 1].expand(len(texts), -1, -1),
            torch.ones(len(texts), 4, dtype=torch.bool),
            (2, 2),
        )
        with torch.no_grad():
            logs = made.log_prob(alone, texts)
        best = texts[int(logs.argmax()), 1:3]
        generated = torch.nn.functional.pad(found.ids[row], (0, 3 - found.ids.shape[1]))
        if not generated[2]:
            assert torch.equal(generated[:2], best)
        assert float(found.log_prob[row]) >= float(logs.max()) - 1e-5


def test_what_is_drawn_is_drawn_by_its_probability():
    made = decoder(length=3, seed=2).eval()
    one = some_tokens(1)
    many = Tokens(one.values.expand(4000, -1, -1), one.mask.expand(4000, -1), (2, 2))
    torch.manual_seed(0)
    drawn = made.generate(many, how="sample")
    texts = every_text(1)
    alone = Tokens(one.values.expand(len(texts), -1, -1), one.mask.expand(len(texts), -1), (2, 2))
    with torch.no_grad():
        expected = made.log_prob(alone, texts).exp()
    for text, chance in zip(texts.tolist(), expected.tolist(), strict=True):
        word = text[1]
        same = drawn.ids[:, 0] == word
        if word != PADDING and drawn.ids.shape[1] > 1:
            same &= drawn.ids[:, 1] == PADDING
        assert float(same.float().mean()) == pytest.approx(chance, abs=0.035)


def test_the_log_probability_is_that_of_the_generated_text():
    made = decoder(length=6).eval()
    tokens = some_tokens(5)
    generated = made.generate(tokens)
    ids = torch.cat([torch.full((5, 1), START), generated.ids, torch.zeros(5, 1).long()], 1)
    with torch.no_grad():
        logits, target = made._teacher_forced(tokens, ids)
    logits[..., [1, 2]] = -torch.inf
    logs = logits.log_softmax(2).gather(2, target.clamp_min(0)[..., None])[..., 0]
    kept = torch.where(target >= 0, logs, 0)[:, : generated.ids.shape[1]]
    assert torch.allclose(kept.sum(1), generated.log_prob, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.sets(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=6), st.integers(0, 9))
def test_constrained_decoding_stays_in_the_language(texts: set[str], seed: int):
    sentences = {" ".join(text) for text in texts}
    tokenizer = WordTokenizer("abc", 8)
    made = decoder(length=8, seed=seed).eval()
    allowed = SentenceTrie(sentences, tokenizer)
    for how in ("greedy", "beam", "sample"):
        generated = made.generate(some_tokens(3), how=how, beams=3, allowed=allowed)
        assert {tokenizer.decode(ids) for ids in generated.ids.tolist()} <= sentences
        assert (generated.log_prob <= 1e-5).all()
        if len(sentences) == 1:
            assert torch.allclose(generated.log_prob, torch.zeros(3), atol=1e-5)


@pytest.mark.parametrize("grid", [(2, 2), None])
def test_masked_tokens_have_no_influence(grid: tuple[int, int] | None):
    made, ids = decoder(grid).eval(), torch.tensor([[START, 3, 4, 0]])
    values = some_tokens(1).values
    mask = torch.tensor([[True, True, False, True]])
    other = values.clone()
    other[0, 2] = 99.0
    with torch.no_grad():
        one, two = (made.log_prob(Tokens(v, mask, grid), ids) for v in (values, other))
        three = made.log_prob(Tokens(values, torch.ones_like(mask), grid), ids)
    assert torch.equal(one, two)
    assert not torch.equal(one, three)


def test_positions_on_a_grid_and_in_a_sequence_matter():
    for grid in ((2, 2), None):
        made, tokens = decoder(grid).eval(), some_tokens(1, grid)
        turned = Tokens(tokens.values.flip(1), tokens.mask, grid)
        ids = torch.tensor([[START, 3, 4, 0]])
        with torch.no_grad():
            assert not torch.allclose(made.log_prob(tokens, ids), made.log_prob(turned, ids))


def test_the_loss_is_the_mean_over_words_and_ends():
    made = decoder(length=5).eval()
    ids = torch.tensor([[START, 3, 4, 5, 0], [START, 3, 0, 0, 0]])
    with torch.no_grad():
        loss = made.loss(some_tokens(2), ids)
        logs = made.log_prob(some_tokens(2), ids)
    assert float(loss) == pytest.approx(-float(logs.sum()) / 6, rel=1e-5)


def test_what_cannot_be_asked_for():
    made = decoder()
    with pytest.raises(ValueError, match="how='loud'"):
        made.generate(some_tokens(1), how="loud")
    with pytest.raises(ValueError, match="temperature=0"):
        made.generate(some_tokens(1), how="sample", temperature=0)


def test_sines_are_those_of_the_paper():
    positions = sines(50, 8)
    assert positions.shape == (50, 8)
    assert torch.allclose(positions[7, 0], torch.sin(torch.tensor(7.0)))
    assert torch.allclose(positions[7, 1], torch.cos(torch.tensor(7.0)))
    assert torch.allclose(positions[7, 4], torch.sin(torch.tensor(7.0 / 10_000 ** (4 / 8))))

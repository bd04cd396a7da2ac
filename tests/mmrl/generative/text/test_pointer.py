"""The pointer head reads named words off the aside channels: no pair of shape and colour is new."""

from __future__ import annotations

import itertools

import pytest
import torch

from mmrl.generative.text.decoder import TextDecoder
from mmrl.generative.text.pointer import PointerHead
from mmrl.models.encoders.image import build_image_encoder
from mmrl.models.encoders.image_base import FramesEncoder
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.text import PADDING, START, WordTokenizer

COLORS = ["red", "green", "blue", "white"]
SHAPES = ["bell", "bowl", "kite", "drum"]
HELD_OUT = [(0, 2), (1, 1), (2, 0), (3, 3)]
PLACES = 4


def head() -> PointerHead:
    torch.manual_seed(0)
    return PointerHead(width=8, aside=3, named=[1, 4])


def inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = {"states": (2, 3, 8), "logits": (2, 3, 5), "memory": (2, 4, 8), "aside": (2, 4, 3)}
    drawn = {name: torch.randn(size, generator=generator) for name, size in sizes.items()}
    return {**drawn, "mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])}


def test_probabilities_sum_to_one():
    logs = head()(**inputs())
    assert logs.dtype == torch.float32
    assert torch.allclose(logs.logsumexp(2), torch.zeros(2, 3), atol=1e-5)


def test_masked_tokens_are_not_pointed_at():
    given, made = inputs(), head()
    other = {**given, "aside": given["aside"].clone(), "memory": given["memory"].clone()}
    other["aside"][1, 2:] = other["memory"][1, 2:] = 7.0
    assert torch.allclose(made(**given), made(**other))
    other["aside"][0, 2:] = -7.0
    assert not torch.allclose(made(**given)[0], made(**other)[0])


def test_which_name_it_is_comes_from_what_is_held_aside_alone():
    made, given = head(), inputs()
    given["aside"] = given["aside"][:, :1].expand(-1, 4, -1)  # wherever it points

    def names(changed: dict[str, torch.Tensor]) -> torch.Tensor:
        return made(**changed)[..., [1, 4]].log_softmax(2)

    for name in ("states", "logits", "memory"):
        changed = {**given, name: torch.randn_like(given[name])}
        assert torch.allclose(names(given), names(changed), atol=1e-5)
    assert not torch.allclose(names(given), names({**given, "aside": -given["aside"]}))


def test_all_other_words_are_the_language_models():
    given = inputs()
    logs, expected = head()(**given), given["logits"].log_softmax(2)
    assert torch.allclose(logs[..., [0, 2, 3]], expected[..., [0, 2, 3]])
    assert torch.allclose(logs[..., [1, 4]].logsumexp(2), expected[..., [1, 4]].logsumexp(2))


def test_what_follows_a_name_does_not_depend_on_which_it_was():
    one, other = torch.tensor([[0, 1, 2, 4]]), torch.tensor([[0, 4, 2, 1]])
    assert head().merged(one).equal(head().merged(other))
    assert head().merged(one)[0, [0, 2]].tolist() == [0, 2]


def scene(color: int, shape: int, place: int, drawn: list[list[int]]) -> list[list[float]]:
    """A thing among others that are fainter, each a shape, then a colour: [PLACES, 9]."""
    values = [[0.0] * 9 for _ in range(PLACES)]
    for k, (other_shape, other_color) in enumerate(drawn):
        if k != place and (other_color, other_shape) not in HELD_OUT:
            values[k][other_shape] = values[k][5 + other_color] = 1.0
    values[place][shape] = values[place][4] = values[place][5 + color] = 1.0  # 4 marks it
    return values


def examples(
    pairs: list[tuple[int, int]], tokenizer: WordTokenizer, seed: int
) -> tuple[Tokens, torch.Tensor]:
    """Scenes of pairs of colour and shape at every place, and their captions."""
    generator = torch.Generator().manual_seed(seed)
    all_of_them = list(itertools.product(pairs, range(PLACES), range(2)))
    drawn = torch.randint(4, (len(all_of_them), PLACES, 2), generator=generator).tolist()
    values = torch.tensor(
        [
            scene(*one, place, others)
            for (one, place, _), others in zip(all_of_them, drawn, strict=True)
        ]
    )
    captions = [f"the {COLORS[pair[0]]} {SHAPES[pair[1]]}" for pair, _, _ in all_of_them]
    ids = torch.tensor([tokenizer.encode(one).tolist() for one in captions])
    mask = torch.ones(len(values), PLACES, dtype=torch.bool)
    return Tokens(values, mask, (2, 2)), ids


def test_pairs_that_were_never_learnt_are_put_into_words():
    tokenizer = WordTokenizer.from_corpus([f"the {c} {s}" for c in COLORS for s in SHAPES], 5)
    torch.manual_seed(0)
    shape = TokensShape(9, (2, 2), aside=4)
    made = TextDecoder(shape, tokenizer.size, width=32, layers=1, heads=2, length=5,
                       word_dropout=0.1, named=tokenizer.ids(" ".join(COLORS)))  # fmt: skip
    pairs = list(itertools.product(range(4), range(4)))
    learnt = [pair for pair in pairs if pair not in HELD_OUT]
    optimizer = torch.optim.AdamW(made.parameters(), lr=5e-3, fused=True)
    for step in range(100):
        optimizer.zero_grad()
        made.loss(*examples(learnt, tokenizer, step)).backward()
        optimizer.step()
    tokens, ids = examples(HELD_OUT, tokenizer, 1_000)
    with torch.no_grad():
        assert made.eval().log_prob(tokens, ids).exp().min() > 0.5
    greedy = made.generate(tokens)
    beams = made.generate(tokens, how="beam", beams=3)
    for one in (greedy, beams):
        assert [tokenizer.decode(row) for row in one.ids.tolist()] == [
            tokenizer.decode(row[1:]) for row in ids.tolist()
        ]
        started = torch.nn.functional.pad(one.ids, (1, 0), value=START)
        started = torch.nn.functional.pad(started, (0, 1), value=PADDING)
        with torch.no_grad():
            assert torch.allclose(made.log_prob(tokens, started), one.log_prob, atol=0.02)


def test_there_must_be_something_aside_to_name():
    with pytest.raises(ValueError, match="channels held aside"):
        TextDecoder(TokensShape(9, (2, 2)), 12, width=32, layers=1, heads=2, named=[4])
    TextDecoder(TokensShape(9, (2, 2), aside=4), 12, width=32, layers=1, heads=2)


@pytest.mark.parametrize(("name", "aside"), [("luma_chroma", 4), ("small_resnet", 0)])
def test_encoders_say_what_they_hold_aside(name: str, aside: int):
    arguments = {"hues": 4} if aside else {}
    encoder = build_image_encoder(name, (16, 16), width=8, **arguments)
    frames = FramesEncoder(encoder, 2)
    assert encoder.shape == TokensShape(8 + aside, (2, 2), aside)
    assert frames.shape == TokensShape(8 + aside, (4, 2), aside)

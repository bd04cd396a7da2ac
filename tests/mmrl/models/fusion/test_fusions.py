"""Every fusion keeps the same promises."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from mmrl.errors import UserError
from mmrl.models.fusion import FUSIONS, Fusion, build_fusion
from mmrl.models.fusion.film import FilmBlock, modulated
from mmrl.models.tokens import Tokens, TokensShape

ROWS, FEATURES = 3, 7
SHAPES = {"image": TokensShape(5, (2, 4)), "instruction": TokensShape(6)}


class Mine(Fusion):
    """A user's own fusion."""

    def __init__(self, shapes, features):
        super().__init__(shapes, features)
        self.layer = nn.Linear(sum(shape.width for shape in shapes.values()), features)

    def forward(self, tokens):
        return self.layer(torch.cat([one.mean() for one in tokens.values()], dim=1))


def batch(requires_grad=False):
    tokens = {}
    for name, shape in SHAPES.items():
        length = 8 if shape.grid else 5
        values = torch.randn(ROWS, length, shape.width, requires_grad=requires_grad)
        mask = torch.ones(ROWS, length, dtype=torch.bool)
        mask[:, -2:] = False
        tokens[name] = Tokens(values, mask, shape.grid)
    return tokens


def tokens_of(shapes):
    """Random tokens of other shapes, none of them padded."""
    tokens = {}
    for name, shape in shapes.items():
        length = 5 if shape.grid is None else shape.grid[0] * shape.grid[1]
        values = torch.randn(ROWS, length, shape.width)
        tokens[name] = Tokens(values, torch.ones(ROWS, length, dtype=torch.bool), shape.grid)
    return tokens


@pytest.fixture(params=sorted(set(FUSIONS) - {"plain_concat"}))
def fusion(request):
    return build_fusion(request.param, SHAPES, FEATURES)


def test_shape(fusion):
    features = fusion(batch())
    assert features.shape == (ROWS, FEATURES)
    assert fusion.features == FEATURES
    assert features.dtype == torch.float32


def test_gradient_reaches_both_modalities_and_every_weight(fusion):
    tokens = batch(requires_grad=True)
    fusion(tokens).sum().backward()
    for name, one in tokens.items():
        assert one.values.grad.abs().sum() > 0, name
        assert (one.values.grad[~one.mask] == 0).all(), name
    for name, weight in fusion.named_parameters():
        assert weight.grad is not None, name


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("rubbish", [1e6, float("nan")])
def test_masks_do_not_leak(fusion, name, rubbish):
    tokens = batch()
    one = tokens[name]
    spoilt = torch.where(one.mask.unsqueeze(-1), one.values, rubbish)
    assert_close(fusion(tokens), fusion({**tokens, name: one.replace(values=spoilt)}))


@pytest.mark.parametrize("name", SHAPES)
def test_both_modalities_matter(fusion, name):
    tokens = batch()
    other = tokens[name].replace(values=torch.randn_like(tokens[name].values))
    assert not torch.allclose(fusion(tokens), fusion({**tokens, name: other}))


def test_sentences_of_any_length(fusion):
    tokens = batch()
    text = tokens["instruction"]
    cut = Tokens(text.values[:, :-2], text.mask[:, :-2])
    assert_close(fusion(tokens), fusion({**tokens, "instruction": cut}))


def test_one_modality_is_refused(fusion):
    with pytest.raises(ValueError, match="two modalities or more, got image"):
        type(fusion)({"image": SHAPES["image"]}, FEATURES)


def test_three_modalities(fusion):
    shapes = {**SHAPES, "speech": TokensShape(4)}
    speech = Tokens(torch.randn(ROWS, 9, 4), torch.ones(ROWS, 9, dtype=torch.bool))
    wider = type(fusion)(shapes, FEATURES)
    assert wider({**batch(), "speech": speech}).shape == (ROWS, FEATURES)


@pytest.mark.parametrize("missing", SHAPES)
def test_a_modality_may_be_missing(fusion, missing):
    tokens = batch(requires_grad=True)
    (there,) = set(SHAPES) - {missing}
    features = fusion({there: tokens[there]})
    assert features.shape == (ROWS, FEATURES)
    assert features.isfinite().all()
    features.sum().backward()
    assert tokens[there].values.grad.abs().sum() > 0
    other = tokens[there].replace(values=torch.randn_like(tokens[there].values))
    assert not torch.allclose(features, fusion({there: other}))


@pytest.mark.parametrize("name", SHAPES)
def test_rows_without_a_single_token(fusion, name):
    """Such as an empty instruction: nothing is read, and nothing breaks."""
    tokens = batch()
    mask = tokens[name].mask.clone()
    mask[1] = False
    features = fusion({**tokens, name: tokens[name].replace(mask=mask)})
    assert features.isfinite().all()
    assert_close(features[[0, 2]], fusion(tokens)[[0, 2]])


def test_at_least_one_modality_has_to_be_there(fusion):
    with pytest.raises(ValueError, match="got nothing"):
        fusion({})
    with pytest.raises(ValueError, match="image, instruction got smell"):
        fusion({"smell": batch()["image"]})


def test_save_and_load(fusion, tmp_path):
    tokens = batch()
    torch.save(fusion.state_dict(), tmp_path / "fusion.pt")
    other = type(fusion)(SHAPES, FEATURES)
    other.load_state_dict(torch.load(tmp_path / "fusion.pt", weights_only=True))
    assert torch.equal(other(tokens), fusion(tokens))


def test_bf16(fusion):
    tokens = batch()
    with torch.autocast("cpu", torch.bfloat16):
        features = fusion(tokens)
    assert_close(features.float(), fusion(tokens), rtol=0.1, atol=0.05)


def test_gates_share_each_feature():
    fusion = build_fusion("gated", SHAPES, FEATURES)
    gates = fusion.gates(batch())
    assert gates.shape == (2, ROWS, FEATURES)
    assert_close(gates.sum(0), torch.ones(ROWS, FEATURES))
    alone = fusion.gates({"image": batch()["image"]})
    assert_close(alone[0], torch.ones(ROWS, FEATURES))


def test_gated_follows_its_formula():
    fusion = build_fusion("gated", SHAPES, FEATURES)
    tokens = batch()
    vectors, _ = fusion.readouts(tokens)
    image, text = (layer(one).tanh() for layer, one in zip(fusion.transforms, vectors, strict=True))
    first, second = fusion.gates(tokens)
    assert_close(fusion(tokens), first * image + second * text)


def test_bilinear_follows_its_formula():
    fusion = build_fusion("bilinear", SHAPES, FEATURES)
    tokens = batch()
    (image, text), _ = fusion.readouts(tokens)
    first, second = fusion.factors
    assert_close(fusion(tokens), fusion.mix(first(image).tanh() * second(text).tanh()).relu())


def test_attention_weights_are_for_images():
    fusion = build_fusion("cross_attention", SHAPES, FEATURES)
    tokens = batch()
    weights = fusion.attention(tokens)
    for name, one in tokens.items():
        assert weights[name].shape == one.mask.shape
        assert (weights[name][~one.mask] == 0).all()
        assert (weights[name].sum(1) <= 1 + 1e-6).all()
        assert (weights[name][one.mask] > 0).all()
    text = tokens["instruction"].replace(values=torch.randn(ROWS, 5, 6) * 20)
    queried = fusion.attention({**tokens, "instruction": text})
    assert not torch.allclose(queried["image"], weights["image"])  # the words direct the attention


def test_own_class_by_dotted_path():
    fusion = build_fusion(f"{__name__}.Mine", SHAPES, FEATURES)
    assert type(fusion) is Mine
    assert fusion(batch()).shape == (ROWS, FEATURES)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("flim", "did you mean 'film'"),
        ("zzz", "there are: bilinear, concat, cross_attention"),
        ("no_such_package.fusion.Mine", "cannot be imported"),
        ("mmrl.models.fusion.NoSuchClass", "cannot be imported"),
        ("mmrl.models.fusion.build_fusion", "is no torch.nn.Module"),
        ("subprocess.Popen", "is no torch.nn.Module"),
    ],
)
def test_unknown_names(name, words):
    with pytest.raises(UserError, match=words):
        build_fusion(name, SHAPES, FEATURES)


def test_weights_of_the_sum_are_shares():
    fusion = build_fusion("weighted_sum", SHAPES, FEATURES)
    assert fusion.weights == pytest.approx({"image": 0.5, "instruction": 0.5})
    with torch.no_grad():
        fusion.logits.copy_(torch.tensor([1.0, -2.0]))
    assert sum(fusion.weights.values()) == pytest.approx(1)
    assert fusion.weights["image"] > 0.9
    with torch.no_grad():
        fusion.logits.copy_(torch.tensor([-200.0, 200.0]))
    tokens = batch()
    blind = {**tokens, "image": tokens["image"].replace(values=torch.zeros(ROWS, 8, 5))}
    assert_close(fusion(tokens), fusion(blind))


GRID, PLACE, SEQUENCE = TokensShape(5, (2, 4)), TokensShape(3, (1, 1)), TokensShape(6)


@pytest.mark.parametrize(
    ("shapes", "name"),
    [
        ({"instruction": SEQUENCE, "image": GRID}, "image"),
        ({"front": GRID, "image": GRID, "state": PLACE}, "image"),
        ({"state": PLACE, "top": GRID, "wrist": GRID}, "top"),
        ({"instruction": SEQUENCE, "state": PLACE, "velocity": PLACE}, "state"),
        ({"image": SEQUENCE, "state": PLACE}, "state"),
        ({"instruction": SEQUENCE, "image": SEQUENCE}, "image"),
        ({"instruction": SEQUENCE, "speech": SEQUENCE}, "instruction"),
    ],
)
def test_film_modulates_the_first_image_else_a_vector(shapes, name):
    assert modulated(shapes) == name
    fusion = FUSIONS["film"](shapes, FEATURES)
    tokens = tokens_of(shapes)
    features = fusion(tokens)
    assert features.shape == (ROWS, FEATURES)
    for key, one in tokens.items():
        other = one.replace(values=torch.randn_like(one.values))
        assert not torch.allclose(fusion({**tokens, key: other}), features), key
        without = {other: tokens[other] for other in tokens if other != key}
        assert fusion(without).isfinite().all()


def test_a_grid_that_is_missing_counts_as_0_in_films_condition():
    shapes = {"image": GRID, "wrist": GRID, "instruction": SEQUENCE}
    fusion = FUSIONS["film"](shapes, FEATURES)
    tokens = tokens_of({key: shapes[key] for key in ("image", "instruction")})
    before = fusion(tokens)
    with torch.no_grad():
        fusion.summaries["wrist"].project.bias.add_(1)
    assert torch.equal(fusion(tokens), before)


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_film_block_follows_its_formula(kernel_size):
    block = FilmBlock(4, 3, kernel_size)
    maps, condition = torch.randn(2, 4, 3, 3), torch.randn(2, 3)
    scale, shift = block.modulate(condition).chunk(2, dim=1)
    inner = block.norm(block.conv(maps)) * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
    made = block(maps.movedim(1, 3), condition).movedim(3, 1)
    assert_close(made, maps + inner.relu())


def test_a_kernel_of_one_looks_at_each_place_alone():
    block, maps, condition = FilmBlock(4, 3, 1), torch.randn(1, 2, 3, 4), torch.randn(1, 3)
    block.norm = nn.Identity()
    alone = [block(maps[:, i : i + 1, j : j + 1], condition) for i in range(2) for j in range(3)]
    assert_close(block(maps, condition).flatten(1, 2), torch.cat(alone, 1).flatten(1, 2))


def test_arguments_of_a_fusion():
    fusion = build_fusion("film", SHAPES, FEATURES, {"blocks": 3, "kernel_size": 3})
    assert [block.conv.kernel_size for block in fusion.film] == [(3, 3)] * 3
    fusion = build_fusion("cross_attention", SHAPES, 8, {"heads": 8})
    assert {reader.attention.num_heads for reader in fusion.readers.values()} == {8}


@pytest.mark.parametrize(
    ("name", "args", "what"),
    [
        ("film", {"kernel_size": 2}, "kernel_size=2 odd"),
        ("film", {"blocks": 0}, "blocks=0 must be at least 1"),
        ("film", {"kernel_size": "a"}, "kernel_size"),
        ("cross_attention", {"heads": 3}, "heads=3 must divide features=7"),
        ("concat", {"kernel_size": 1}, "kernel_size"),
    ],
)
def test_arguments_that_do_not_fit(name, args, what):
    with pytest.raises(UserError, match=r"^model\.fusion_args .* do not fit"):
        build_fusion(name, SHAPES, FEATURES, args)
    with pytest.raises(UserError, match=what if what != "kernel_size" else name):
        build_fusion(name, SHAPES, FEATURES, args)

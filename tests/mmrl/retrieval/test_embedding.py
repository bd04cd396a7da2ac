"""What belongs together comes to lie together."""

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.inputs import ModelInputs
from mmrl.models.tokens import Tokens
from mmrl.preprocessing.text import WordTokenizer
from mmrl.retrieval import SharedEmbedding, contrastive_loss

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255,) * 3}


@pytest.fixture
def shared():
    tokenizer = WordTokenizer(COLOURS, 4)
    config = ModelConfig(image_args={"width": 8}, text="bag_of_words", text_args={"width": 8})
    model = build_model(config, ModelInputs.standard((16, 16), tokenizer.size))
    model.tokenizer = tokenizer
    return SharedEmbedding(model, 8)


def images():
    colours = torch.tensor(list(COLOURS.values()), dtype=torch.uint8)
    return colours[:, None, None].expand(-1, 16, 16, 3)


def test_loss_is_info_nce():
    a, b = normalize(torch.randn(5, 3), dim=1), normalize(torch.randn(5, 3), dim=1)
    target = torch.arange(5)
    there, back = cross_entropy(10 * a @ b.T, target), cross_entropy(10 * b @ a.T, target)
    assert torch.allclose(contrastive_loss(a, b, 10.0), (there + back) / 2)
    assert contrastive_loss(a, a, 100.0) < contrastive_loss(a, b, 100.0)
    assert contrastive_loss(a, a, 100.0, label_smoothing=0.1) > contrastive_loss(a, a, 100.0)


def test_embeddings_are_unit_vectors(shared):
    embedded = shared(list(COLOURS), images())
    assert set(embedded) == {"image", "instruction"}
    for vectors in embedded.values():
        assert vectors.shape == (4, 8)
        assert torch.allclose(vectors.norm(dim=1), torch.ones(4))


def test_it_learns_which_image_a_word_means(shared):
    optimizer = torch.optim.Adam(shared.parameters(), 0.01)
    for _ in range(60):
        embedded = shared(list(COLOURS), images())
        loss = shared.loss(embedded["image"], embedded["instruction"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    embedded = shared(list(COLOURS), images())
    nearest = (embedded["instruction"] @ embedded["image"].T).argmax(1)
    assert nearest.tolist() == [0, 1, 2, 3]


def test_what_is_neutral_is_not_held_against_it():
    a, b = normalize(torch.randn(4, 3), dim=1), normalize(torch.randn(4, 3), dim=1)
    none = torch.zeros(4, 4, dtype=torch.bool)
    for smoothing in (0.0, 0.2):
        plain = contrastive_loss(a, b, 10.0, label_smoothing=smoothing)
        same = contrastive_loss(a, b, 10.0, label_smoothing=smoothing, neutral=none)
        assert torch.allclose(plain, same)
        diagonal = contrastive_loss(
            a, b, 10.0, label_smoothing=smoothing, neutral=none.fill_diagonal_(True)
        )
        assert torch.allclose(plain, diagonal)
    neutral = torch.zeros(4, 4, dtype=torch.bool)
    neutral[0, 1] = True
    a.requires_grad_()
    similar = 10 * a @ b.T
    similar.retain_grad()
    kept = torch.where(neutral, -1e9, similar)
    target = torch.arange(4)
    expected = (cross_entropy(kept, target) + cross_entropy(kept.T, target)) / 2
    assert torch.allclose(contrastive_loss(a, b, 10.0, neutral=neutral), expected)


def test_a_place_on_the_grid_counts(shared):
    """The same patches elsewhere are another image, to the head and not only to convolutions."""
    head = shared.heads["image"]
    values, mask = torch.randn(1, 4, 8), torch.ones(1, 4, dtype=torch.bool)
    moved = values[:, [1, 0, 2, 3]]
    one, two = (head(Tokens(each, mask, (2, 2))) for each in (values, moved))
    assert not torch.allclose(one, two)
    words = shared.heads["instruction"]
    assert words.scales is None
    assert head.place is None
    assert torch.allclose(*(words(Tokens(each, mask)) for each in (values, moved)), atol=1e-6)


def test_words_are_bound_to_the_places_that_they_tell(shared):
    """One token that has a thing and a place is not two that have one each: those say nothing."""
    head = shared.heads["instruction"]
    with torch.no_grad():
        for layer, reads in ((head.read, 0), (head.place, 1)):
            layer.bias.zero_()
            layer.weight.zero_()[:, reads] = 1.0
    thing, place, nothing = *torch.eye(8)[:2], torch.zeros(8)
    mask = torch.ones(1, 2, dtype=torch.bool)
    both, apart, silent = (
        head(Tokens(torch.stack(pair)[None], mask))
        for pair in ((thing + place, nothing), (thing, place), (nothing, nothing))
    )
    assert torch.allclose(apart, silent)
    assert not torch.allclose(both, silent, atol=1e-3)


def test_numpy_in_and_out(shared):
    embedded = shared(list(COLOURS), images())
    ours = shared.of_images(images().numpy())
    assert torch.allclose(torch.from_numpy(ours), embedded["image"])
    said = shared.of_sentences(list(COLOURS))
    assert torch.allclose(torch.from_numpy(said), embedded["instruction"])


def test_half_precision_is_near(shared):
    exact = shared(list(COLOURS), images())
    shared.model.precision = "bf16"
    near = shared(list(COLOURS), images())
    for name in exact:
        assert near[name].dtype == torch.float32
        assert torch.allclose(near[name], exact[name], atol=0.05)

"""What belongs together comes to lie together."""

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from mmrl.building import ModelConfig, build_model
from mmrl.preprocessing.text import WordTokenizer
from mmrl.retrieval import SharedEmbedding, contrastive_loss

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255,) * 3}


@pytest.fixture
def shared():
    tokenizer = WordTokenizer(COLOURS, 4)
    config = ModelConfig(image_args={"width": 8}, text="bag_of_words", text_args={"width": 8})
    model = build_model(config, (16, 16), tokenizer.size)
    model.tokenizer = tokenizer
    return SharedEmbedding(model, 8)


def pictures():
    colours = torch.tensor(list(COLOURS.values()), dtype=torch.uint8)
    return colours[:, :, None, None].expand(-1, 3, 16, 16)


def test_loss_is_info_nce():
    a, b = normalize(torch.randn(5, 3), dim=1), normalize(torch.randn(5, 3), dim=1)
    target = torch.arange(5)
    there, back = cross_entropy(10 * a @ b.T, target), cross_entropy(10 * b @ a.T, target)
    assert torch.allclose(contrastive_loss(a, b, 10.0), (there + back) / 2)
    assert contrastive_loss(a, a, 100.0) < contrastive_loss(a, b, 100.0)
    assert contrastive_loss(a, a, 100.0, label_smoothing=0.1) > contrastive_loss(a, a, 100.0)


def test_embeddings_are_unit_vectors(shared):
    embedded = shared(list(COLOURS), pictures())
    assert set(embedded) == {"image", "instruction"}
    for vectors in embedded.values():
        assert vectors.shape == (4, 8)
        assert torch.allclose(vectors.norm(dim=1), torch.ones(4))


def test_it_learns_which_picture_a_word_means(shared):
    optimizer = torch.optim.Adam(shared.parameters(), 0.01)
    for _ in range(60):
        embedded = shared(list(COLOURS), pictures())
        loss = shared.loss(embedded["image"], embedded["instruction"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    embedded = shared(list(COLOURS), pictures())
    nearest = (embedded["instruction"] @ embedded["image"].T).argmax(1)
    assert nearest.tolist() == [0, 1, 2, 3]

"""Images of goals become one token, each distinct image encoded once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.contract import GOAL, IMAGE, INSTRUCTION
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.dedup import distinct_images
from mmrl.models.encoders.goal import GoalEncoder
from mmrl.models.encoders.image import small_resnet
from mmrl.models.fusion import FUSIONS
from mmrl.models.inputs import ModelInputs
from mmrl.models.io import load_model, save_model


@pytest.fixture
def images():
    torch.manual_seed(0)
    few = torch.randint(0, 256, (3, 1, 24, 16, 3), dtype=torch.uint8)
    return few[torch.tensor([0, 2, 2, 1, 0, 2])]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(1, 3), st.integers(1, 7), st.lists(st.integers(0, 3), min_size=1, max_size=9))
def test_distinct_images_are_found_whatever_their_size(height, width, rows):
    generator = torch.Generator().manual_seed(height * width)
    few = torch.randint(0, 256, (4, height, width, 3), dtype=torch.uint8, generator=generator)
    batch = few[torch.tensor(rows)]
    distinct, where = distinct_images(batch)
    assert torch.equal(distinct[where], batch)
    assert len(distinct) == len(set(rows))


def test_each_is_encoded_once_and_alike(images):
    encoder = GoalEncoder(small_resnet((24, 16), width=8))
    seen = []
    encoder.encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    tokens = encoder(images)
    assert seen == [3]
    assert tokens.values.shape == (6, 1, 8)
    assert tokens.mask.all()
    alone = torch.cat([encoder(one[None]).values for one in images])
    assert torch.allclose(tokens.values, alone, atol=1e-6)


def test_place_matters(images):
    encoder = GoalEncoder(small_resnet((24, 16), width=8, blocks=0))
    one = images[:1]
    other = one.roll(8, -3)  # a patch down: the same patches elsewhere
    assert not torch.allclose(encoder(one).values, encoder(other).values, atol=1e-4)


@pytest.mark.parametrize("fusion", sorted(set(FUSIONS) - {"plain_concat"}))
@pytest.mark.parametrize("goal", [(24, 16), (16, 16)])
def test_it_goes_with_every_fusion(fusion, goal):
    torch.manual_seed(0)
    config = ModelConfig(
        fusion=fusion, features=8, image_args={"width": 8}, text="bag_of_words",
        text_args={"width": 8},
    )  # fmt: skip
    model = build_model(config, ModelInputs.standard((24, 16), 9, goal=goal))
    batch = {
        IMAGE: torch.randint(0, 256, (4, 24, 16, 3), dtype=torch.uint8),
        INSTRUCTION: torch.randint(2, 9, (4, 5)),
        GOAL: torch.randint(0, 256, (4, 1, *goal, 3), dtype=torch.uint8),
    }
    features = model(batch)
    features.sum().backward()
    assert all(one.grad is not None for one in model.encoders[GOAL].parameters())
    other = {**batch, GOAL: batch[GOAL].flip(0)}
    assert not torch.allclose(model(other), features)
    without = model({key: batch[key] for key in (IMAGE, INSTRUCTION)})
    assert without.shape == features.shape


def test_a_frozen_image_encoder_is_frozen_for_goals_too_and_remembers(images):
    config = ModelConfig(fusion="concat", image_args={"width": 8}, text="word_gru", image_trained=0)
    model = build_model(config, ModelInputs.standard((24, 16), 9, goal=(24, 16))).train()
    encoder = model.encoders[GOAL]
    assert not any(one.requires_grad for one in encoder.encoder.parameters())
    assert encoder.readout.weight.requires_grad
    for _ in range(2):
        encoder(images)
    assert (encoder.encoder.cache.misses, encoder.encoder.cache.hits) == (3, 3)


def test_a_model_comes_back_from_its_folder(images, tmp_path):
    config = ModelConfig(image_args={"width": 8}, text="bag_of_words")
    model = build_model(config, ModelInputs.standard((24, 16), 9, goal=(24, 16))).eval()
    batch = {
        IMAGE: images[:, 0], INSTRUCTION: torch.full((6, 4), 3), GOAL: images.flip(0),
    }  # fmt: skip
    save_model(model, tmp_path / "model")
    assert torch.equal(load_model(tmp_path / "model")(batch), model(batch))

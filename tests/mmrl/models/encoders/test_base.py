"""What is frozen does not move, whoever calls train()."""

import pytest
import torch
from torch import nn

from mmrl.errors import UserError
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.image import build_image_encoder
from mmrl.models.encoders.image_base import ImageEncoder
from mmrl.models.encoders.text import build_text_encoder
from mmrl.models.inputs import ModelInputs
from mmrl.preprocessing.image import ImageNormalizer

INPUTS = ModelInputs.standard((64, 64), 20)
IMAGES = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8)
IDS = torch.tensor([[2, 5, 6, 0], [2, 4, 4, 7], [3, 0, 0, 0], [2, 5, 6, 0]])


def touchy():
    """An encoder that BatchNorm and dropout would give away."""
    body = nn.Sequential(
        nn.Conv2d(3, 4, 8, stride=8),
        nn.BatchNorm2d(4),
        nn.Dropout(0.5),
        nn.Conv2d(4, 4, 1),
    )
    return ImageEncoder(ImageNormalizer(), body, (64, 64))


ENCODERS = {
    "touchy": (touchy, IMAGES),
    "resnet18": (lambda: build_image_encoder("resnet18", (64, 64)), IMAGES),
    "nature_cnn": (lambda: build_image_encoder("nature_cnn", (64, 64), width=4), IMAGES),
    "small_bert": (
        lambda: build_text_encoder("small_bert", 20, 8, width=8, layers=3, heads=2),
        IDS,
    ),
    "word_gru": (lambda: build_text_encoder("word_gru", 20, 8, width=8), IDS),
    "word_cnn": (lambda: build_text_encoder("word_cnn", 20, 8, width=8), IDS),
}


@pytest.fixture(params=ENCODERS)
def encoder_and_input(request):
    make, given = ENCODERS[request.param]
    return make(), given


def contents(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def train_a_little(encoder, given):
    """As an algorithm would; an optimiser with weight decay, which moves whatever it may."""
    encoder.train()
    head = nn.Linear(encoder.shape.width, 1)
    parameters = [p for p in (*encoder.parameters(), *head.parameters()) if p.requires_grad]
    optimiser = torch.optim.SGD(parameters, 0.1, weight_decay=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        head(encoder(given).mean()).square().sum().backward()
        optimiser.step()


def test_a_frozen_encoder_does_not_move(encoder_and_input):
    encoder, given = encoder_and_input
    encoder.freeze(0)
    before, seen = contents(encoder), encoder(given).values
    train_a_little(encoder, given)
    assert encoder.is_frozen
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name]), name
    encoder.train()
    assert torch.equal(encoder(given).values, seen)  # no dropout either
    assert not encoder(given).values.requires_grad


def test_the_last_stage_alone_is_trained(encoder_and_input):
    encoder, given = encoder_and_input
    encoder.freeze(1)
    *others, last = encoder.stages()
    before = [contents(stage) for stage in others]
    after = contents(last)
    train_a_little(encoder, given)
    for stage, was in zip(others, before, strict=True):
        for name, value in stage.state_dict().items():
            assert torch.equal(value, was[name]), name
    assert any(not torch.equal(value, after[name]) for name, value in last.state_dict().items())


def test_nothing_is_frozen_unless_asked(encoder_and_input):
    encoder, given = encoder_and_input
    before = contents(encoder)
    train_a_little(encoder, given)
    assert not encoder.is_frozen
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    moved = [
        name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])
    ]
    assert {name for name, _ in encoder.named_parameters()} <= set(moved)


def test_evaluation_is_evaluation(encoder_and_input):
    encoder, _ = encoder_and_input
    encoder.freeze(1)
    assert not any(module.training for module in encoder.eval().modules())
    assert encoder.train().training


@pytest.mark.parametrize("trained", [-1, 99])
def test_more_stages_than_there_are(encoder_and_input, trained):
    encoder, _ = encoder_and_input
    with pytest.raises(ValueError, match=f"{trained} trained stages: there are 0 to"):
        encoder.freeze(trained)


def test_by_configuration():
    config = ModelConfig(
        image_trained=1, text_trained=0, text_args={"width": 8, "layers": 1, "heads": 2}
    )
    model = build_model(config, INPUTS)
    assert model.encoders["instruction"].is_frozen
    assert not model.encoders["image"].is_frozen
    model({"image": IMAGES, "instruction": IDS}).sum().backward()
    assert all(p.grad is None for p in model.encoders["instruction"].parameters())
    with pytest.raises(UserError, match=r"model.text_trained: 9 trained stages: there are 0 to 2"):
        build_model(
            ModelConfig(text_trained=9, text_args={"width": 8, "layers": 1, "heads": 2}),
            INPUTS,
        )


def test_whatever_changes_is_noticed(encoder_and_input):
    encoder, _ = encoder_and_input
    device = torch.device("cpu")
    state = encoder._state(device)
    assert encoder._state(device) == state

    def changed():
        nonlocal state
        before, state = state, encoder._state(device)
        return state != before

    for tensor in (*encoder.parameters(), *encoder.buffers()):
        tensor.detach().add_(1)
        assert changed()
    parent, name = next(
        (module, name)
        for module in encoder.modules()
        for name, one in module._parameters.items()
        if one is not None
    )
    setattr(parent, name, nn.Parameter(getattr(parent, name).detach().clone()))
    assert changed()
    leaf = next(module for module in encoder.modules() if not module._modules)
    leaf.added = nn.Linear(1, 1)
    assert changed()
    leaf.added.register_buffer("more", torch.zeros(1))
    assert changed()
    leaf.added = nn.Linear(1, 1)
    assert changed()

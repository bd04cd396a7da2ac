"""Every classification network of torchvision is an image encoder, with any weights."""

import re
import struct
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from mmrl.compat import import_torchvision
from mmrl.errors import UserError
from mmrl.models.encoders.image import build_image_encoder
from mmrl.models.encoders.torchvision_networks import (
    body_of,
    fixed_size,
    load_without_head,
    network,
    torchvision_names,
)

POOLED = [
    "densenet121", "efficientnet_b0", "mobilenet_v3_small", "mnasnet0_5", "shufflenet_v2_x0_5",
    "regnet_y_400mf", "googlenet", "resnet18",
]  # fmt: skip
SHAPES = {
    "alexnet": (256, 2, 2), "vgg11": (512, 3, 3), "convnext_tiny": (768, 3, 3),
    "maxvit_t": (512, 7, 7), "inception_v3": (2048, 1, 1), "vit_b_32": (768, 7, 7),
    "swin_t": (768, 3, 3), "squeezenet1_1": (512, 5, 5),
}  # fmt: skip


@pytest.mark.parametrize("name", POOLED)
def test_maps_are_what_the_network_pools(name):
    """Their mean is what its head is given."""
    torch.manual_seed(0)
    whole, pixels, given = network(name).eval(), torch.randn(1, 3, 48, 64), []
    head = whole.fc if hasattr(whole, "fc") else whole.classifier
    head.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].flatten(1)))
    with torch.no_grad():
        whole(pixels)
        maps = body_of(whole).eval()(pixels)
    assert_close(maps.mean((2, 3)), given[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_maps_of_the_other_networks(name):
    with torch.device("meta"):  # without the time for weights
        whole = network(name)
        side = fixed_size(whole) or (96, 96)
        body = body_of(whole).eval()
        assert body(torch.zeros(1, 3, *side)).shape[1:] == SHAPES[name]


def test_every_family_is_here():
    def family(name):
        return re.match(r"wide_resnet|resnext|swin_v2|swin|[a-z]+", name)[0]

    tested = {family(name) for name in (*POOLED, *SHAPES)} | {"wide_resnet", "resnext", "swin_v2"}
    assert {family(name) for name in torchvision_names()} == tested


def test_vision_transformer():
    torch.manual_seed(0)
    models = import_torchvision().models
    whole = models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=16
    ).eval()
    tokens = []
    whole.encoder.register_forward_hook(lambda *given: tokens.append(given[2]))
    pixels = torch.randn(2, 3, 32, 32)
    assert fixed_size(whole) == (32, 32)
    with torch.no_grad():
        whole(pixels)
        body = body_of(whole).eval()
        maps = body(pixels)
    assert maps.shape == (2, 16, 4, 4)
    assert_close(maps.flatten(2).transpose(1, 2), tokens[0][:, 1:], rtol=1e-4, atol=1e-5)
    assert len(body.stages()) == 3
    counted = {weight for stage in body.stages() for weight in stage.parameters()}
    assert counted == set(body.parameters())


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_of_a_file_with_another_head(tmp_path, suffix):
    saved = import_torchvision().models.shufflenet_v2_x0_5(num_classes=7).state_dict()
    file = tmp_path / f"mine.{suffix}"
    if suffix == "pth":
        torch.save({"state_dict": saved}, file)
    else:
        save_file(saved, file)
    encoder = build_image_encoder("shufflenet_v2_x0_5", (32, 32), weights=str(file))
    assert torch.equal(encoder.body[0][0].weight, saved["conv1.0.weight"])
    assert encoder.normalizer.shift.abs().max() > 1.7  # ImageNet's
    build_image_encoder("shufflenet_v2_x0_5", (32, 32), weights=str(file) + "x", pretrained=False)
    with pytest.raises(UserError, match="cannot be loaded.*weights are missing, such as conv1"):
        build_image_encoder("resnet18", (32, 32), weights=str(file))


@pytest.mark.parametrize("error", [TypeError, AttributeError, struct.error])
def test_a_damaged_file_of_weights(tmp_path, monkeypatch, error):
    """What torch raises for a bit in the wrong place of a pickle."""
    file = tmp_path / "mine.pth"
    torch.save({}, file)
    monkeypatch.setattr(torch, "load", Mock(side_effect=error("'backward_hooks'")))
    with pytest.raises(UserError, match=r"mine.pth is damaged: 'backward_hooks'"):
        build_image_encoder("shufflenet_v2_x0_5", (32, 32), weights=str(file))


def test_earlier_names_of_densenets_weights():
    whole = network("densenet121")
    saved = whole.state_dict()
    earlier = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2", key): value.clone()
               for key, value in saved.items()}  # fmt: skip
    assert earlier.keys() != saved.keys()
    other = network("densenet121")
    load_without_head(other, earlier)
    key = "features.denseblock1.denselayer1.norm1.weight"
    assert torch.equal(other.state_dict()[key], saved[key])


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("inception_v3", {}, r"does not work on images of \[32, 32\].*larger model.image_size"),
        ("shufflenet_v2_x0_5", {"stage": 2}, "do not fit .*stage is for ResNets"),
        ("resnet18", {"stage": 5}, "stage=5: a ResNet has 1 to 4"),
        ("mobilenet_v4", {}, "did you mean 'mobilenet_v"),
    ],
)
def test_what_does_not_fit(name, args, words):
    with pytest.raises(UserError, match=words):
        build_image_encoder(name, (32, 32), **args)


def test_a_last_stage_alone_is_trained():
    encoder = build_image_encoder("shufflenet_v2_x0_5", (32, 32))
    encoder.freeze(1)
    encoder.train()
    images = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    encoder(images).values.sum().backward()
    assert {weight.grad is not None for weight in encoder.stages()[-1].parameters()} == {True}
    assert not any(one.requires_grad for s in encoder.stages()[:-1] for one in s.parameters())

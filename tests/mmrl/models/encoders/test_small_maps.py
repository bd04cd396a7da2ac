"""A convolution of small maps is the convolution that it was."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from mmrl.compat import import_torchvision
from mmrl.models.encoders.layers import SmallMapConv2d, with_small_maps


def outcome(conv, maps):
    """The output, and the gradients of maps and parameters."""
    maps = maps.clone().requires_grad_()
    out = conv(maps)
    out.square().sum().backward()
    return [out, maps.grad, *(p.grad for p in conv.parameters())]


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 7),
    columns=st.integers(1, 7),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 1), st.integers(0, 1)),
    bias=st.booleans(),
    last=st.booleans(),
)
def test_equal_to_torchs(rows, columns, kernel, stride, padding, bias, last):
    if rows + 2 * padding[0] < kernel[0] or columns + 2 * padding[1] < kernel[1]:
        return
    torch.manual_seed(0)
    theirs = nn.Conv2d(3, 5, kernel, stride, padding, bias=bias).double()
    maps = torch.randn(2, 3, rows, columns, dtype=torch.double)
    if last:
        theirs, maps = (one.to(memory_format=torch.channels_last) for one in (theirs, maps))
    ours = SmallMapConv2d.of(copy.deepcopy(theirs))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for one, other in zip(outcome(ours, maps), outcome(theirs, maps), strict=True):
        torch.testing.assert_close(one, other)


def test_a_resnet_keeps_its_weights_and_its_outputs():
    torch.manual_seed(0)
    theirs = import_torchvision().models.resnet18().eval()
    ours = with_small_maps(copy.deepcopy(theirs))
    assert sum(type(one) is SmallMapConv2d for one in ours.modules()) == 20
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, 56, 56)
    torch.testing.assert_close(ours(images), theirs(images))


def test_large_maps_are_torchs_own(monkeypatch):
    called = []
    monkeypatch.setattr(
        functional, "conv2d", lambda *args: called.append(args) or torch.conv2d(*args)
    )
    conv = SmallMapConv2d.of(nn.Conv2d(2, 2, 3, padding=1))
    conv(torch.zeros(1, 2, 3, 3))
    assert not called
    conv(torch.zeros(1, 2, 4, 4))
    assert len(called) == 1


@pytest.mark.parametrize(
    "options", [{"groups": 2}, {"dilation": 2}, {"padding_mode": "reflect"}, {"padding": "same"}]
)
def test_unusual_ones_stay(options):
    module = nn.Sequential(nn.Conv2d(2, 2, 3, **{"padding": 1, **options}))
    assert type(with_small_maps(module)[0]) is nn.Conv2d

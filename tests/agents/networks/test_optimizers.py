"""Optimisers by name do what their names and penalties say."""

import pytest
import torch
from torch import nn

from mmrl.errors import UserError
from mmrl.experiment.config import OptimizerConfig
from mmrl_agents.networks.optimizers import OPTIMIZERS, build_optimizer


def step(config, gradient=0.0, lr=0.1):
    """One step of a weight matrix [[2, -3]] and a bias [4] with the same gradient everywhere."""
    weight = nn.Parameter(torch.tensor([[2.0, -3.0]]))
    bias = nn.Parameter(torch.tensor([4.0]))
    optimizer = build_optimizer([weight, bias], lr, config)
    for parameter in (weight, bias):
        parameter.grad = torch.full_like(parameter, gradient)
    optimizer.step()
    return weight.detach(), bias.detach()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_goes_downhill(name):
    weight, bias = step(OptimizerConfig(name), gradient=1.0)
    assert (weight < torch.tensor([[2.0, -3.0]])).all()
    assert bias < 4


def test_arguments_reach_torch():
    plain, nesterov = OptimizerConfig("sgd"), OptimizerConfig("sgd", {"nesterov": True})
    assert step(nesterov, 1.0)[1] < step(plain, 1.0)[1]


def test_l1_shrinks_weights_by_the_same_amount():
    weight, bias = step(OptimizerConfig("sgd", l1=0.5))
    assert torch.allclose(weight, torch.tensor([[1.95, -2.95]]))
    assert bias == 4


def test_l2_shrinks_weights_in_proportion():
    weight, bias = step(OptimizerConfig("sgd", l2=0.5))
    assert torch.allclose(weight, torch.tensor([[1.9, -2.85]]))
    assert bias == 4


def test_what_is_frozen_is_left_out():
    frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)
    moving = nn.Parameter(torch.ones(2, 2))
    optimizer = build_optimizer([frozen, moving], 0.1, OptimizerConfig(l2=0.1))
    assert [one for group in optimizer.param_groups for one in group["params"]] == [moving]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (OptimizerConfig("adma"), "did you mean 'adam'"),
        (OptimizerConfig("sgd", {"betas": 1}), "optimizer.args"),
        (OptimizerConfig("adam", {"eps": -1}), "do not fit adam"),
        (OptimizerConfig(l1=-1), "optimizer.l1=-1: must be at least 0"),
        (OptimizerConfig(l2=-0.1), "optimizer.l2=-0.1"),
    ],
)
def test_what_cannot_be(config, words):
    with pytest.raises(UserError, match=words):
        build_optimizer([nn.Parameter(torch.ones(1))], 0.1, config)

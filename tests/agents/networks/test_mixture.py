"""Mixtures of Gaussians: densities, modes, and two ways of doing the same thing."""

import numpy as np
import pytest
import torch
from scipy import stats

from mmrl_agents.networks.mixture import MixtureDistribution


def test_its_density_is_that_of_scipy():
    torch.manual_seed(0)
    mixture = MixtureDistribution(2, 3)
    net, log_std = mixture.proba_distribution_net(5, log_std_init=-0.5)
    outputs, actions = net(torch.randn(7, 5)), torch.randn(7, 2)
    found = mixture.proba_distribution(outputs, log_std).log_prob(actions)
    assert mixture.entropy() is None
    for row, output in enumerate(outputs.detach().unflatten(1, (3, 5)).numpy()):
        weights = np.exp(output[:, 0]) / np.exp(output[:, 0]).sum()
        parts = [
            w * stats.norm.pdf(actions[row].numpy(), one[1:3], np.exp(one[3:5] - 0.5)).prod()
            for w, one in zip(weights, output, strict=True)
        ]
        assert found[row].item() == pytest.approx(np.log(sum(parts)), rel=1e-4)
    best = outputs.unflatten(1, (3, 5))[
        torch.arange(7), outputs.unflatten(1, (3, 5))[..., 0].argmax(1)
    ]
    assert torch.equal(mixture.mode(), best[:, 1:3])


def test_two_ways_are_kept_apart():
    """One Gaussian would act between them, where nobody did."""
    torch.manual_seed(0)
    mixture = MixtureDistribution(1, 2)
    net, log_std = mixture.proba_distribution_net(1)
    optimizer = torch.optim.Adam([*net.parameters(), log_std], 0.05)
    actions = torch.where(torch.rand(256, 1) < 0.5, -1.0, 1.0) + 0.05 * torch.randn(256, 1)
    for _ in range(150):
        optimizer.zero_grad()
        outputs = net(torch.ones(256, 1))
        (-mixture.proba_distribution(outputs, log_std).log_prob(actions).mean()).backward()
        optimizer.step()
    drawn = mixture.sample()
    assert ((drawn.abs() - 1).abs() < 0.3).float().mean() > 0.95
    assert 0.3 < (drawn > 0).float().mean() < 0.7
    assert (mixture.mode().abs() - 1).abs().max() < 0.2

"""Invalid action masking: the distribution is that over the valid actions alone."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import CategoricalDistribution

from mmrl.errors import UserError
from mmrl_agents.networks.masking import INVALID_LOGIT, mask_logits, mask_values, masked_sizes
from mmrl_agents.networks.policy import MultimodalPolicy

VECTOR = spaces.Box(-1, 1, (4,), np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_distribution_over_valid_actions(seed):
    generator = np.random.default_rng(seed)
    count = int(generator.integers(2, 7))
    kept = torch.from_numpy(generator.random((20, count)) < 0.5)
    kept[torch.arange(20), torch.from_numpy(generator.integers(count, size=20))] = True
    given = generator.normal(0, 10, (20, count)).astype(np.float32)
    logits = torch.from_numpy(given).requires_grad_()
    masked = mask_logits(logits, kept.to(torch.int8), [count])
    whole = CategoricalDistribution(count).proba_distribution(masked)
    probabilities, entropies = whole.distribution.probs, whole.entropy()
    assert (probabilities[~kept] == 0).all()
    for row, valid in enumerate(kept):
        reduced = torch.distributions.Categorical(logits=logits[row, valid])
        torch.testing.assert_close(probabilities[row, valid], reduced.probs)
        torch.testing.assert_close(entropies[row], reduced.entropy())
    (entropies + whole.log_prob(kept.int().argmax(1))).sum().backward()
    assert logits.grad.isfinite().all()
    assert (logits.grad[~kept] == 0).all()


def test_components_are_masked_each_and_one_without_any_is_free():
    mask = torch.tensor([[1, 0, 0, 0, 0], [0, 1, 0, 1, 1]], dtype=torch.int8)
    masked = mask_logits(torch.zeros(2, 5), mask, [2, 3]) == INVALID_LOGIT
    assert masked.tolist() == [
        [False, True, False, False, False],
        [True, False, True, False, False],
    ]


def test_the_greatest_value_is_a_valid_one():
    values = torch.tensor([[3.0, 2.0, 1.0]])
    obs = {"action_mask": torch.tensor([[0, 1, 1]])}
    assert mask_values(values, obs, [3]).argmax().item() == 1
    quantiles = values[:, None].expand(1, 5, 3)
    assert mask_values(quantiles, obs, [3]).mean(1).argmax().item() == 1
    assert mask_values(values, {}, [3]) is values
    assert mask_values(values, obs, None) is values


def test_masks_of_other_actions_are_refused():
    space = spaces.Dict(state=VECTOR, action_mask=spaces.Box(0, 1, (3,), np.int8))
    assert masked_sizes(space, spaces.Discrete(3)) == [3]
    for action in (spaces.Discrete(4), VECTOR):
        with pytest.raises(UserError, match=r"action masks have shape \[3\]"):
            masked_sizes(space, action)


@pytest.mark.parametrize("memory", [None, "lstm"])
def test_every_method_of_a_policy_masks(memory):
    actions = spaces.MultiDiscrete([2, 3])
    space = spaces.Dict(state=VECTOR, action_mask=spaces.Box(0, 1, (5,), np.int8))
    policy = MultimodalPolicy(space, actions, lambda _: 1e-3, memory=memory)
    policy.set_training_mode(False)
    assert list(policy.features_extractor.model.encoders) == ["state"]
    rows = 64
    obs = {"state": torch.randn(rows, 4), "action_mask": torch.zeros(rows, 5, dtype=torch.int8)}
    obs["action_mask"][:, [1, 2, 4]] = 1
    wanted = torch.tensor([[1, 0], [1, 2]])
    starts = torch.ones(rows, dtype=torch.bool)
    acted, _, log_probs, _ = policy.act(obs, policy.begin(rows), starts)
    forward, _, _ = policy(obs)
    predicted, _ = policy.predict({key: one.numpy() for key, one in obs.items()})
    for chosen in (acted, forward, torch.as_tensor(predicted)):
        assert torch.equal(chosen.unique(dim=0), wanted)
    state = None if memory is None else policy.begin(rows)
    evaluation = policy.evaluate(obs, acted, state, None if memory is None else starts[None])
    _, again, entropies = policy.evaluate_actions(obs, acted)
    torch.testing.assert_close(evaluation.log_probs, log_probs)
    torch.testing.assert_close(again, log_probs)
    torch.testing.assert_close(evaluation.entropies, entropies)
    assert (entropies <= np.log(2) + 1e-6).all()  # one of two in all
    distributions = policy.get_distribution(obs).distribution
    assert (distributions[0].probs[:, 0] == 0).all()
    assert (distributions[1].probs[:, 1] == 0).all()

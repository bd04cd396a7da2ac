"""The world model's loss beside PPO's: what it learns from, what learns from it, and what it is not
allowed to change.
"""

from dataclasses import replace

import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.logger import Logger

from mmrl.errors import UserError
from mmrl_agents.algorithms.ppo import PPO, PPOAgent
from mmrl_agents.buffers.rollout import NextSteps
from mmrl_agents.networks.auxiliary.next_step import NextStepLoss
from mmrl_agents.networks.auxiliary.part import build_auxiliary
from mmrl_agents.networks.policy import MultimodalPolicy

SETTINGS = {"n_steps": 16, "batch_size": 64, "n_epochs": 2, "seed": 1, "device": "cpu"}
SEEN = spaces.Dict(image=spaces.Box(0, 255, (16, 16, 3), "uint8"))


def make(env, model, **policy):
    kwargs = {"model": model, "auxiliary": "world_model", **policy}
    algorithm = PPO(MultimodalPolicy, env, policy_kwargs=kwargs, **SETTINGS)
    algorithm.set_logger(Logger(None, []))
    return algorithm


def test_what_follows_a_step(make_batch, tiny, counter):
    """The camera shows the number of the step; action 1 ends an episode, the third step cuts it."""
    algorithm = make(make_batch(counter, 8), tiny)
    algorithm.learn(128)
    rollout = algorithm.rollout_buffer
    for transitions in rollout.get(32):
        after = rollout.next_steps(transitions.steps)
        now = transitions.observations["image"][:, 0, 0, 0].long()
        hit = transitions.actions.flatten() == 1
        last = transitions.steps // 8 == 15
        assert torch.equal(after.shown, ~(hit | (now == 2) | last))
        assert torch.equal(after.known, ~last & (hit | (now < 2)))
        shown, known = after.shown, after.known
        assert torch.equal(after.images[shown, 0, 0, 0].long(), now[shown] + 1)
        assert torch.equal(after.ends[known], hit[known])
        assert torch.equal(after.rewards[known], hit[known].float())


@pytest.mark.parametrize("memory", [None, "gru", "lstm", "frame_stack"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_reach_the_encoders(make_batch, tiny, memory, precision):
    algorithm = make(make_batch(), replace(tiny, precision=precision), memory=memory)
    algorithm.learn(64)
    policy = algorithm.policy
    for batch, judgement, _ in algorithm._minibatches():
        policy.zero_grad()
        policy.auxiliary_loss(algorithm.rollout_buffer, batch, judgement.features).backward()
        encoders = policy.features_extractor.model.encoders
        for name, encoder in encoders.items():
            assert any(one.grad is not None and one.grad.any() for one in encoder.parameters()), (
                name
            )
        assert all(one.grad is None for one in policy.action_net.parameters())


def test_what_is_not_known_does_not_count():
    torch.manual_seed(0)
    head = NextStepLoss(4, SEEN, spaces.Discrete(3), side=4)
    prediction = head(torch.randn(3, 4), torch.tensor([0, 1, 2]))
    shown, known = torch.tensor([True, False, False]), torch.tensor([True, True, False])
    images = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8)
    after = NextSteps(images, torch.randn(3), torch.tensor([False, True, True]), shown, known)
    changed = after._replace(
        images=torch.cat([images[:1], 255 - images[1:]]),
        rewards=after.rewards * torch.tensor([1, 1, 5]),
        ends=torch.tensor([False, True, False]),
    )
    assert torch.equal(head.loss(prediction, after), head.loss(prediction, changed))
    worse = after._replace(images=255 - images)
    assert not torch.equal(head.loss(prediction, after), head.loss(prediction, worse))


def test_parts_of_a_minibatch_add_up():
    """As a team weighs them: by how many transitions there are, known or not."""
    torch.manual_seed(0)
    head = NextStepLoss(4, SEEN, spaces.Box(-1, 1, (2,)), side=4)
    features, actions = torch.randn(5, 4), torch.randn(5, 2)
    images = torch.randint(0, 256, (5, 16, 16, 3), dtype=torch.uint8)
    after = NextSteps(images, torch.randn(5), *(torch.rand(5) < 0.5 for _ in range(3)))
    whole = head.loss(head(features, actions), after)
    parts = [
        head.loss(head(features[rows], actions[rows]), NextSteps(*(one[rows] for one in after)))
        for rows in (slice(0, 2), slice(2, 5))
    ]
    torch.testing.assert_close(parts[0] * 0.4 + parts[1] * 0.6, whole)


def test_the_least_that_there_can_be_is_nothing():
    head = NextStepLoss(4, SEEN, spaces.Discrete(3), side=4)
    images = torch.randint(1, 255, (2, 16, 16, 3), dtype=torch.uint8)
    nothing = torch.zeros(2, dtype=torch.bool)
    after = NextSteps(images, torch.tensor([0.5, 0.0]), nothing, ~nothing, ~nothing)
    prediction = head(torch.randn(2, 4), torch.tensor([0, 2]))
    prediction = prediction._replace(
        image=head.patches(images).logit(), end=torch.full((2,), -30.0), reward=after.rewards
    )
    assert abs(float(head.loss(prediction, after))) < 1e-6


def test_it_learns_what_comes_next(make_batch, tiny):
    """While the policy learns as well, in a room; what is logged is what falls."""
    algorithm = make(make_batch(num_envs=8), tiny)
    logged = []
    for _ in range(12):
        algorithm.learn(128)
        logged.append(algorithm.logger.name_to_value["train/auxiliary_loss"])
    assert logged[-1] < 0.5 * logged[0]


def test_without_it_there_are_no_weights(make_batch, tiny):
    env = make_batch()
    without, beside = make(env, tiny, auxiliary=None), make(env, tiny)
    theirs, ours = without.policy.state_dict(), beside.policy.state_dict()
    assert {name for name in ours if name not in theirs} == {
        f"auxiliary.{part}.{kind}"
        for part in ("enter", "image", "outcome")
        for kind in ("weight", "bias")
    }
    without.learn(64)
    assert "train/auxiliary_loss" not in without.logger.name_to_value


def test_a_policy_that_was_saved_has_it(make_batch, tiny, tmp_path):
    policy = make(make_batch(), tiny, auxiliary_args={"side": 7, "weight": 0.1}).policy
    policy.save(tmp_path / "policy")
    again = MultimodalPolicy.load(tmp_path / "policy")
    assert (again.auxiliary.side, again.auxiliary.weight) == (7, 0.1)
    assert torch.equal(again.auxiliary.enter.weight, policy.auxiliary.enter.weight)


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("world_modle", {}, "did you mean 'world_model'"),
        ("world_model", {"sides": 7}, "do not fit world_model"),
        ("world_model", {"side": 17}, "side=17 1 to the 16 pixels"),
        ("world_model", {"weight": 0}, "weight=0 must be above 0"),
    ],
)
def test_refusals(name, args, words):
    with pytest.raises(UserError, match=words):
        build_auxiliary(name, 4, SEEN, spaces.Discrete(3), args)


def test_arguments_of_nothing_are_refused(hyper):
    with pytest.raises(UserError, match="ppo.auxiliary: options .*weight.* of which"):
        PPOAgent.check(replace(hyper, auxiliary_args={"weight": 2.0}))

"""Offline reinforcement learning: better than the data, no step, exact resume, refusals."""

import importlib
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from mmrl.data import RandomSource, Request, collect, find_place
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.experiment.run import Run
from mmrl_agents.configs import BCConfig, CQLConfig, IQLConfig, TD3BCConfig
from mmrl_agents.imitation.bc import BCAgent
from mmrl_agents.offline.cql import CQLAgent
from mmrl_agents.offline.iql import IQLAgent, expectile_loss
from mmrl_agents.offline.td3_bc import TD3BCAgent

importlib.import_module("worlds.levers")
Walk = importlib.import_module("worlds.walks").Walk
WALK, DIAL, LEVER = "walks/Walk-v0", "dials/Dial-v0", "levers/Lever-v0"
FAST = {"batch_size": 64, "learning_rate": 0.005, "gamma": 0.8, "tau": 0.1, "evaluate_every": 60}
IQL, CQL = IQLConfig(**FAST, beta=10.0), CQLConfig(**FAST, alpha=0.1)
TD3BC = TD3BCConfig(**{**FAST, "gamma": 0.1}, alpha=20.0)
DISCRETE = {"iql": (IQLAgent, IQL), "cql": (CQLAgent, CQL)}
ALL = {
    "iql": (IQLAgent, IQL, WALK),
    "cql": (CQLAgent, CQL, WALK),
    "td3_bc": (TD3BCAgent, TD3BC, DIAL),
}


def played(actor, env, episodes=60):
    return play_episodes(actor, env, episodes, deterministic=True)


@pytest.mark.parametrize("agent", DISCRETE)
def test_it_is_better_than_the_policy_that_made_the_data(
    agent, make, recorded, curves, monkeypatch
):
    learner, hyper = DISCRETE[agent]
    hyper = replace(hyper, data=[recorded(WALK)])
    config, _, run = make(agent, WALK, hyper, steps=120)
    with monkeypatch.context() as patch:
        patch.setattr(Walk, "step", None)  # nobody steps the environment in training
        actor = learner.train(config, hyper, run)
    assert played(actor, WALK).success.mean() > 0.95  # the random policy: a half
    loaded = learner.load(Run.open(run.path), "cpu")
    assert np.array_equal(played(loaded, WALK, 20).lengths, played(actor, WALK, 20).lengths)
    shown = curves(run)
    assert [step for step, _ in shown["held_out/loss"]] == [60, 120]
    assert {"fit/loss", "fit/value"} <= set(shown)


def test_cloning_the_same_data_is_not(make, recorded):
    hyper = BCConfig(data=[recorded(WALK)], demonstrations=0, batch_size=64, learning_rate=0.005,
                     successful_only=False)  # fmt: skip
    config, _, run = make("bc", WALK, hyper, steps=60)
    assert played(BCAgent.train(config, hyper, run), WALK).success.mean() < 0.8


@pytest.mark.parametrize(
    ("agent", "learner", "hyper"),
    [("td3_bc", TD3BCAgent, TD3BC), ("iql", IQLAgent, replace(IQL, beta=2.0, gamma=0.1))],
)
def test_continuous_actions(agent, learner, hyper, make, recorded, curves):
    hyper = replace(hyper, data=[recorded(DIAL)])
    config, _, run = make(agent, DIAL, hyper, steps=120)
    actor = learner.train(config, hyper, run)
    assert played(actor, DIAL).returns.mean() > -8.0  # of three steps; random actions get -17
    assert {"fit/actor_loss", "held_out/actor_loss"} <= set(curves(run))


@pytest.mark.parametrize("agent", ALL)
def test_it_resumes_exactly(agent, make, recorded):
    learner, hyper, env = ALL[agent]
    hyper = replace(hyper, data=[recorded(env)])
    config, _, run = make(agent, env, hyper, "whole", steps=20)
    whole = learner.train(config, hyper, run)
    short, _, parts = make(agent, env, hyper, "parts", steps=20)
    compute, count = learner.Task.compute_losses, []

    def interrupted(self, batch):
        count.append(1)
        if len(count) == 15:
            raise RuntimeError("killed")
        return compute(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learner.Task, "compute_losses", interrupted)
        with pytest.raises(RuntimeError, match="killed"):
            learner.train(replace(short, checkpoint_every=9), hyper, parts)
    assert parts.read_checkpoint().steps == 9
    resumed = learner.train(short, hyper, parts, resume=True)
    own, other = whole.policy.state_dict(), resumed.policy.state_dict()
    assert own.keys() == other.keys()
    assert all(torch.equal(own[name], other[name]) for name in own)


@pytest.mark.parametrize("agent", ALL)
def test_acting_needs_no_critics(agent, make, recorded):
    learner, hyper, env = ALL[agent]
    hyper = replace(hyper, data=[recorded(env)])
    config, _, run = make(agent, env, hyper, steps=2)
    actor = learner.train(config, hyper, run)
    whole = run.read_checkpoint()
    kept = learner.for_inference(whole)
    assert 0 < len(kept.weights) < len(whole.weights)
    assert not any("critic" in name or "target" in name for name in kept.weights)
    run.save_checkpoint(kept, 1)
    loaded = learner.load(Run.open(run.path), "cpu")
    assert np.array_equal(played(loaded, env, 10).lengths, played(actor, env, 10).lengths)
    graph = actor.policy_graph()
    assert len(graph.module(graph.examples(3))[0]) == 3


def test_another_agent_begins_with_its_policy_and_it_with_another_ones(make, recorded):
    learned = replace(IQL, data=[recorded(WALK)])
    config, _, run = make("iql", WALK, learned, steps=2)
    first = IQLAgent.train(config, learned, run).policy
    cloned = BCConfig(data=learned.data, demonstrations=0, learning_rate=0.0)
    config, _, run = make("bc", WALK, cloned, "clone", steps=1, init=config.out)
    second = BCAgent.train(config, cloned, run).policy
    again = replace(learned, learning_rate=0.0)
    third = IQLAgent.train(*make("iql", WALK, again, "again", steps=1, init=config.out)).policy
    shared = dict(second.named_parameters())
    assert shared.keys() < dict(first.named_parameters()).keys()
    for policy in (first, third):
        own = dict(policy.named_parameters())
        assert all(torch.equal(own[name], one) for name, one in shared.items())


def test_targets_follow_and_are_not_trained(make, recorded, tiny_bert):
    hyper = replace(IQL, data=[recorded(WALK)], tau=1.0)
    config, _, run = make("iql", WALK, hyper, steps=3)
    config = replace(config, model=tiny_bert)  # which has integers among its buffers
    policy = IQLAgent.train(config, hyper, run).policy
    own, target = policy.critic.state_dict(), policy.critic_target.state_dict()
    assert all(torch.equal(own[name], target[name]) for name in own)


def test_expectiles():
    samples = torch.arange(11.0)
    guesses = torch.linspace(0, 10, 1001)
    for expectile, least in ((0.5, 5.0), (0.9, 27.1 / 3.5)):
        losses = torch.stack([expectile_loss(samples - one, expectile) for one in guesses])
        assert float(guesses[losses.argmin()]) == pytest.approx(least, abs=0.05)


def test_other_action_spaces_are_refused_with_the_agents_that_can(make, recorded):
    hyper = replace(TD3BC, data=[recorded(WALK)])
    with pytest.raises(UserError, match=r"'td3_bc' takes Box actions.*: cql and iql can act there"):
        TD3BCAgent.train(*make("td3_bc", WALK, hyper))
    hyper = replace(CQL, data=[recorded(DIAL)])
    with pytest.raises(UserError, match=r"'cql' takes Discrete.*: iql and td3_bc can act there"):
        CQLAgent.train(*make("cql", DIAL, hyper, "other"))
    hyper = replace(IQL, data=[recorded(DIAL)])
    with pytest.raises(UserError, match=r"has the actions Box.*, and walks/Walk-v0 has Discrete"):
        IQLAgent.train(*make("iql", WALK, hyper, "dial"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.pop("rewards"), "episode 2 lacks rewards"),
        (lambda file: file["rewards"].write_direct(np.full(9, np.nan)[: len(file["rewards"])]),
         "episode 2: the reward of step 0 is nan"),
    ],
)  # fmt: skip
def test_episodes_without_rewards_are_refused(change, message, make, tmp_path):
    with h5py.File(copied(tmp_path) / "data" / "main_data.hdf5", "r+") as file:
        change(file["episode_2"])
    hyper = replace(IQL, data=[str(tmp_path / "data-v0")])
    with pytest.raises(UserError, match=message):
        IQLAgent.train(*make("iql", LEVER, hyper))


def test_actions_that_there_are_not_are_refused(make, tmp_path):
    with h5py.File(copied(tmp_path) / "data" / "main_data.hdf5", "r+") as file:
        file["episode_3/actions"][0] = 2
    data = [str(tmp_path / "data-v0")]
    for agent, learner, hyper in (("iql", IQLAgent, IQL), ("bc", BCAgent, BCConfig())):
        with pytest.raises(UserError, match=r"episode 3 has the action 2, and .*Discrete\(2\)"):
            learner.train(*make(agent, LEVER, replace(hyper, data=data), agent))


def test_rewards_that_are_all_0_are_refused(make, tmp_path):
    with h5py.File(copied(tmp_path) / "data" / "main_data.hdf5", "r+") as file:
        for episode in file.values():
            episode["rewards"][:] = 0
    hyper = replace(IQL, data=[str(tmp_path / "data-v0")])
    with pytest.raises(UserError, match="all rewards of .* are 0.*--agent bc"):
        IQLAgent.train(*make("iql", LEVER, hyper))


def copied(tmp_path):
    """A dataset that may be spoilt."""
    request = Request(LEVER, 6, "random", num_envs=6)
    return collect(request, RandomSource, find_place(str(tmp_path / "data-v0"))).place.path


@pytest.mark.parametrize(
    ("agent", "changes", "message"),
    [
        (IQLAgent, {"data": []}, r"iql.data: names no dataset.*--iql.data \[NAME\]"),
        (IQLAgent, {"episodes": -1}, "iql.episodes=-1"),
        (IQLAgent, {"validation": 1.0}, "iql.validation=1.0"),
        (IQLAgent, {"gamma": 1.5}, "iql.gamma=1.5: must be above 0 and at most 1"),
        (IQLAgent, {"tau": 0.0}, "iql.tau=0.0"),
        (IQLAgent, {"expectile": 1.0}, "iql.expectile=1.0: must be above 0 and below 1"),
        (IQLAgent, {"beta": -1.0}, "iql.beta=-1.0: must be at least 0"),
        (IQLAgent, {"batch_size": 0}, "iql.batch_size=0"),
        (IQLAgent, {"hindsight": "learned"}, "iql.hindsight='learned': must be none or oracle"),
        (CQLAgent, {"alpha": -0.1}, "cql.alpha=-0.1"),
        (TD3BCAgent, {"policy_delay": 0}, "td3_bc.policy_delay=0"),
        (TD3BCAgent, {"target_noise": -1.0}, "td3_bc.target_noise=-1.0"),
    ],
)
def test_what_cannot_be(agent, changes, message):
    with pytest.raises(UserError, match=message):
        agent.check(agent.Config(**{"data": ["some/data-v0"], **changes}))


def test_nothing_to_learn_from_is_refused(make, recorded):
    hyper = replace(IQL, data=[recorded(WALK)], episodes=1, validation=0.9)
    with pytest.raises(UserError, match="there is no episode to learn from: 1 have steps"):
        IQLAgent.train(*make("iql", WALK, hyper))

"""Every algorithm of SB3 trains, is saved, loaded and gone on with through the same command."""

import inspect
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
import torch

from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.experiment.run import Run
from mmrl.registry import agent_names, find_agent
from mmrl_agents.actor import SB3Actor
from mmrl_agents.algorithms import off_policy
from mmrl_agents.algorithms.off_policy import MultimodalNetworks, OffPolicyAgent
from mmrl_agents.vec_env import MultimodalVecEnv

GRID = "mmrl/GoToObjS4-v0"
OURS = ["a2c", "dqn", "ppo", "qrdqn", "sac", "td3"]
SMALL = {
    "a2c": {"num_envs": 8, "n_steps": 8},
    "ppo": {"num_envs": 8, "n_steps": 8, "batch_size": 32, "n_epochs": 2},
}
REPLAYS = {"num_envs": 4, "buffer_size": 200, "learning_starts": 32, "batch_size": 16}


def small(name):
    agent = find_agent(name)
    more = {"train_freq": 8, "gradient_steps": 1} if issubclass(agent, OffPolicyAgent) else {}
    return agent, agent.Config(**SMALL.get(name, {**REPLAYS, **more}))


@pytest.fixture(scope="module")
def begin_in(make_run, reach):
    """Makes a run folder for an algorithm, on an environment that it can act in."""

    def make(name, folder):
        agent, hyper = small(name)
        env = reach if name in ("sac", "td3") else GRID
        settings = {"steps": 192, "checkpoint_every": 64, "agent": name}
        if env == GRID:
            settings["env_args"] = {"max_steps": 9}
        config, run = make_run(folder, env=env, **settings)
        run.config.pop("ppo")
        run.resume({**run.config, name: asdict(hyper)})
        return agent, hyper, config, run

    return make


@pytest.fixture
def begin(begin_in, tmp_path):
    return lambda name: begin_in(name, tmp_path / "run")


@pytest.fixture(scope="module")
def trained(begin_in, tmp_path_factory):
    """What came out of a whole training of an algorithm, and its run: trained once for all."""
    known = {}

    def train(name):
        if name not in known:
            folder = tmp_path_factory.mktemp("whole") / name
            agent, hyper, config, run = begin_in(name, folder)
            known[name] = agent.train(config, hyper, run), run
        return known[name]

    return train


def test_they_are_all_offered():
    assert set(OURS) <= set(agent_names())
    for name in OURS:
        assert find_agent(name).name == name


@pytest.mark.parametrize("name", OURS)
def test_hyperparameters_are_those_of_the_library(name):
    agent = find_agent(name)
    parents = [kind for kind in agent.Algorithm.__mro__ if kind.__module__.startswith("s")]
    known = set(inspect.signature(parents[0].__init__).parameters)
    ours = {
        "num_envs", "final_learning_rate", "memory", "memory_args", "n_quantiles", "hindsight",
        "curriculum", "curriculum_args", "auxiliary", "auxiliary_args",
        "min_advantage_std", "final_ent_coef", "kl_coef", "critic_warmup", "scale_rewards",
    }  # fmt: skip
    assert {field.name for field in fields(agent.Config)} - known <= ours


def play(actor, config):
    return play_episodes(actor, config["env"], 8, env_args=config["env_args"])


@pytest.mark.parametrize("name", OURS)
def test_train_and_load(trained, name):
    actor, whole = trained(name)
    loaded = find_agent(name).load(Run.open(whole.path), "cpu")
    for one, other in zip(actor.policy.parameters(), loaded.policy.parameters(), strict=True):
        assert torch.equal(one, other)
    first, again = (play(one, whole.config).summary() for one in (actor, loaded))
    if name not in ("a2c", "ppo", "sac"):  # the others draw from the same generator
        assert first == again


@pytest.mark.parametrize("name", OURS)
def test_a_stopped_training_goes_on_exactly(begin, trained, name, monkeypatch):
    _, whole = trained(name)
    agent, hyper, config, run = begin(name)
    step, count = MultimodalVecEnv.step_wait, [0]

    def killed(self):
        count[0] += 1
        if count[0] * hyper.num_envs == 168:
            raise SystemExit
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(MultimodalVecEnv, "step_wait", killed)
        with pytest.raises(SystemExit):
            agent.train(config, hyper, run)
    for folder in run.checkpoints.iterdir():  # a killed process had no time to write the last
        if int(folder.name[5:]) % 64:
            (folder / "manifest.json").unlink()
    damaged = any(not (one / "manifest.json").exists() for one in run.checkpoints.iterdir())
    if damaged:
        with pytest.warns(UserWarning, match="is damaged"):
            agent.train(config, hyper, run, resume=True)
    else:
        agent.train(config, hyper, run, resume=True)
    for file in ("weights.safetensors", "state.npz"):
        one, other = (r.newest_checkpoint() / file for r in (whole, run))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["dqn", "qrdqn", "sac", "td3"])
def test_saved_as_sb3_saves(begin, name, tmp_path, make_batch, tiny):
    agent, hyper, config, _ = begin(name)
    algorithm = agent.build(config, hyper, make_batch(config.env, hyper.num_envs), [])
    assert isinstance(algorithm.policy, MultimodalNetworks)
    assert algorithm.policy._get_constructor_parameters()["model"] == tiny
    algorithm.save(tmp_path / "agent.zip")
    again = agent.Algorithm.load(tmp_path / "agent.zip", device="cpu")
    for one, other in zip(algorithm.policy.parameters(), again.policy.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["dqn", "qrdqn", "sac", "td3"])
def test_networks_see_bytes(begin, name, make_batch):
    agent, hyper, config, _ = begin(name)
    env = make_batch(config.env, hyper.num_envs)
    algorithm = agent.build(config, hyper, env, [])
    seen = []
    for part in algorithm.policy.modules():
        if type(part).__name__ == "MultimodalExtractor":
            part.register_forward_pre_hook(
                lambda _, given: seen.extend(one.dtype for one in given[0].values())
            )
    algorithm.learn(80)
    assert set(seen) == {torch.uint8, torch.int32}
    assert algorithm.env is env


@pytest.mark.parametrize("name", ["sac", "td3"])
def test_continuous_actions_are_learnt(name, reach, make_run, tmp_path, tiny):
    agent, hyper = small(name)
    hyper = replace(
        hyper, num_envs=8, buffer_size=4000, batch_size=64, train_freq=1, gradient_steps=1,
        learning_rate=3e-3, final_learning_rate=1e-3, gamma=0.0, tau=0.05, learning_starts=400,
    )  # fmt: skip
    config, run = make_run(
        tmp_path / "run", env=reach, steps=1600, agent=name,
        model=replace(tiny, fusion="gated", text="bag_of_words", text_args={"width": 8}),
    )  # fmt: skip
    played = play_episodes(agent.train(config, hyper, run), reach, 128, deterministic=True)
    assert played.summary()["mean_return"] > 2.8  # of 4; no action at all has 2


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("dqn", {"buffer_size": 0}, "dqn.buffer_size=0: must be at least 1"),
        ("dqn", {"buffer_size": 3}, "dqn.buffer_size=3: must hold a step of each"),
        ("qrdqn", {"n_quantiles": 0}, "qrdqn.n_quantiles=0"),
        ("td3", {"action_noise": -1.0}, "td3.action_noise=-1.0"),
        ("sac", {"batch_size": 0}, "sac.batch_size=0"),
        ("a2c", {"n_steps": 0}, "a2c.n_steps=0"),
    ],
)
def test_impossible_hyperparameters(begin, name, changes, words):
    agent, hyper, config, run = begin(name)
    with pytest.raises(UserError) as caught:
        agent.train(config, replace(hyper, **changes), run)
    assert words in str(caught.value)


def test_a_replay_larger_than_the_machine(begin, monkeypatch):
    agent, hyper, config, run = begin("dqn")
    monkeypatch.setattr(off_policy, "total_memory", lambda: 1000)
    with pytest.raises(
        UserError, match=r"dqn.buffer_size=200: a replay buffer of 0\.0 GB.*or less"
    ):
        agent.train(config, hyper, run)
    monkeypatch.setattr(off_policy, "total_memory", lambda: None)  # a system that does not say it
    agent.train(config, hyper, run)


@pytest.mark.parametrize(("name", "env"), [("sac", GRID), ("td3", GRID), ("dqn", "reach")])
def test_actions_of_another_kind(begin, name, env, reach, make_run, tmp_path):
    agent, hyper = small(name)
    env = reach if env == "reach" else env
    config, run = make_run(tmp_path / "other", env=env, agent=name)
    kind, able = ("Discrete", "a2c, ppo, sac and td3") if name == "dqn" else ("Box", "a2c, dqn, ")
    match = f"agent {name!r} takes {kind} actions, and {env} has .*: {able}.* can act there"
    with pytest.raises(UserError, match=match):
        agent.train(config, hyper, run)


def test_a2c_learns_the_same_as_sb3s(make_batch, tiny):
    import stable_baselines3

    from mmrl_agents.algorithms.a2c import A2C
    from mmrl_agents.networks.policy import MultimodalPolicy

    weights = []
    for kind in (A2C, stable_baselines3.A2C):
        algorithm = kind(
            MultimodalPolicy, make_batch(), n_steps=8, seed=2, device="cpu", use_rms_prop=False,
            policy_kwargs={"model": tiny},
        )  # fmt: skip
        algorithm.learn(256)
        weights.append([w.detach().numpy() for w in algorithm.policy.parameters()])
    for one, other in zip(*weights, strict=True):
        assert np.allclose(one, other, atol=1e-4)
    assert SB3Actor(algorithm.policy, algorithm.env.venv.preprocessing).policy is algorithm.policy

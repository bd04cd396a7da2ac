"""Agents train, evaluate, show and collect in environments with any action space."""

import functools
from dataclasses import asdict, replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.cli import main
from mmrl.data import ActorSource, Request, collect, find_place, open_dataset
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.experiment.env_info import env_info
from mmrl.experiment.run import Run
from mmrl.registry import find_agent
from mmrl.viz.clips import record_clip
from mmrl.wrappers.actions import adapt_actions
from mmrl_agents.algorithms.checks import check_actions
from mmrl_agents.networks.policy import MultimodalPolicy
from tests.mmrl.wrappers.action_spaces import SPACES

KINDS = {
    "start": spaces.Discrete(3, start=1),
    "starts": spaces.MultiDiscrete([[2, 3]], start=[[1, -1]]),
    "binary": spaces.MultiBinary([2, 2]),
    "infinite": spaces.Box(-np.inf, np.inf, (2, 3), np.float32),
    "large": spaces.Box(0, 1000, (), np.float64),
    "bytes": spaces.Box(0, 255, (2,), np.uint8),
    "continuous": spaces.Dict(arm=spaces.Box(-1, 1, (2,)), gas=spaces.Box(0, 5, ())),
    "mixed": spaces.Tuple([spaces.Box(0, np.inf, (2,)), spaces.Dict(go=spaces.Discrete(3))]),
}
SMALL = {
    "ppo": {"num_envs": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 1},
    "a2c": {"num_envs": 4, "n_steps": 16},
    "other": {"num_envs": 4, "buffer_size": 100, "learning_starts": 16, "batch_size": 8,
              "train_freq": 8, "gradient_steps": 1},
}  # fmt: skip


class Insisting(gym.Env):
    """Insists on an action of its space; three steps an episode."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (16, 16, 3), np.uint8), instruction=spaces.Text(9)
    )

    def __init__(self, kind, render_mode=None):
        self.action_space = KINDS[kind]
        self.render_mode = render_mode

    def look(self):
        return {"image": np.full((16, 16, 3), self.steps, np.uint8), "instruction": "do"}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.look(), {}

    def step(self, action):
        if action not in self.action_space:
            raise ValueError(f"{action!r} is not in {self.action_space}")
        self.steps += 1
        return self.look(), 1.0, self.steps == 3, False, {}

    def render(self):
        raise RuntimeError("could not create a GL context")


class Asking(Insisting):
    """Insists on an action of a space that it is given."""

    def __init__(self, space):
        self.action_space, self.render_mode = space, None


for _kind in KINDS:
    gym.register(
        f"test/Insisting-{_kind}-v0",
        functools.partial(Insisting, _kind),
        disable_env_checker=True,
    )


@pytest.fixture(scope="module")
def tiny_policy(tiny):
    """Makes a tiny policy for an action space."""
    observation = spaces.Dict(
        image=spaces.Box(0, 255, (16, 16, 3), np.uint8),
        instruction=spaces.Box(0, 9, (10,), np.int32),
    )
    return lambda action: MultimodalPolicy(observation, action, lambda _: 1e-3, model=tiny)


@pytest.fixture
def begin(make_run, tmp_path):
    """An agent that is yet to be trained: its class, hyperparameters, configuration and run."""

    def make(name, kind, steps=64, **changes):
        agent = find_agent(name)
        hyper = agent.Config(**SMALL.get(name, SMALL["other"]))
        env = f"test/Insisting-{kind}-v0"
        config, run = make_run(tmp_path / "run", env=env, agent=name, steps=steps, **changes)
        run.config.pop("ppo")
        run.resume({**run.config, name: asdict(hyper)})
        return agent, hyper, config, run

    return make


@pytest.mark.filterwarnings("ignore:.*clips show the observations only")
@pytest.mark.parametrize("kind", KINDS)
def test_any_action_space(kind, begin, tmp_path):
    agent, hyper, config, run = begin("ppo", kind, clip_every=32)
    agent.train(config, hyper, run)
    actor = agent.load(Run.open(run.path))
    assert play_episodes(actor, config.env, 4).returns.tolist() == [3.0] * 4
    assert len(record_clip(actor, config.env, seed=0).frames) == 4
    pytest.importorskip("minari")
    path = str(tmp_path / "data")
    request = Request(config.env, 3, "ppo", num_envs=2)
    collect(request, lambda: ActorSource(actor), find_place(path))
    rollouts = open_dataset(path)
    assert rollouts.spaces.action == env_info(None, config).action_space
    assert [len(one) for one in rollouts] == [3, 3, 3]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a2c", "mixed"), ("dqn", "start"), ("qrdqn", "start"), ("sac", "infinite"), ("td3", "large")],
)
def test_other_agents(name, kind, begin):
    agent, hyper, config, run = begin(name, kind, steps=32)
    agent.train(config, hyper, run)
    actor = agent.load(Run.open(run.path))
    assert play_episodes(actor, config.env, 2).returns.tolist() == [3.0, 3.0]


@settings(max_examples=15, deadline=None)
@given(SPACES, st.integers(0, 1000))
def test_a_policy_for_any_action_space(tiny_policy, space, seed):
    batch = SyncVectorEnv([lambda: adapt_actions(Asking(space))[0]] * 2)
    policy = tiny_policy(batch.single_action_space)
    torch.manual_seed(seed)
    batch.reset(seed=seed)
    seen = {"image": np.zeros((2, 16, 16, 3), np.uint8), "instruction": np.ones((2, 10), np.int32)}
    for deterministic in (True, False):
        actions, _ = policy.predict(seen, deterministic=deterministic)
        batch.step(actions)
    evaluated = policy.evaluate(policy.obs_to_tensor(seen)[0], torch.from_numpy(actions))
    assert evaluated.log_probs.isfinite().all()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("dqn", "infinite", r"takes Discrete actions, and .* has Box\(6\) from -1 to 1: a2c, ppo, "
         "sac and td3 can act there, and dqn with --env-adapter.discrete-actions 3$"),
        ("td3", "mixed", r"takes Box actions, and .* has MultiDiscrete\(\[11, 11, 3\]\): a2c and "
         "ppo can act there$"),
        ("imagination", "binary", "takes Discrete actions, .*: a2c and ppo can act there, and "
         "imagination with --env-adapter.discrete-actions 5$"),
    ],
)  # fmt: skip
def test_an_agent_that_cannot_act(name, kind, message, make_run, tmp_path):
    agent = find_agent(name)
    config, run = make_run(tmp_path / "run", env=f"test/Insisting-{kind}-v0", agent=name)
    with pytest.raises(UserError, match=f"agent {name!r} {message}"):
        agent.train(config, agent.Config(), run)


def test_a_run_whose_actions_were_not_adapted(begin):
    agent, hyper, config, run = begin("sac", "large")
    info = replace(env_info(None, config), action_space=KINDS["large"])
    info.save(run.path)
    with pytest.raises(UserError, match=r"run was trained to act in Box\(\) from 0 to 1000"):
        agent.train(config, hyper, Run.open(run.path))
    check_actions(config, spaces.Box(-1, 1, (1,), np.float32), agent.actions)


@pytest.mark.filterwarnings("ignore:environment test/Insisting.* render")
def test_commands(tmp_path):
    pytest.importorskip("minari")
    env, run, gif = "test/Insisting-mixed-v0", tmp_path / "run", tmp_path / "clip.gif"
    model = ["--model.image_args", "{width: 8}", "--model.text", "bag_of_words"]
    size = ["--ppo.num_envs", "4", "--ppo.n_steps", "16", "--ppo.batch_size", "32"]
    more = ["--steps", "64", "--device", "cpu", "--eval_episodes", "4", "--controls", "false"]
    assert main(["train", "--env", env, "--out", str(run), *model, *size, *more]) == 0
    assert main(["clip", str(run), "--out", str(gif), "--episodes", "1"]) == 0
    assert main(["eval", str(run), "--episodes", "4"]) == 0
    for number, by in enumerate(["random", str(run)]):
        out = str(tmp_path / f"data{number}")
        assert main(["collect", env, "--episodes", "3", "--by", by, "--out", out]) == 0
        assert open_dataset(out)[0].actions.shape == (3, 3)


def test_a_replay_buffer_for_which_there_is_no_memory(begin):
    agent, hyper, config, run = begin("dqn", "start")
    hyper = replace(hyper, buffer_size=10**12)
    with pytest.raises(UserError, match=r"^dqn.buffer_size=1000000000000: no memory for the repl"):
        agent.train(config, hyper, run)


@pytest.mark.parametrize(("name", "kind"), [("dqn", "mixed"), ("qrdqn", "infinite")])
def test_discrete_actions(name, kind, begin):
    agent, hyper, config, run = begin(name, kind, env_adapter={"discrete_actions": 2})
    agent.train(config, hyper, run)
    actor = agent.load(Run.open(run.path))
    count = {"mixed": 2 * 2 * 3, "infinite": 2**6}[kind]
    assert env_info(None, config).action_space == spaces.Discrete(count)
    assert play_episodes(actor, config.env, 2, env_args=config.env_args).returns.tolist() == [3, 3]


@pytest.mark.filterwarnings("ignore:.*an episode did not end within")
def test_discrete_actions_by_command(tmp_path, capsys):
    """An environment of Gymnasium's own: refused with the option that helps, and then trained."""
    pytest.importorskip("minari")
    run = tmp_path / "run"
    sizes = ["--dqn.num-envs", "2", "--dqn.learning-starts", "8", "--dqn.batch-size", "4"]
    more = ["--steps", "32", "--device", "cpu", "--eval-episodes", "2", "--controls", "false"]
    dqn = ["train", "--env", "Pendulum-v1", "--agent", "dqn", "--out", str(run), *sizes, *more]
    assert main(dqn) == 2
    said = capsys.readouterr().err
    assert "has Box(1) from -1 to 1: a2c, ppo, sac and td3 can act there" in said
    option = said.rstrip().split(" with ")[1].split()
    assert option == ["--env-adapter.discrete-actions", "5"]
    assert main([*dqn, *option]) == 0
    table = " ".join(capsys.readouterr().out.split())
    assert "actions Box(1) from -2 to 2 Discrete(5) discretised into 5 values each" in table
    assert main(["eval", str(run), "--episodes", "1"]) == 0
    data = str(tmp_path / "data")
    by_run = ["--by", str(run), "--episodes", "2", "--max-episode-steps", "5", "--out", data]
    assert main(["collect", "Pendulum-v1", *by_run]) == 0  # with the adapter of the run
    assert open_dataset(data).spaces.action == spaces.Discrete(5)
    capsys.readouterr()
    assert main([*dqn, "--env-adapter.discrete-actions", "5000", "--out", str(run) + "2"]) == 2
    said = capsys.readouterr().err
    assert "env_adapter.discrete_actions=5000: environment 'Pendulum-v1': " in said
    assert "has 5,000 combinations, and may have at most 4,096" in said
    assert main(["check-env", "Pendulum-v1", *option, "--steps", "3"]) == 0
    assert "Discrete(5)" in capsys.readouterr().out

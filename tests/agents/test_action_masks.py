"""Agents choose valid actions only, where an environment has action masks: it raises otherwise."""

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import worlds.masked
from gymnasium import spaces
from worlds.masked import PRESS

import mmrl
from mmrl.cli import main
from mmrl.data import ActorSource, RandomSource
from mmrl.data.play import play
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.experiment.checkpoint import read_checkpoint
from mmrl.experiment.env_info import env_info
from mmrl.experiment.run import Run
from mmrl.models.config import ModelConfig
from mmrl.registry import find_agent
from mmrl.viz.clips import record_clip
from mmrl.viz.window.player import Player
from mmrl.viz.window.session import Session
from mmrl_agents.algorithms.dqn import DQN, DQNPolicy
from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.vec_env import MultimodalVecEnv

STATE = ModelConfig(features=16, fusion="concat")
SMALL = {
    "ppo": {"num_envs": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 1},
    "a2c": {"num_envs": 4, "n_steps": 16},
    "dqn": {"num_envs": 4, "buffer_size": 100, "learning_starts": 24, "batch_size": 8,
            "train_freq": 8, "gradient_steps": 1},
}  # fmt: skip
SMALL["qrdqn"] = {**SMALL["dqn"], "n_quantiles": 3}


@pytest.fixture
def train(make_run, tmp_path):
    """Trains an agent in an environment: the agent's class, configuration and run."""

    def make(name, env_id, steps=64, folder="run", **changes):
        agent = find_agent(name)
        hyper = agent.Config(**SMALL[name])
        settings = {"env": env_id, "agent": name, "steps": steps, "model": STATE, **changes}
        config, run = make_run(tmp_path / folder, **settings)
        run.config.pop("ppo")
        run.resume({**run.config, name: asdict(hyper)})
        agent.train(config, hyper, run)
        return agent, config, run

    return make


@pytest.mark.parametrize(
    ("name", "kind"),
    [("ppo", "Info"), ("ppo", "Levers"), ("a2c", "Method"), ("dqn", "Entry"), ("qrdqn", "Info"),
     ("ppo", "Parts")],
)  # fmt: skip
def test_training_and_playing(name, kind, train):
    agent, config, run = train(name, f"masked/{kind}-v0")
    actor = agent.load(Run.open(run.path))
    assert "action_mask" in actor.policy.observation_space.spaces
    for deterministic in (False, True):
        play_episodes(actor, config.env, 8, deterministic=deterministic)


@pytest.mark.filterwarnings("ignore:.*clips show the observations only")
def test_clips_episodes_and_play_by_hand(train, tiny):
    agent, config, run = train("ppo", "masked/Contract-v0", model=tiny)
    actor = agent.load(run)
    assert len(record_clip(actor, config.env, seed=0).frames) > 1
    batch = mmrl.make_vec_env(config.env, 4)
    for source in (ActorSource(actor), RandomSource()):
        recordings = play(batch, source, range(4), 4)
        assert all(one.is_over for one in recordings)
        assert [*recordings[0].frames, *recordings[0].vectors] == ["image"]
    batch.close()
    player = Player(Session(config.env, {}, 0))
    assert not player.press(str(PRESS + 1))
    assert [key for key, name in player.scene().keys if name == f"action {PRESS}"] == []
    for _ in range(worlds.masked.CELLS):
        player.press("2")
    assert player.press(str(PRESS + 1))
    assert player.session.is_over


def test_the_command_on_taxi(tmp_path, monkeypatch):
    from gymnasium.envs.toy_text.taxi import TaxiEnv

    step, wrong = TaxiEnv.step, []

    def stepping(self, action):
        wrong.append(not self.action_mask(self.s)[action])
        return step(self, action)

    monkeypatch.setattr(TaxiEnv, "step", stepping)
    arguments = ["--env", "Taxi-v4", "--out", str(tmp_path / "run"), "--steps", "192",
                 "--ppo.num-envs", "4", "--ppo.n-steps", "16", "--eval-episodes", "2",
                 "--clip-every", "0", "--device", "cpu",
                 "--env-args.max_episode_steps", "20"]  # fmt: skip
    assert main(["train", *arguments]) in (0, None)
    assert len(wrong) > 192
    assert not any(wrong)
    info = json.loads((tmp_path / "run" / "env_info.json").read_text())
    assert ["info.action_mask", "int8 [6]"] in [row[:2] for row in info["adaptation"]]


class Killed(BaseException):
    """What no code catches."""


@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_it_resumes_exactly(name, train, stop, tmp_path):
    agent, config, whole = train(name, "masked/Info-v0", 128, "whole", checkpoint_every=64)
    stop(26, Killed())  # after 104 steps
    with pytest.raises(Killed):
        train(name, "masked/Info-v0", 128, "killed", checkpoint_every=64)
    run = Run.open(tmp_path / "killed")
    if run.newest_checkpoint().name != "step_64":
        shutil.rmtree(run.newest_checkpoint())  # for which it had no time
    assert run.newest_checkpoint().name == "step_64"
    hyper = agent.Config(**SMALL[name])
    agent.train(replace(config, out=str(run.path)), hyper, run, resume=True)
    ends = [read_checkpoint(one.newest_checkpoint()) for one in (whole, run)]
    assert ends[0].steps == ends[1].steps == 128
    for key, weight in ends[0].weights.items():
        assert torch.equal(weight, ends[1].weights[key]), key


def test_an_agent_is_given_masks_outside_an_environment(train):
    _, _, run = train("ppo", "masked/Info-v0")
    agent = mmrl.load_agent(str(run.path))
    observation = {"state": np.eye(4, dtype=np.float32)[0]}
    for mask in ([False, False, True], [1, 0, 0]):
        chosen = {agent.predict(observation, action_masks=mask) for _ in range(20)}
        assert chosen == {int(np.argmax(mask))}
    assert len({agent.predict(observation) for _ in range(60)}) == 3  # all are valid
    batch = {"state": np.eye(4, dtype=np.float32)}
    assert agent.predict(batch, action_masks=[[0, 1, 0]] * 4).tolist() == [1] * 4
    with pytest.raises(UserError, match="'action_mask' has shape"):
        agent.predict(observation, action_masks=[1, 0])


@pytest.fixture
def batch():
    """Four corridors for SB3's classes."""
    env = MultimodalVecEnv(mmrl.make_vec_env("masked/Info-v0", 4), None)
    yield env
    env.close()


def test_sb3s_predict_takes_masks(batch, tmp_path):
    kwargs = {"policy_kwargs": {"model": STATE}, "device": "cpu", "seed": 0}
    PPO(MultimodalPolicy, batch, n_steps=8, batch_size=32, **kwargs).save(tmp_path / "agent")
    agent = PPO.load(tmp_path / "agent")
    one = {"state": np.eye(4, dtype=np.float32)[1]}
    assert agent.predict(one, action_masks=[0, 0, 1])[0] == 2
    many = {"state": np.eye(4, dtype=np.float32)}
    assert agent.predict(many, action_masks=np.eye(3)[[0, 1, 2, 1]])[0].tolist() == [0, 1, 2, 1]
    assert agent.predict(many)[0].shape == (4,)
    for wrong in ([0, 1], [[0, 0, 1]]):
        with pytest.raises(UserError, match=r"action_masks of shape .* must be \[3\]"):
            agent.predict(one, action_masks=wrong)
    space = spaces.Dict(state=batch.observation_space["state"])
    policy = MultimodalPolicy(space, batch.action_space, lambda _: 0.0, model=STATE)
    agent.policy, agent.observation_space = policy, space
    with pytest.raises(UserError, match="trained without action masks"):
        agent.predict(one, action_masks=[0, 0, 1])


def test_the_rollout_keeps_the_masks_that_actions_were_chosen_by(batch):
    agent = PPO(MultimodalPolicy, batch, n_steps=16, batch_size=64, n_epochs=1, device="cpu",
                policy_kwargs={"model": STATE}, seed=0)  # fmt: skip
    agent.learn(64)
    rollout = agent.rollout_buffer
    (whole,) = rollout.get()
    valid = whole.observations["action_mask"].gather(1, whole.actions.long())
    assert valid.dtype == torch.int8
    assert valid.all()
    assert not whole.observations["action_mask"].all()


def test_the_target_of_dqn_is_the_best_valid_action(batch):
    agent = DQN(DQNPolicy, batch, buffer_size=64, learning_starts=16, batch_size=16,
                device="cpu", policy_kwargs={"model": STATE}, seed=0)  # fmt: skip
    agent.learn(32)
    stored = agent.replay_buffer.sample(64)
    assert stored.observations["action_mask"].gather(1, stored.actions).all()
    following = stored.next_observations
    values = agent.q_net_target(following)
    without = {key: one for key, one in following.items() if key != "action_mask"}
    free = agent.q_net_target(without)
    mask = following["action_mask"].bool()
    best = torch.where(mask, free, -torch.inf).max(1).values
    torch.testing.assert_close(values.max(1).values, best)
    assert (best < free.max(1).values).any()
    agent.exploration_rate = 1.0
    masks = np.eye(3, dtype=np.int8)[[0, 1, 2, 0]]
    seen = {"state": np.eye(4, dtype=np.float32), "action_mask": masks}
    assert agent.predict(seen)[0].tolist() == [0, 1, 2, 0]


def test_an_agent_without_masks_says_so(train, make_run, tmp_path, capsys):
    agent, hyper = find_agent("ppo"), find_agent("ppo").Config(**SMALL["ppo"])

    class Careless(agent):
        masks = False

    config, run = make_run(tmp_path / "run", env="masked/Info-v0", steps=64, model=STATE)
    with pytest.raises(UserError, match="ImpossibleError"):
        Careless.train(config, hyper, run)
    said = capsys.readouterr().err
    assert "action masks are not used: agent 'ppo' has none; " in said
    assert "dqn" in said


def test_a_run_from_before_there_were_masks_is_resumed_without(batch, make_run, tmp_path):
    agent, hyper = find_agent("ppo"), find_agent("ppo").Config(**SMALL["ppo"])
    config, run = make_run(tmp_path / "run", env="masked/Info-v0", steps=64, model=STATE)
    info = env_info(None, config)
    less = spaces.Dict(state=info.observation_space["state"])
    replace(info, observation_space=less).save(run.path)
    with pytest.raises(UserError, match="ImpossibleError"):  # it plays as it did
        agent.train(config, hyper, run)
    without = MultimodalVecEnv(batch.env, None, masks=False)
    assert without.observation_space == less

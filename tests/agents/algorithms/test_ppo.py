"""Our PPO: stable-baselines3's numbers, and a memory that carries what was seen."""

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from mmrl.errors import UserError
from mmrl.models.config import ModelConfig
from mmrl_agents.actor import SB3Actor
from mmrl_agents.algorithms.ppo import PPO, PPOAgent, PPOConfig
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.team import ALONE

SETTINGS = {"n_steps": 16, "batch_size": 64, "n_epochs": 2, "seed": 1, "device": "cpu"}


def make(kind, env, model, **settings):
    kwargs = {"model": model, **settings.pop("policy", {})}
    algorithm = kind(MultimodalPolicy, env, policy_kwargs=kwargs, **{**SETTINGS, **settings})
    algorithm.set_logger(Logger(None, []))
    return algorithm


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"clip_range_vf": 0.1, "ent_coef": 0.1, "normalize_advantage": False},
        {"target_kl": 1e-5},
    ],
)
def test_as_sb3(settings, make_batch, tiny):
    """Same seed and environments, episodes cut short included: the same weights and logs."""

    def learn(kind):
        algorithm = make(kind, make_batch(num_envs=8, max_steps=9), tiny, **settings)
        return algorithm.learn(256)

    theirs, ours = learn(stable_baselines3.PPO), learn(PPO)
    for one, other in zip(theirs.policy.parameters(), ours.policy.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-2, atol=1e-4)
    logged, expected = ours.logger.name_to_value, theirs.logger.name_to_value
    assert logged.keys() - {"time/episodes"} == expected.keys()
    for name in expected:
        if name.startswith(("train", "rollout")):
            assert logged[name] == pytest.approx(expected[name], rel=1e-2, abs=1e-5), name
    assert ours._n_updates == theirs._n_updates


def test_small_advantages_stay_small_where_a_least_deviation_is_given():
    normalized = ALONE.normalized
    small, large = torch.tensor([0.01, -0.01, 0.02, 0.0]), torch.tensor([1.0, -1.0, 2.0, 0.0])
    torch.testing.assert_close(normalized(small, 0.1), (small - small.mean()) / 0.1)
    torch.testing.assert_close(normalized(large, 0.1), normalized(large))
    torch.testing.assert_close(normalized(small), normalized(large))
    with pytest.raises(UserError, match="ppo.min_advantage_std=-0.1: must be at least 0"):
        PPOAgent.check(PPOConfig(min_advantage_std=-0.1))


def test_the_least_deviation_reaches_the_updates(make_batch, tiny):
    """An update hardly moves the policy where nothing but noise of the values is to be learnt."""

    def moved(least):
        algorithm = make(
            PPO, make_batch(num_envs=8, max_steps=9), tiny, min_advantage_std=least, ent_coef=0.0
        ).learn(128)
        return algorithm.logger.name_to_value["train/approx_kl"]

    assert moved(1e6) < moved(0.0) / 2


def test_the_weight_of_the_entropy_changes_linearly(make_batch, tiny):
    weights = []

    class Weights(BaseCallback):
        def _on_rollout_start(self):
            weights.append(self.model._entropy_weight)

        def _on_step(self):
            return True

    algorithm = make(PPO, make_batch(), tiny, ent_coef=0.1, final_ent_coef=0.02)
    algorithm.learn(256, callback=Weights())
    assert weights == pytest.approx([0.1, 0.08, 0.06, 0.04])
    assert algorithm.logger.name_to_value["train/ent_coef"] == pytest.approx(0.02)
    plain = make(PPO, make_batch(), tiny, ent_coef=0.1)
    plain.learn(128)
    assert plain._entropy_weight == 0.1
    assert "train/ent_coef" not in plain.logger.name_to_value


def test_callbacks_find_what_sb3_shows_them(make_batch, tiny):
    names = {"actions", "rewards", "dones", "infos", "new_obs", "values", "log_probs", "obs_tensor"}

    class Curious(BaseCallback):
        def _on_step(self):
            assert names <= set(self.locals)
            return self.num_timesteps < 50

    algorithm = make(PPO, make_batch(num_envs=8), tiny)
    algorithm.learn(512, callback=Curious())
    assert algorithm.num_timesteps == 56


def test_what_was_cut_is_estimated(make_batch, tiny):
    """Rewards of episodes at their time limit, all at once, as SB3 does it one by one."""
    algorithm = make(PPO, make_batch(num_envs=4, max_steps=1), tiny)
    env = algorithm.get_env()
    env.seed(1)
    env.reset()
    _, rewards, dones, infos = env.step(np.full(4, 6))
    assert dones.all()
    before = rewards.copy()
    algorithm._bootstrap_truncated(rewards, dones, infos)
    for e in range(4):
        last = {k: torch.from_numpy(v[None]) for k, v in infos[e]["terminal_observation"].items()}
        with torch.no_grad():
            value = algorithm.policy.predict_values(last).item()
        cut = infos[e]["TimeLimit.truncated"]
        assert rewards[e] == pytest.approx(before[e] + cut * algorithm.gamma * value, abs=1e-6)


class Recall(gym.Env):
    """A colour is shown once; three black frames later the action of that colour earns 1."""

    def __init__(self, render_mode=None):
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (16, 16, 3), np.uint8),
                "instruction": spaces.Text(30, charset="recal "),
            }
        )
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.colour = 0, int(self.np_random.integers(2))
        return self.look(), {}

    def step(self, action):
        self.steps += 1
        over = self.steps == 4
        return self.look(), float(over and action == self.colour), over, False, {}

    def look(self):
        image = np.zeros((16, 16, 3), np.uint8)
        if self.steps == 0:
            image[..., self.colour] = 255
        return {"image": image, "instruction": "recall"}


@pytest.fixture
def recall():
    if "test/Recall-v0" not in gym.registry:
        gym.register("test/Recall-v0", Recall)
    return "test/Recall-v0"


def success(algorithm, env, episodes=200):
    """Rate of successes of a trained agent that carries its state, as SB3's users do."""
    env.seed(5)
    observation, state = env.reset(), None
    starts, outcomes = np.ones(env.num_envs, bool), []
    while len(outcomes) < episodes:
        actions, state = algorithm.predict(observation, state, starts, deterministic=True)
        observation, rewards, starts, _ = env.step(actions)
        outcomes += rewards[starts].tolist()
    return np.mean(outcomes)


@pytest.mark.parametrize(
    ("memory", "args", "reaches"),
    [
        (None, {}, False),
        ("lstm", {"size": 16}, True),
        ("gru", {"size": 16}, True),
        ("frame_stack", {"frames": 4}, True),
        ("frame_stack", {"frames": 3}, False),  # one frame too short
    ],
)
def test_only_a_memory_that_reaches_back_recalls(memory, args, reaches, recall, make_batch):
    model = ModelConfig(
        image_args={"width": 4}, text="bag_of_words", text_args={"width": 8}, fusion="concat",
        features=16,
    )  # fmt: skip
    env = make_batch(recall, num_envs=16)
    settings = {"learning_rate": 1e-2, "n_epochs": 2, "ent_coef": 0.05}  # without, some collapse
    if memory in ("lstm", "gru"):  # they learn more slowly
        settings = {"learning_rate": 5e-3, "n_epochs": 4, "ent_coef": 0.01}
    policy = {"memory": memory, "memory_args": args}
    algorithm = make(PPO, env, model, policy=policy, **settings)
    algorithm.learn(2560)
    rate = success(algorithm, env)
    assert rate > 0.95 if reaches else rate < 0.75


@pytest.mark.parametrize("memory", ["lstm", "frame_stack"])
def test_an_actor_remembers_until_episodes_begin(memory, make_batch, tiny, observations, tmp_path):
    algorithm = make(PPO, make_batch(), tiny, policy={"memory": memory})
    algorithm.save(tmp_path / "agent.zip")
    loaded = PPO.load(tmp_path / "agent.zip", device="cpu")
    actor = SB3Actor(loaded.policy, algorithm.get_env().preprocessing)
    seen = observations("mmrl/GoToObjS4-v0", 4)
    actor.begin(4)
    first = actor.probabilities(seen)
    assert np.array_equal(actor.probabilities(seen), first)  # asking changes nothing
    actor.act(seen, deterministic=True)
    assert not np.array_equal(actor.probabilities(seen), first)
    actor.begin(4)
    assert np.array_equal(actor.probabilities(seen), first)


def test_a_batch_that_cuts_rollouts(make_batch, tiny):
    with pytest.raises(ValueError, match="batch_size=24: with a memory.*n_steps=16"):
        make(PPO, make_batch(num_envs=6), tiny, policy={"memory": "gru"}, batch_size=24)


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, 512),
        ({"num_envs": 8}, 256),
        ({"num_envs": 6, "n_steps": 100}, 300),
        ({"num_envs": 9, "n_steps": 60}, 270),
        ({"num_envs": 9, "n_steps": 60, "memory": {"kind": "gru"}}, 180),
        ({"num_envs": 4, "n_steps": 600, "memory": "lstm"}, 600),
        ({"num_envs": 1, "n_steps": 521}, 521),  # a prime number
        ({"num_envs": 8, "batch_size": 32}, 32),
    ],
)
def test_the_default_batch_size_follows(changes, size):
    hyper = PPOConfig(**changes)
    assert hyper.batch_size == size
    PPOAgent.check(hyper)


def test_a_batch_size_that_is_given_is_checked():
    with pytest.raises(UserError, match=r"ppo\.batch_size=512 must divide .* 8 · 32 = 256"):
        PPOAgent.check(PPOConfig(num_envs=8, batch_size=512))

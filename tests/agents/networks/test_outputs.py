"""A policy's outputs are those that it acts by; attention is a distribution over what is there."""

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, DQN, SAC

import mmrl
from mmrl.agent import policy_outputs
from mmrl.evaluation.player import EpisodePlayer
from mmrl_agents.networks.outputs import compute_outputs

GRID = "mmrl/GoToObjS4-v0"
SMALL = {
    "device": "cpu", "clip_every": 0, "eval_episodes": 0, "verbose": False, "record_mb": 0,
}  # fmt: skip
MODEL = {"image_args": {"width": 8}, "text_args": {"width": 8, "layers": 1, "heads": 2},
         "features": 8}  # fmt: skip
PPO = {"num_envs": 2, "n_steps": 16, "batch_size": 32, "n_epochs": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trains for a few steps, once for each configuration."""
    known = {}

    def train(agent="ppo", fusion="film", env=GRID, **hyper):
        key = (agent, fusion, env, *sorted(hyper.items()))
        if key not in known:
            out = tmp_path_factory.mktemp("runs") / "run"
            own = {**PPO, **hyper} if agent == "ppo" else hyper
            known[key] = mmrl.train(
                env, steps=32, out=out, agent=agent, model={**MODEL, "fusion": fusion},
                **{agent: own}, **SMALL,
            ).agent  # fmt: skip
        return known[key]

    return train


def look(agent, count=3, env=GRID):
    batch = mmrl.make_vec_env(env, count)
    observation, _ = batch.reset(seed=5)
    batch.close()
    return observation


def test_probabilities_and_values_of_an_actor_critic(trained):
    agent = trained()
    observation = look(agent)
    outputs = policy_outputs(agent, observation)
    shares = outputs.numbers["probabilities"]
    assert shares.shape == (3, 7)
    assert shares.sum(1) == pytest.approx(np.ones(3), abs=1e-5)
    assert agent.act(observation, deterministic=True).tolist() == shares.argmax(1).tolist()
    obs, _ = agent.actor.policy.obs_to_tensor(agent.actor._encode(observation))
    with torch.no_grad():
        values = agent.actor.policy.predict_values(obs).flatten()
    assert outputs.numbers["value"] == pytest.approx(values.numpy(), abs=1e-5)
    assert outputs.words == ()
    assert outputs.modalities == []


def test_the_memory_is_that_of_the_episode(trained):
    agent = trained(memory="gru")
    observation = look(agent)
    agent.begin(3)
    first = policy_outputs(agent, observation).numbers["value"]
    again = policy_outputs(agent, observation).numbers["value"]
    assert first == pytest.approx(again)  # to look leaves the memory as it is
    agent.act(observation, deterministic=True)
    later = policy_outputs(agent, observation).numbers["value"]
    assert np.abs(later - first).max() > 1e-6


def test_attention_over_cells_and_words(trained):
    agent = trained(fusion="cross_attention")
    outputs = policy_outputs(agent, look(agent))
    image, words = (outputs.numbers[f"attention_{name}"] for name in ("image", "words"))
    assert image.ndim == 3
    assert (image >= 0).all()
    assert (image.sum((1, 2)) <= 1 + 1e-5).all()  # the rest is the null token's
    for row, sentence in zip(words, outputs.words, strict=True):
        assert row[len(sentence) :] == pytest.approx(0)  # padding
        assert 0 < row.sum() <= 1 + 1e-5
    assert outputs.words[0][0] == "·"  # the start mark
    assert " ".join(outputs.words[0][1:]) == look(agent)["instruction"][0]


@pytest.mark.parametrize("fusion", ["gated", "weighted_sum"])
def test_weights_of_modalities(trained, fusion):
    agent = trained(fusion=fusion)
    outputs = policy_outputs(agent, look(agent))
    weights = outputs.numbers["modality_weights"]
    assert weights.shape == (3, 2)
    assert weights.sum(1) == pytest.approx(np.ones(3), abs=1e-5)
    assert set(outputs.modalities) == {"image", "instruction"}


def test_action_values(trained):
    agent = trained(agent="dqn", num_envs=2, buffer_size=200, learning_starts=1000)
    observation = look(agent)
    numbers = policy_outputs(agent, observation).numbers
    assert numbers["q_values"].shape == (3, 7)
    assert numbers["q_values"].max(1) == pytest.approx(numbers["value"])
    best = agent.act(observation, deterministic=True)
    assert best.tolist() == numbers["q_values"].argmax(1).tolist()


def test_quantiles_and_states_alone(trained):
    agent = trained("qrdqn", env="CartPole-v1", num_envs=2, buffer_size=200, learning_starts=1000)
    record = EpisodePlayer("CartPole-v1").play(agent, seed=0)
    assert record.numbers["q_values"].shape == (len(record.rewards), 2)


@pytest.mark.parametrize(
    ("kind", "env", "names"),
    [
        (A2C, "CartPole-v1", {"value", "probabilities"}),
        (A2C, "Pendulum-v1", {"value", "action_mean", "action_std"}),
        (DQN, "CartPole-v1", {"value", "q_values"}),
        (SAC, "Pendulum-v1", set()),
    ],
)
def test_policies_of_plain_sb3(kind, env, names):
    policy = kind("MlpPolicy", env, device="cpu").policy
    obs, _ = policy.obs_to_tensor(np.stack([policy.observation_space.sample() for _ in range(4)]))
    outputs = compute_outputs(policy, obs)
    assert set(outputs.numbers) == names
    assert all(len(one) == 4 for one in outputs.numbers.values())

"""The policy is one of stable-baselines3's, and leaves frames and weights as they are."""

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecTransposeImage

from mmrl.models.build import build_model
from mmrl.models.inputs import ModelInputs
from mmrl_agents.actor import SB3Actor
from mmrl_agents.networks.policy import MultimodalPolicy


@pytest.fixture
def make_ppo(make_batch, tiny_bert):
    def make(env=None, **policy_kwargs):
        return PPO(
            MultimodalPolicy,
            env or make_batch(),
            n_steps=8,
            batch_size=16,
            n_epochs=1,
            seed=0,
            device="cpu",
            policy_kwargs={"model": tiny_bert, **policy_kwargs},
        )

    return make


def record_frames(policy):
    seen = []
    policy.features_extractor.model.register_forward_pre_hook(
        lambda module, args: seen.append(
            (
                args[0]["image"].dtype,
                tuple(args[0]["image"].shape[1:]),
                args[0]["instruction"].dtype,
            )
        )
    )
    return seen


def test_frames_reach_the_model_as_bytes(make_ppo, make_batch):
    ppo = make_ppo()
    seen = record_frames(ppo.policy)
    observation = make_batch().reset()
    ppo.predict(observation)
    ppo.learn(32)
    assert len(seen) > 10
    assert set(seen) == {(torch.uint8, (3, 56, 56), torch.int32)}
    assert ppo.rollout_buffer.observations["image"].dtype == np.uint8
    assert ppo.rollout_buffer.observations["instruction"].dtype == np.int32


def test_features_are_computed_once_a_step(make_ppo, make_batch):
    ppo = make_ppo()
    observation, _ = ppo.policy.obs_to_tensor(make_batch().reset())
    seen = record_frames(ppo.policy)
    ppo.policy(observation)
    ppo.policy.evaluate_actions(observation, torch.zeros(4))
    assert len(seen) == 2


def test_methods_agree(make_ppo, make_batch):
    ppo = make_ppo()
    ppo.policy.set_training_mode(False)
    observation, _ = ppo.policy.obs_to_tensor(make_batch().reset())
    actions, values, log_probs = ppo.policy(observation)
    again, log_again, entropy = ppo.policy.evaluate_actions(observation, actions)
    torch.testing.assert_close(values, again)
    torch.testing.assert_close(log_probs, log_again)
    torch.testing.assert_close(values, ppo.policy.predict_values(observation))
    distribution = ppo.policy.get_distribution(observation)
    torch.testing.assert_close(distribution.log_prob(actions), log_probs)
    torch.testing.assert_close(distribution.entropy(), entropy)


def test_save_load_predict(make_ppo, make_batch, tmp_path):
    ppo = make_ppo().learn(64)
    ppo.save(tmp_path / "ppo.zip")
    again = PPO.load(tmp_path / "ppo.zip", device="cpu")
    assert type(again.policy) is MultimodalPolicy
    observation = make_batch(num_envs=32).reset()
    for mine, theirs in zip(ppo.policy.parameters(), again.policy.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    for deterministic in (True, False):
        torch.manual_seed(1)
        first, _ = ppo.predict(observation, deterministic=deterministic)
        torch.manual_seed(1)
        second, _ = again.predict(observation, deterministic=deterministic)
        assert np.array_equal(first, second)


def test_loaded_policy_learns_on(make_ppo, make_batch, tmp_path):
    make_ppo().learn(32).save(tmp_path / "ppo.zip")
    again = PPO.load(tmp_path / "ppo.zip", env=make_batch(), device="cpu")
    before = [p.clone() for p in again.policy.parameters()]
    again.learn(32)
    after = list(again.policy.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_actor_acts_as_predict(make_ppo, make_batch, observations):
    env = make_batch()
    ppo = make_ppo(env)
    seen = observations("mmrl/GoToObjS4-v0", 16)
    images, sentences = seen["image"], seen["instruction"]
    actions = SB3Actor(ppo.policy, env.preprocessing).act(seen, deterministic=True)
    tokens = np.stack([env.preprocessing.tokenizer.encode(one) for one in sentences])
    expected, _ = ppo.predict({"image": images, "instruction": tokens}, deterministic=True)
    assert actions.shape == (16,)
    assert np.array_equal(actions, expected)


def test_evaluate_policy_of_sb3(make_ppo, make_batch):
    returns, lengths = evaluate_policy(
        make_ppo(), make_batch(max_steps=5), 12, deterministic=False, return_episode_rewards=True
    )
    assert len(returns) == len(lengths) == 12
    assert all(0 <= total <= 1 for total in returns)
    assert all(1 <= length <= 5 for length in lengths)


def test_callbacks_of_sb3(make_ppo, make_batch, tmp_path):
    class Count(BaseCallback):
        steps = rollouts = 0

        def _on_step(self):
            self.steps += 1
            assert self.locals["new_obs"]["image"].dtype == np.uint8
            return True

        def _on_rollout_end(self):
            self.rollouts += 1

    count = Count()
    evaluate = EvalCallback(
        VecTransposeImage(make_batch(max_steps=4)),  # as SB3 wraps the training's
        n_eval_episodes=4,
        eval_freq=8,
        log_path=str(tmp_path),
        verbose=0,
        warn=False,
    )
    make_ppo(make_batch(max_steps=4)).learn(64, callback=[count, evaluate])
    assert (count.steps, count.rollouts) == (16, 2)
    saved = np.load(tmp_path / "evaluations.npz")
    assert saved["timesteps"].tolist() == [32, 64]
    assert saved["results"].shape == (2, 4)


def test_initial_weights_are_the_models_own(make_ppo, tiny_bert):
    ppo = make_ppo()
    torch.manual_seed(0)  # as PPO's seed does before it builds
    vocabulary = int(ppo.observation_space["instruction"].high.max()) + 1
    model = build_model(tiny_bert, ModelInputs.standard((56, 56), vocabulary))
    built = ppo.policy.features_extractor.model.state_dict()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, built[name]), name


def test_orthogonal_initialisation_would_overwrite_them(make_ppo):
    own = make_ppo().policy.features_extractor.model.fusion.readout.project.bias
    other = make_ppo(ortho_init=True).policy.features_extractor.model.fusion.readout.project.bias
    assert own.abs().sum() > 0
    assert other.abs().sum() == 0


def test_default_model(make_batch):
    ppo = PPO(MultimodalPolicy, make_batch(), n_steps=8, batch_size=16, device="cpu")
    assert ppo.policy.features_extractor.features_dim == 128

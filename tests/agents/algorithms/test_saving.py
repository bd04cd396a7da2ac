"""What is saved comes back whole, from a folder in which nothing is pickled."""

import hashlib
import io
import json
import pickle
import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer
from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.save_util import recursive_getattr, save_to_pkl
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import DummyVecEnv, VecTransposeImage

from mmrl.errors import UserError
from mmrl.experiment.checkpoint import read_checkpoint
from mmrl.experiment.config import OptimizerConfig
from mmrl.files import WriteError
from mmrl.models.config import ModelConfig
from mmrl.models.fusion import FilmFusion
from mmrl_agents.algorithms.a2c import A2C
from mmrl_agents.algorithms.dqn import DQN, DQNPolicy, QNetwork
from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.algorithms.qrdqn import QRDQN, QRDQNPolicy
from mmrl_agents.algorithms.sac import SAC, SACPolicy
from mmrl_agents.algorithms.td3 import TD3, TD3Policy
from mmrl_agents.buffers.replay import FrameReplay
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.saving.packing import pack, unpack
from mmrl_agents.schedules import LinearDecay

REPLAY = {
    "buffer_size": 400, "learning_starts": 16, "batch_size": 8, "train_freq": 4,
    "gradient_steps": 2,
}  # fmt: skip
KINDS = {
    "ppo": (PPO, MultimodalPolicy, {"n_steps": 8, "batch_size": 16, "n_epochs": 2}),
    "lstm": (PPO, MultimodalPolicy, {"n_steps": 8, "batch_size": 16, "n_epochs": 1}),
    "a2c": (A2C, MultimodalPolicy, {"n_steps": 8}),
    "dqn": (DQN, DQNPolicy, {**REPLAY, "target_update_interval": 8}),
    "qrdqn": (QRDQN, QRDQNPolicy, REPLAY),
    "sac": (SAC, SACPolicy, REPLAY),
    "td3": (TD3, TD3Policy, {**REPLAY, "action_noise": NormalActionNoise(np.zeros(1), np.ones(1))}),
}
OFF_POLICY = ["dqn", "qrdqn", "sac", "td3"]


@pytest.fixture
def make(make_batch, reach, counter, tiny, tiny_bert):
    """Makes an algorithm; the discrete ones act in an environment that is not ours."""

    def make(name, env=None, model=None, **changes):
        model = model or (tiny_bert if name == "ppo" else tiny)
        kind, policy, settings = KINDS[name]
        env = env or make_batch(reach if name in ("sac", "td3") else counter)
        kwargs = {"model": model, "optimizer": OptimizerConfig(args={"betas": (0.8, 0.9)})}
        if name == "lstm":
            kwargs["memory"] = "lstm"
        settings = {"seed": 3, "device": "cpu", "policy_kwargs": kwargs, **settings, **changes}
        return kind(policy, env, **settings)

    return make


def same_weights(one, other):
    return all(
        torch.equal(a, b)
        for a, b in zip(one.policy.parameters(), other.policy.parameters(), strict=True)
    )


@pytest.mark.parametrize("name", KINDS)
def test_an_algorithm_comes_back_whole(make, name, tmp_path):
    algorithm = make(name).learn(64)
    algorithm.save(tmp_path / "deep" / "agent.zip")
    folder = tmp_path / "deep" / "agent"
    assert {"algorithm.json", "checkpoint", "tokenizer.json"} <= {p.name for p in folder.iterdir()}
    again = type(algorithm).load(tmp_path / "deep" / "agent", device="cpu")
    assert type(again) is type(algorithm)
    assert type(again.policy) is type(algorithm.policy)
    assert same_weights(algorithm, again)
    assert again.num_timesteps == algorithm.num_timesteps == 64
    assert again._n_updates == algorithm._n_updates > 0
    assert list(again.ep_success_buffer) == list(algorithm.ep_success_buffer)
    for setting in ("gamma", "learning_rate", "seed", "_stats_window_size"):
        assert getattr(again, setting) == getattr(algorithm, setting)
    for setting in ("model", "optimizer", "memory"):
        assert again.policy_kwargs.get(setting) == algorithm.policy_kwargs.get(setting)
    for part in algorithm._get_torch_save_params()[0]:
        if part != "policy":
            one, other = (recursive_getattr(a, part).state_dict() for a in (algorithm, again))
            assert str(one) == str(other)
    observation = algorithm.env.reset()
    state = episodes = None
    for _ in range(2):
        torch.manual_seed(1)
        first, after = algorithm.predict(observation, state, episodes, deterministic=True)
        torch.manual_seed(1)
        second, again_after = again.predict(observation, state, episodes, deterministic=True)
        assert np.array_equal(first, second)
        assert str(after) == str(again_after)
        state = after


@pytest.mark.parametrize("name", KINDS)
def test_it_learns_on_as_it_would_have(make, name, tmp_path, make_batch, reach, counter):
    """A loaded one, the one that was saved, and one that lost its optimiser's state: with the same
    replay, the first two learn the same, the third does not.
    """
    env = reach if name in ("sac", "td3") else counter
    algorithm = make(name).learn(64)
    algorithm.save(tmp_path / "agent")
    again = type(algorithm).load(tmp_path / "agent", env=make_batch(env), device="cpu")
    lost = type(algorithm).load(tmp_path / "agent", env=make_batch(env), device="cpu")
    for part in lost._get_torch_save_params()[0]:
        if part != "policy":
            recursive_getattr(lost, part).state.clear()
    if name in OFF_POLICY:
        algorithm.save_replay_buffer(tmp_path / "replay")
        again.load_replay_buffer(tmp_path / "replay")
        lost.load_replay_buffer(tmp_path / "replay")
    algorithm.set_env(make_batch(env))
    for one in (algorithm, again, lost):
        one.set_random_seed(7)
        one.learn(32, reset_num_timesteps=False)
    assert again.num_timesteps == algorithm.num_timesteps == 96
    assert same_weights(algorithm, again)
    assert not same_weights(algorithm, lost)


@pytest.mark.parametrize("name", ["ppo", "dqn", "sac", "lstm"])
def test_a_loaded_one_reads_sentences(make, name, tmp_path):
    make(name).save(tmp_path / "agent")
    again = KINDS[name][0].load(tmp_path / "agent", device="cpu")
    size = again.observation_space["image"].shape[:2]
    words = again.preprocessing.tokenizer.words[-2:] if name != "sac" else ["reach"]
    images = np.random.default_rng(0).integers(0, 256, (3, *size, 3), np.uint8)
    sentences = [" ".join(words), words[0], words[-1]]
    several, _ = again.predict({"image": images, "instruction": sentences}, deterministic=True)
    encoded = np.stack([again.preprocessing.tokenizer.encode(one) for one in sentences])
    expected, _ = again.predict({"image": images, "instruction": encoded}, deterministic=True)
    assert np.array_equal(several, expected)
    for row, sentence in enumerate(sentences):
        alone, _ = again.predict(
            {"image": images[row], "instruction": sentence}, deterministic=True
        )
        assert np.allclose(alone, several[row])
        assert np.shape(alone) == np.shape(again.action_space.sample())
    with pytest.raises(UserError, match=r"images of \[5, 5, 3\]: this agent was trained on \["):
        again.predict({"image": images[:, :5, :5], "instruction": sentences})


def test_without_a_tokenizer_sentences_are_refused(make, tmp_path):
    algorithm = make("ppo")
    algorithm.env.unwrapped.preprocessing = None
    algorithm.save(tmp_path / "agent")
    again = PPO.load(tmp_path / "agent", device="cpu")
    assert same_weights(algorithm, again)
    with pytest.raises(UserError, match="saved without its tokenizer"):
        again.predict({"image": np.zeros((16, 16, 3), np.uint8), "instruction": "count"})


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, file):
        self.file = str(file)

    def __reduce__(self):
        return open, (self.file, "w")


@pytest.fixture
def marker(tmp_path):
    """A file that a payload writes; it is shown to do so."""
    file = tmp_path / "marker"
    pickle.loads(pickle.dumps(Payload(file))).close()
    assert file.exists()
    file.unlink()
    return file


def plant(algorithm, file, marker):
    """A file of stable-baselines3 with a payload."""
    algorithm.payload = Payload(marker)
    stable_baselines3.common.base_class.BaseAlgorithm.save(algorithm, file)
    del algorithm.payload


@pytest.mark.parametrize("name", KINDS)
def test_an_sb3_zip_is_not_unpickled(make, name, tmp_path, marker):
    algorithm = make(name)
    plant(algorithm, tmp_path / "agent.zip", marker)
    kind = type(algorithm)
    read = [
        kind.load,
        partial(kind.load, env=algorithm.env),
        algorithm.set_parameters,
        partial(algorithm.set_parameters, exact_match=False),
    ]
    for load in read:
        for path in (tmp_path / "agent.zip", str(tmp_path / "agent")):
            with pytest.raises(
                UserError, match=rf"agent.zip is not a folder.*{kind.__name__}.load\(.*trust_pickle"
            ):
                load(path)
        with pytest.raises(UserError, match="this BytesIO is not a folder.*trust_pickle"):
            load(io.BytesIO((tmp_path / "agent.zip").read_bytes()))
    assert not marker.exists()
    again = kind.load(tmp_path / "agent.zip", device="cpu", trust_pickle=True)
    assert marker.exists()
    assert same_weights(algorithm, again)
    again.save(tmp_path / "converted")
    assert same_weights(algorithm, kind.load(tmp_path / "converted", device="cpu"))


def test_a_policy_comes_back(make, tmp_path):
    for name in ("lstm", "qrdqn", "td3"):
        policy = make(name).policy
        policy.save(tmp_path / name)
        again = type(policy).load(tmp_path / name, device="cpu")
        assert all(map(torch.equal, again.state_dict().values(), policy.state_dict().values()))
        assert set(again.state_dict()) == set(policy.state_dict())
    with pytest.raises(UserError, match="holds a TD3Policy, no DQNPolicy"):
        DQNPolicy.load(tmp_path / "td3")


def test_a_file_of_a_policy_is_not_unpickled(make, tmp_path, marker):
    policy = make("ppo").policy
    data = {**policy._get_constructor_parameters(), "payload": Payload(marker)}
    torch.save({"state_dict": policy.state_dict(), "data": data}, tmp_path / "policy")
    with pytest.raises(UserError, match="policy is not a folder.*MultimodalPolicy.load"):
        MultimodalPolicy.load(tmp_path / "policy")
    with pytest.raises(UserError, match="not a folder"):
        QNetwork.load(tmp_path / "policy")
    assert not marker.exists()
    with pytest.raises(TypeError, match="payload"):  # it is no argument of the policy
        MultimodalPolicy.load(tmp_path / "policy", trust_pickle=True)
    assert marker.exists()
    data.pop("payload")
    torch.save({"state_dict": policy.state_dict(), "data": data}, tmp_path / "policy")
    again = MultimodalPolicy.load(tmp_path / "policy", "cpu", trust_pickle=True)
    assert all(map(torch.equal, again.parameters(), policy.parameters()))


@pytest.mark.parametrize("name", OFF_POLICY)
def test_a_replay_buffer_comes_back(make, name, tmp_path):
    algorithm = make(name).learn(64)
    algorithm.save_replay_buffer(tmp_path / "replay")
    other = make(name)
    other.load_replay_buffer(tmp_path / "replay")
    drawn = []
    for one in (algorithm, other):
        np.random.seed(0)
        drawn.append(one.replay_buffer.sample(16))
    for mine, theirs in zip(*drawn, strict=True):
        assert str(mine) == str(theirs)
    smaller = make(name, buffer_size=200)
    with pytest.raises(UserError, match="FrameReplay of 400 transitions and 4 environments; this"):
        smaller.load_replay_buffer(tmp_path / "replay")


def test_a_file_of_a_replay_buffer_is_not_unpickled(make, tmp_path, marker):
    algorithm = make("dqn").learn(64)
    algorithm.replay_buffer.payload = Payload(marker)
    save_to_pkl(tmp_path / "replay.pkl", algorithm.replay_buffer)
    del algorithm.replay_buffer.payload
    for path in ("replay.pkl", "replay"):
        with pytest.raises(UserError, match="replay.pkl is not a folder.*save_replay_buffer"):
            algorithm.load_replay_buffer(tmp_path / path)
    assert not marker.exists()
    algorithm.load_replay_buffer(tmp_path / "replay.pkl", trust_pickle=True)
    assert marker.exists()
    with pytest.raises(UserError, match="there is no saved replay buffer in .*none"):
        algorithm.load_replay_buffer(tmp_path / "none")


def test_another_replay_buffer_is_not_pickled(make, tmp_path):
    algorithm = make("dqn", replay_buffer_class=DictReplayBuffer)
    with pytest.raises(UserError, match="DictReplayBuffer is saved by pickling alone"):
        algorithm.save_replay_buffer(tmp_path / "replay")
    algorithm.save(tmp_path / "agent")
    again = DQN.load(tmp_path / "agent", device="cpu")
    assert type(again.replay_buffer) is DictReplayBuffer
    assert type(make("dqn").replay_buffer) is FrameReplay


def test_parameters_from_a_folder(make, tmp_path):
    algorithm, other = make("sac", seed=4).learn(64), make("sac")
    algorithm.save(tmp_path / "agent")
    other.set_parameters(tmp_path / "agent.zip")
    assert same_weights(algorithm, other)
    assert torch.equal(algorithm.log_ent_coef, other.log_ent_coef)
    third = make("sac")
    third.set_parameters(algorithm.get_parameters())
    assert same_weights(algorithm, third)
    with pytest.raises(UserError, match="weights are of another model"):
        make("dqn").set_parameters(tmp_path / "agent")


def test_a_function_is_named_and_left_out(make, tmp_path):
    algorithm = make("ppo", learning_rate=lambda remaining: 1e-3 * remaining)
    with pytest.warns(UserWarning, match=r"learning_rate=<function.* of PPO is not saved"):
        algorithm.save(tmp_path / "agent")
    again = PPO.load(tmp_path / "agent", device="cpu", learning_rate=LinearDecay(1e-3, 0.0))
    assert again.lr_schedule(0.5) == 5e-4
    algorithm = make(
        "ppo", learning_rate=LinearSchedule(1e-3, 1e-4, 0.5), clip_range=LinearDecay(0.2, 0)
    )
    algorithm.save(tmp_path / "agent")
    again = PPO.load(tmp_path / "agent", device="cpu")
    for remaining in (1.0, 0.7, 0.2):
        assert again.lr_schedule(remaining) == algorithm.lr_schedule(remaining)
        assert again.clip_range(remaining) == algorithm.clip_range(remaining)


class Mine(MultimodalPolicy):
    """A policy of somebody's own."""


def test_a_policy_of_ones_own_is_given_again(make_batch, counter, tiny, tmp_path):
    algorithm = PPO(Mine, make_batch(counter), device="cpu", policy_kwargs={"model": tiny})
    algorithm.save(tmp_path / "agent")
    with pytest.raises(UserError, match=r"saved with a policy Mine, .*policy_class=Mine"):
        PPO.load(tmp_path / "agent")
    again = PPO.load(tmp_path / "agent", policy_class=Mine, device="cpu")
    assert type(again.policy) is Mine
    assert same_weights(algorithm, again)


class Theirs(FilmFusion):
    """A fusion that a file may name."""


def test_a_file_imports_no_fusion(make, tmp_path, monkeypatch, tiny):
    module = tmp_path / "code" / "evil_fusion.py"
    module.parent.mkdir()
    module.write_text(
        "from mmrl.models.fusion import FilmFusion\n"
        "class Evil(FilmFusion): pass\n"
        f"open({str(tmp_path / 'ran')!r}, 'w').close()\n"
    )
    monkeypatch.syspath_prepend(str(module.parent))
    make("ppo").save(tmp_path / "agent")
    make("ppo").policy.save(tmp_path / "policy")
    for name, load in (("agent", PPO.load), ("policy", MultimodalPolicy.load)):
        state = tmp_path / name / "checkpoint" / "state.json"
        altered = state.read_text().replace('"fusion": "film"', '"fusion": "evil_fusion.Evil"')
        state.write_text(altered)
        sign_again(tmp_path / name / "checkpoint")
        with pytest.raises(UserError, match="evil_fusion.Evil would import evil_fusion"):
            load(tmp_path / name, device="cpu")
        assert not (tmp_path / "ran").exists()
    PPO.load(tmp_path / "agent", device="cpu", trust_code=True)
    assert (tmp_path / "ran").exists()
    own = replace(tiny, fusion=f"{Theirs.__module__}.Theirs")
    module = SimpleNamespace(Theirs=Theirs)
    monkeypatch.setitem(sys.modules, Theirs.__module__, module)  # as if it had been imported
    make("ppo", model=own).save(tmp_path / "own")
    assert PPO.load(tmp_path / "own", device="cpu")


def sign_again(folder):
    """Have the manifest fit what was altered."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["state.json"] = hashlib.sha256(
        (folder / "state.json").read_bytes()
    ).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"made of": "Discrete"', '"made of": "Popen"'),
        ('"made of": "Discrete"', '"made of": 5'),
        ('"class": "ReLU"', '"class": "eval"'),
        ('"n_envs": 4', '"n_envs": "x"'),
        ('"policy_kwargs": {', '"policy_kwargs": {"unknown": 1, '),
        ('"fusion": "film"', '"fusion": null'),
        ('"counters": {', '"others": {'),
    ],
)
def test_what_is_damaged_is_an_error(make, tmp_path, tiny, old, new):
    make("ppo", policy_kwargs={"model": tiny, "activation_fn": torch.nn.ReLU}).save(
        tmp_path / "agent"
    )
    state = tmp_path / "agent" / "checkpoint" / "state.json"
    assert old in state.read_text()
    state.write_text(state.read_text().replace(old, new))
    sign_again(state.parent)
    with pytest.raises(UserError, match="agent: (is damaged, or does not fit|config: )"):
        PPO.load(tmp_path / "agent", device="cpu")


def test_errors_of_paths(make, tmp_path, make_batch, counter):
    algorithm = make("ppo")
    algorithm.save(tmp_path / "agent")
    algorithm.save(tmp_path / "agent")  # over itself
    with pytest.raises(UserError, match="agent is of PPO, not of A2C: load it by PPO.load"):
        A2C.load(tmp_path / "agent")
    with pytest.raises(UserError, match="there is no saved algorithm in .*nothing"):
        PPO.load(tmp_path / "nothing")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("one")
    for save in (algorithm.save, algorithm.policy.save):
        with pytest.raises(UserError, match="thesis exists and is something else"):
            save(tmp_path / "thesis")
        with pytest.raises(WriteError, match="cannot be written"):
            save(tmp_path / "thesis" / "chapter" / "agent")
    with pytest.raises(UserError, match="give the path of one"):
        algorithm.save(io.BytesIO())
    with pytest.raises(UserError, match="leave both out"):
        algorithm.save(tmp_path / "agent", exclude=["gamma"])
    (tmp_path / "agent" / "checkpoint" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="is damaged"):
        PPO.load(tmp_path / "agent")


def test_an_environment_of_other_words_or_spaces_is_refused(make, tmp_path, make_batch):
    make("ppo").save(tmp_path / "agent")
    with pytest.raises(UserError, match="trained with another preprocessing"):
        PPO.load(tmp_path / "agent", env=make_batch(), device="cpu")
    env = make_batch()
    PPO(MultimodalPolicy, env, device="cpu").save(tmp_path / "grid")
    env.observation_space["image"] = spaces.Box(0, 255, (8, 8, 3), np.uint8)
    with pytest.raises(UserError, match="saved on another environment"):
        PPO.load(tmp_path / "grid", env=env, device="cpu")


def test_callbacks_of_sb3_save(make, tmp_path, make_batch, counter):
    callbacks = [
        CheckpointCallback(8, str(tmp_path / "every"), save_replay_buffer=True),
        EvalCallback(
            make_batch(counter),
            best_model_save_path=str(tmp_path / "best"),
            eval_freq=8,
            n_eval_episodes=2,
            verbose=0,
        ),
    ]
    make("dqn").learn(64, callbacks)
    assert DQN.load(tmp_path / "best" / "best_model", device="cpu").num_timesteps > 0
    last = tmp_path / "every" / "rl_model_64_steps"
    assert DQN.load(f"{last}.zip", device="cpu").num_timesteps == 64
    DQN.load(last, device="cpu").load_replay_buffer(
        tmp_path / "every" / "rl_model_replay_buffer_64_steps.pkl"
    )


def test_nothing_in_it_is_a_pickle(make, tmp_path):
    make("td3").save(tmp_path / "agent")
    files = {path.name for path in (tmp_path / "agent").rglob("*") if path.is_file()}
    assert files == {
        "algorithm.json", "tokenizer.json", "manifest.json", "state.json", "state.npz",
        "weights.safetensors",
    }  # fmt: skip
    with np.load(tmp_path / "agent" / "checkpoint" / "state.npz", allow_pickle=False) as file:
        assert all(not array.dtype.hasobject for array in file.values())
    read_checkpoint(tmp_path / "agent" / "checkpoint")


@pytest.mark.parametrize(
    "value",
    [
        spaces.Discrete(3, start=1),
        spaces.MultiDiscrete([2, 3], start=[1, 0]),
        spaces.MultiBinary(4),
        spaces.Box(np.array([-1, -np.inf], "f4"), np.array([1, 2], "f4")),
        spaces.Dict({"b": spaces.Discrete(2), "a": spaces.MultiBinary([2, 2])}),
        LinearDecay(1.0, 0.5),
        ModelConfig(image_size=(8, 8), text_args={"width": 3}),
        ModelConfig(encoders={"wrist": {"name": "small_resnet", "size": [8, 8]}}),
        {"net_arch": {"pi": [4], "vf": []}, "activation_fn": torch.nn.Tanh, 1: (2, {3})},
    ],
    ids=lambda value: type(value).__name__,
)
def test_packing(value):
    assert unpack(pack(value)) == value


def test_noise_is_packed():
    noise = OrnsteinUhlenbeckActionNoise(
        np.zeros(2), np.ones(2), theta=0.3, initial_noise=np.ones(2)
    )
    again = unpack(pack(noise))
    np.random.seed(0)
    first = noise()
    np.random.seed(0)
    assert np.array_equal(first, again())
    with pytest.raises(UserError, match="not plain data"):
        pack({"a": [lambda: 0]})


@pytest.mark.parametrize("kind", [PPO, A2C, DQN, SAC])
def test_environments_without_encoded_instructions_are_refused(kind, counter, make_batch):
    policy = KINDS[kind.__name__.lower()][1]
    given = {
        f"the environment id '{counter}'": counter,
        f"an environment .*: give MultimodalVecEnv.*'{counter}'": gym.make(counter),
        "a DummyVecEnv without encoded instructions": DummyVecEnv(
            [lambda: gym.make("CartPole-v1")]
        ),
        "a SyncVectorEnv without": gym.make_vec(counter, 2, vectorization_mode="sync"),
    }
    for words, env in given.items():
        with pytest.raises(UserError, match=f"{kind.__name__} learns from .*not from {words}"):
            kind(policy, env, policy_kwargs={"model": ModelConfig()})
    if kind is PPO:
        algorithm = kind(policy, VecTransposeImage(make_batch(counter)))
        with pytest.raises(UserError, match="MultimodalVecEnv"):
            algorithm.set_env(gym.make(counter))

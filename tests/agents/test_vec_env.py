"""A Gymnasium batch keeps what stable-baselines3 asks of a VecEnv."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor

from mmrl.errors import UserError
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.preprocessing.text import WordTokenizer
from mmrl.wrappers.adapters import make_vec_env
from mmrl_agents.vec_env import MultimodalVecEnv

GRID = "mmrl/GoToLocalS5N2-v0"


def play(env, steps, seed=0):
    """Random play: (observation before, actions, what ``step`` gives) of every step."""
    rng = np.random.default_rng(seed)
    env.seed(seed)
    observation = env.reset()
    for _ in range(steps):
        actions = rng.integers(0, env.action_space.n, env.num_envs)
        before = observation
        observation, *rest = env.step(actions)
        yield before, actions, (observation, *rest)


@pytest.fixture(params=["mmrl/GoToLocalS5N2-v0", "test/Counter-v0"])
def env(request, counter, make_batch):
    arguments = {"max_steps": 9} if request.param == GRID else {}
    return make_batch(request.param, 6, **arguments)


def test_observations_lie_in_their_space(env):
    assert env.observation_space["image"].dtype == np.uint8
    assert env.observation_space["instruction"].shape == (10,)
    assert (
        int(env.observation_space["instruction"].high.max()) == env.preprocessing.tokenizer.size - 1
    )
    for _, _, (observation, rewards, dones, infos) in play(env, 20):
        assert set(observation) == {"image", "instruction"}
        for key, space in env.observation_space.items():
            assert observation[key].dtype == space.dtype
            assert observation[key].shape == (6, *space.shape)
            assert all(space.contains(row) for row in observation[key])
        assert rewards.dtype == np.float32
        assert dones.dtype == np.bool_
        assert rewards.shape == dones.shape == (6,)
        assert len(infos) == 6
        assert all(isinstance(info, dict) for info in infos)


def test_tokens_change_only_at_resets(env):
    ends = changes = 0
    for before, _, (after, _, dones, _) in play(env, 60):
        same = (before["instruction"] == after["instruction"]).all(axis=1)
        assert same[~dones].all()
        ends += dones.sum()
        changes += (~same).sum()
    assert ends > 10
    assert changes > 3


def test_tokens_are_those_of_the_sentences(make_batch):
    env = make_batch(GRID, 6, max_steps=5)
    for _, _, (observation, *_) in play(env, 20):
        for e, sentence in enumerate(env.env.unwrapped.worlds.sentences):
            assert np.array_equal(
                observation["instruction"][e], env.preprocessing.tokenizer.encode(sentence)
            )


def test_the_first_empty_instruction_is_warned_of(make_batch):
    env = make_batch(GRID, 3)
    with pytest.warns(
        UserWarning, match=r"empty \(environment number 1 of the batch, step 0"
    ) as caught:
        env._read({"instruction": ("go", " ", "")}, [0, 1, 2])
    assert len(caught) == 1
    empty = env.preprocessing.tokenizer.encode("")
    assert [np.array_equal(one, empty) for one in env._encoded["instruction"]] == [
        False,
        True,
        True,
    ]


def test_end_of_an_episode(counter, make_batch):
    env = make_batch(counter, 5)
    returns, lengths = np.zeros(5), np.zeros(5, int)
    kinds = set()
    for before, actions, (after, rewards, dones, infos) in play(env, 40):
        returns += rewards
        lengths += 1
        for e in range(5):
            info = infos[e]
            if not dones[e]:
                assert "episode" not in info
                assert "terminal_observation" not in info
                assert after["image"][e].max() == lengths[e]
                continue
            final = info["terminal_observation"]
            assert (final["image"] == lengths[e]).all()
            assert (after["image"][e] == 0).all()
            assert np.array_equal(final["instruction"], before["instruction"][e])
            assert info["episode"]["r"] == returns[e]
            assert info["episode"]["l"] == lengths[e]
            assert info["episode"]["t"] >= 0
            assert info["is_success"] is bool(actions[e] == 1)
            assert info["TimeLimit.truncated"] is bool(actions[e] != 1)
            kinds.add((info["is_success"], info["episode"]["l"]))
            returns[e] = lengths[e] = 0
    assert {(True, 1), (False, 3)} <= kinds


def test_final_frame_and_old_instruction_of_the_native_batch(make_batch):
    env = make_batch(GRID, 12, max_steps=1)
    alone = gym.make_vec(GRID, 12, max_steps=1, autoreset_mode=AutoresetMode.DISABLED)
    alone.reset(seed=0)
    ((before, actions, (after, _, dones, infos)),) = play(env, 1)
    final, *_ = alone.step(actions)
    assert dones.all()
    for e in range(12):
        shown = infos[e]["terminal_observation"]
        assert np.array_equal(shown["image"], final["image"][e])
        assert np.array_equal(shown["instruction"], before["instruction"][e])
    assert not np.array_equal(after["instruction"], before["instruction"])
    alone.close()


def test_earlier_observations_stay_as_they_were(env):
    kept = []
    for before, _, _ in play(env, 15):
        kept.append((before, {key: value.copy() for key, value in before.items()}))
    for held, copy in kept:
        for key in held:
            assert np.array_equal(held[key], copy[key]), key


def test_frames_are_not_copied(make_batch, monkeypatch):
    env = make_batch(GRID, 4)
    shown = []
    for name in ("reset", "step"):
        original = getattr(env.env, name)

        def watch(*args, original=original, **kwargs):
            result = original(*args, **kwargs)
            shown.append(result[0]["image"])
            return result

        monkeypatch.setattr(env.env, name, watch)
    observation = env.reset()
    assert np.shares_memory(observation["image"], shown[-1])
    observation, *_ = env.step(np.zeros(4, np.int64))
    assert np.shares_memory(observation["image"], shown[-1])
    assert len(shown) == 2


def test_seeds_decide(env):
    def record():
        return [
            (after["image"].copy(), after["instruction"], rewards)
            for _, _, (after, rewards, *_) in play(env, 12, seed=5)
        ]

    for one, two in zip(record(), record(), strict=True):
        for first, second in zip(one, two, strict=True):
            assert np.array_equal(first, second)


def test_reset_forgets_the_running_episodes(counter, make_batch):
    env = make_batch(counter, 2)
    env.reset()
    env.step(np.zeros(2, np.int64))
    env.reset()
    *_, infos = env.step(np.ones(2, np.int64))
    assert [info["episode"]["l"] for info in infos] == [1, 1]


def test_attributes_and_methods(make_batch):
    env = make_batch(GRID, 3)
    assert env.get_attr("num_envs") == [3, 3, 3]
    assert env.get_attr("num_envs", indices=[0, 2]) == [3, 3]
    assert env.get_attr("num_envs", indices=1) == [3]
    env.set_attr("nickname", "grid")
    assert env.get_attr("nickname") == ["grid"] * 3
    with pytest.raises(ValueError, match="indices must be None"):
        env.set_attr("nickname", "x", indices=[0])
    assert env.env_method("render") == [None] * 3
    with pytest.raises(AttributeError):
        env.get_attr("no_such_attribute")


def test_episodes_are_monitored_already(env):
    assert env.env_is_wrapped(Monitor) == [True] * 6
    assert env.env_is_wrapped(VecMonitor) == [False] * 6


def test_images(make_batch):
    env = make_batch(GRID, 2, render_mode="rgb_array")
    env.reset()
    assert env.render_mode == "rgb_array"
    first, second = env.get_images()
    assert first.shape == second.shape == (160, 160, 3)


def test_preprocessing_is_passed_whole():
    given = Preprocessing(WordTokenizer(["go"], 4))
    env = MultimodalVecEnv(make_vec_env(GRID, 2), given)
    assert env.preprocessing is given
    assert set(env.observation_space.spaces) == {"image", *given.spaces}
    env.close()


def test_batches_that_do_not_fit_are_refused():
    tokenizer = WordTokenizer(["go"], 4)
    with pytest.raises(ValueError, match="SameStep"):
        MultimodalVecEnv(gym.make_vec(GRID, 2), tokenizer)
    with pytest.raises(ValueError, match="must be a Dict"):
        MultimodalVecEnv(gym.make_vec("CartPole-v1", 2), tokenizer)


def test_observations_of_a_plain_batch(make_batch):
    plain = make_vec_env(GRID, 3)
    expected, _ = plain.reset(seed=[5, 6, 7])
    env = make_batch(GRID, 3)
    env.seed(5)
    assert np.array_equal(env.reset()["image"], expected["image"])
    plain.close()


class OneBuffer(VectorEnv):
    """A batched engine that draws every step into one buffer, after its first observation."""

    def __init__(self, *, resets_into_it):
        self.num_envs = 2
        image = spaces.Box(0, 255, (8, 8, 3), np.uint8)
        self.single_observation_space = spaces.Dict(image=image, instruction=spaces.Text(9))
        self.single_action_space = spaces.Discrete(2)
        self.action_space = spaces.MultiDiscrete([2, 2])
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.screen = np.zeros((2, 8, 8, 3), np.uint8)
        self.resets_into_it = resets_into_it

    def look(self, screen):
        screen[:] = self.steps
        return {"image": screen, "instruction": ("go", "go")}

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        screen = self.screen if self.resets_into_it else self.screen.copy()
        return self.look(screen), {}

    def step(self, actions):
        self.steps += 1
        none = np.zeros(2, np.bool_)
        return self.look(self.screen), np.zeros(2), none, none, {}


@pytest.mark.parametrize("resets_into_it", [True, False])
def test_frames_of_a_batch_that_draws_into_one_buffer(resets_into_it):
    env = MultimodalVecEnv(OneBuffer(resets_into_it=resets_into_it), WordTokenizer(["go"], 4))
    frames = [env.reset()["image"]]
    frames += [env.step(np.zeros(2, np.int64))[0]["image"] for _ in range(8)]
    assert [int(one[0, 0, 0, 0]) for one in frames] == list(range(9))


def test_frames_of_our_own_engine_with_one_buffer(make_batch):
    one_buffer = make_vec_env(GRID, 2, copy=False)
    env, other = MultimodalVecEnv(one_buffer, WordTokenizer(["go"], 9)), make_batch(GRID, 2)
    for one in (env, other):
        one.seed(3)
    pairs = [(env.reset()["image"], other.reset()["image"])]
    for action in (0, 1, 2, 0):
        actions = np.full(2, action)
        pairs.append((env.step(actions)[0]["image"], other.step(actions)[0]["image"]))
    assert all(np.array_equal(one, expected) for one, expected in pairs)
    env.close()


def test_the_terminal_observation_of_an_environment_with_one_buffer(make_batch):
    class Screen(gym.Env):
        observation_space = spaces.Dict(
            image=spaces.Box(0, 255, (8, 8, 3), np.uint8), instruction=spaces.Text(9)
        )
        action_space = spaces.Discrete(2)
        screen = np.zeros((8, 8, 3), np.uint8)

        def look(self):
            self.screen[:] = self.steps
            return {"image": self.screen, "instruction": "go"}

        def reset(self, *, seed=None, options=None):
            self.steps = 0
            return self.look(), {}

        def step(self, action):
            self.steps += 1
            reward = float("nan") if action else 0.0
            return self.look(), reward, False, self.steps == 2, {}

    gym.register("test/OneScreen-v0", Screen, disable_env_checker=True)
    env = make_batch("test/OneScreen-v0", 1)
    env.seed(4)
    env.reset()
    env.step(np.zeros(1, np.int64))
    _, _, dones, infos = env.step(np.zeros(1, np.int64))
    assert dones.all()
    assert (infos[0]["terminal_observation"]["image"] == 2).all()
    with pytest.raises(
        UserError, match=r"OneScreen-v0 \(number 0 .* seeded with 4, episode 2 .* reward is nan"
    ):
        env.step(np.ones(1, np.int64))

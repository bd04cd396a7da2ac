"""Which environment raised or gave an unusable number, and when."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from mmrl.wrappers.error_context import CheckedBatch, EnvironmentFailedError, ErrorContext

NAN = float("nan")


class Broken(gym.Env):
    """Raises in the third step of the second episode, or in a reset."""

    observation_space = action_space = gym.spaces.Discrete(3)
    episodes = steps = 0

    def reset(self, *, seed=None, options=None):
        self.episodes, self.steps = self.episodes + 1, 0
        if options:
            raise OSError("no display")
        return 0, {}

    def step(self, action):
        self.steps += 1
        if (self.episodes, self.steps) == (2, 3):
            raise ValueError("out of the map")
        return 0, 0.0, False, False, {}


class Odd(gym.Env):
    """Answers in its second step as configured, and ends there; draws into one buffer."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (4, 4, 3), np.uint8), battery=spaces.Box(0, 1, (2,), np.float32)
    )
    action_space = spaces.Discrete(2)

    def __init__(self, reward=1.0, battery=1.0, **info):
        self.answer = reward, battery, info
        self.screen = np.zeros((4, 4, 3), np.uint8)

    def look(self, battery=1.0):
        self.screen[:] = self.steps
        return {"image": self.screen, "battery": np.float32([1, battery])}

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return self.look(), {}

    def step(self, action):
        self.steps += 1
        reward, battery, info = self.answer
        if self.steps < 2:
            return self.look(), 0.0, False, False, {}
        return self.look(battery), reward, True, False, dict(info)


class Engine(VectorEnv):
    """A batched engine that answers in its second step as configured."""

    def __init__(self, rewards, battery=1.0, **final):
        self.num_envs = len(rewards)
        self.single_observation_space = Odd.observation_space
        self.rewards, self.battery, self.final = rewards, battery, final
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def look(self, battery=1.0):
        batteries = np.ones((self.num_envs, 2), np.float32)
        batteries[-1, 0] = battery
        return {"image": np.zeros((self.num_envs, 4, 4, 3), np.uint8), "battery": batteries}

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return self.look(), {}

    def step(self, actions):
        self.steps += 1
        over = np.full(self.num_envs, self.steps == 2)
        if self.steps < 2:
            return self.look(), np.zeros(self.num_envs), over, over & False, {}
        final = {"final_info": self.final}
        return self.look(self.battery), self.rewards, over, over & False, final


def second_step(env):
    env.reset(seed=7)
    env.step(0)
    return env.step(1)


def test_the_message_leads_there():
    env = ErrorContext(Broken(), 4)
    env.reset(seed=11)
    env.step(0)
    env.reset()
    env.step(0)
    env.step(1)
    with pytest.raises(EnvironmentFailedError) as caught:
        env.step(2)
    message = str(caught.value)
    assert "number 4 of the batch, seeded with 11, episode 2 since" in message
    assert "in step 3, action 2, ValueError: out of the map" in message
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_reset_and_no_seed():
    with pytest.raises(EnvironmentFailedError, match=r"never seeded, .* in reset OSError: no disp"):
        ErrorContext(Broken(), 0).reset(options={"any": 1})


@pytest.mark.parametrize(
    ("reward", "shown"),
    [
        (NAN, "nan"),
        (np.float32("inf"), "inf"),
        (-np.inf, "-inf"),
        (None, "None"),
        ("1.5", "'1.5'"),
        (np.array([1.0, 2.0]), r"array\(\[1., 2.\]\)"),
        (np.array([1.0]), r"array\(\[1.\]\)"),
        (1j, "1j"),
    ],
)
def test_a_reward_that_is_not_one_finite_number(reward, shown):
    where = r"environment Odd \(number 3 of the batch, seeded with 7, episode 1 since\)"
    with pytest.raises(
        EnvironmentFailedError, match=rf"{where}: reward is .*{shown}.* in step 2, action 1; it"
    ):
        second_step(ErrorContext(Odd(reward), 3))


@pytest.mark.parametrize("reward", [2, True, np.float32(2.5), np.array(0.5), np.int64(3)])
def test_numbers_of_any_kind_are_rewards(reward):
    _, given, *_ = second_step(ErrorContext(Odd(reward)))
    assert type(given) is float
    assert given == float(reward)


@pytest.mark.parametrize("value", [NAN, np.inf])
def test_a_float_observation_that_is_not_finite(value):
    with pytest.raises(
        EnvironmentFailedError, match=rf"observation 'battery' is {value} at index \[1\] in step 2"
    ):
        second_step(ErrorContext(Odd(battery=value)))


@pytest.mark.parametrize("given", [True, 1, 1.0, np.True_, np.array([True]), np.array(1)])
def test_success_in_all_its_forms(given):
    assert second_step(ErrorContext(Odd(is_success=given)))[-1] == {"is_success": True}


def test_no_success_is_as_if_absent():
    assert second_step(ErrorContext(Odd(is_success=None, other=3)))[-1] == {"other": 3}


@pytest.mark.parametrize("given", ["False", np.array([True, False]), [], {}, NAN])
def test_success_that_is_neither_true_nor_false(given):
    with pytest.raises(
        EnvironmentFailedError, match=r"environment Odd .*step 2.*is_success.*true or false"
    ):
        second_step(ErrorContext(Odd(is_success=given)))


def test_the_last_observation_outlives_the_reset():
    env = ErrorContext(Odd())
    last, *_ = second_step(env)
    env.reset()
    assert (last["image"] == 2).all()


def test_a_batch_of_single_environments_names_one_of_them():
    gym.register("test/Odd-v0", Odd)
    envs = SyncVectorEnv(
        [lambda: ErrorContext(gym.make("test/Odd-v0", disable_env_checker=True), 0)] * 2,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    batch = CheckedBatch(envs)
    batch.reset([1, 2])
    envs.step = lambda _: 1 / 0
    with pytest.raises(EnvironmentFailedError) as caught:
        batch.step([0, 0])
    assert "environments test/Odd-v0 raised ZeroDivisionError" in str(caught.value)
    assert "SyncVectorEnv" not in str(caught.value)


@pytest.mark.parametrize(
    ("engine", "wrong"),
    [
        (Engine(np.array([1, NAN, 1])), "number 1 .* seeded with 6, episode 1 .*: reward is .*nan"),
        (Engine(np.array([1, 1, None])), "number 2 .* seeded with 7, .*: reward is None in step 2"),
        (Engine(np.ones((3, 2))), r"rewards of a batch of 3 have shape \(3, 2\)"),
        (Engine(np.ones(3), battery=NAN), r"number 2 .* 'battery' is nan at index \[0\] in step"),
    ],
)
def test_a_batched_engine_is_checked_alike(engine, wrong):
    batch = CheckedBatch(engine)
    batch.reset([5, 6, 7])
    batch.step(np.zeros(3))
    with pytest.raises(EnvironmentFailedError, match=f"environment Engine.*{wrong}"):
        batch.step(np.zeros(3))


def test_success_of_a_batched_engine():
    given = np.array([None, np.array([True]), False], object)
    batch = CheckedBatch(Engine(np.ones(3), is_success=given))
    infos = second_step(batch_of(batch))[-1]
    success, known = batch.were_successful(infos)
    assert success.tolist() == [False, True, False]
    assert known.tolist() == [False, True, True]
    batch = CheckedBatch(Engine(np.ones(3), is_success=["yes", True, True]))
    infos = second_step(batch_of(batch))[-1]
    with pytest.raises(EnvironmentFailedError, match="'yes'.* number 0 of the batch"):
        batch.were_successful(infos)


def batch_of(batch):
    """The batch, reset as a single environment is."""

    class Plain:
        def reset(self, seed):
            batch.reset([seed] * 3)

        def step(self, action):
            return batch.step(np.full(3, action))

    return Plain()


def test_the_cause_is_kept_through_a_batch():
    envs = [lambda: ErrorContext(Broken(), 0)]
    batch = CheckedBatch(SyncVectorEnv(envs, autoreset_mode=AutoresetMode.SAME_STEP))
    for _ in range(2):
        batch.reset([3])
    batch.step([0])
    batch.step([0])
    with pytest.raises(EnvironmentFailedError, match="step 3.*out of the map") as caught:
        batch.step([0])
    assert isinstance(caught.value.__cause__, ValueError)

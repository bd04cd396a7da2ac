"""Environments in a few processes behave as they do in one, and nothing hangs or stays behind."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from mmrl.errors import UserError
from mmrl.experiment.plain_data import round_trip
from mmrl.wrappers.actions import action_notes
from mmrl.wrappers.adapters import make_vec_env
from mmrl.wrappers.episode_limit import declared_limit
from mmrl.wrappers.error_context import CheckedBatch, EnvironmentFailedError
from mmrl.wrappers.optional_methods import find_equivalence, find_expert
from mmrl.wrappers.state import batch_state, set_batch_state, try_state
from mmrl.wrappers.worker_vector_env import WorkerVectorEnv, is_portable

ARM = "worlds.arms:arms/Arm-v0"
ENVS = 5


@pytest.fixture(scope="module")
def both():
    """The same environments in this process and in three others."""
    made = [make_vec_env(ARM, ENVS, env_workers=workers) for workers in (0, 3)]
    yield made
    for env in made:
        env.close()


@pytest.fixture
def make():
    made = []

    def made_by(workers, env_id=ARM, num_envs=ENVS, **kwargs):
        made.append(make_vec_env(env_id, num_envs, env_workers=workers, **kwargs))
        return made[-1]

    yield made_by
    for env in made:
        env.close()


class Held:
    """Something that can be copied, and not pickled."""

    def __init__(self):
        self.lock = threading.Lock()

    def __deepcopy__(self, memo):
        return self


def actions(seed):
    return np.random.default_rng(seed).uniform(-1, 1, (ENVS, 2)).astype(np.float32)


def pids(env):
    return [one._process.pid for one in env._workers]


def assert_same(one, other):
    """The same values of the same types, in the same order."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        one, other = list(one.values()), list(other.values())
    if isinstance(one, np.ndarray) and one.dtype != object:
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, list | tuple | np.ndarray):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other


def test_the_same_as_in_one_process(both):
    here, there = both
    assert isinstance(here, SyncVectorEnv)
    assert isinstance(there, WorkerVectorEnv)
    assert len(set(pids(there))) == 3
    for name in ("single_observation_space", "observation_space", "single_action_space"):
        assert getattr(here, name) == getattr(there, name)
    assert here.metadata == there.metadata
    assert_same(here.reset(seed=3), there.reset(seed=3))
    for k in range(8):
        assert_same(here.step(actions(k)), there.step(actions(k)))
    masked = {"reset_mask": np.array([False, True, False, False, False])}
    seeds = [None, 7, None, None, None]
    assert_same(
        here.reset(seed=seeds, options={**masked}), there.reset(seed=seeds, options={**masked})
    )
    assert_same(here.step(actions(9)), there.step(actions(9)))
    assert_same(batch_state(here), batch_state(there))


def test_what_environments_are_asked(both):
    here, there = both
    for env in (here, there):
        env.reset(seed=3)
    np.testing.assert_array_equal(find_expert(here)(), find_expert(there)())
    sentences = ["red"] * 3 + ["blue"] * 2
    np.testing.assert_array_equal(
        find_equivalence(here)(sentences, [0, 1, 4]), find_equivalence(there)(sentences, [0, 1, 4])
    )
    assert action_notes(here) == action_notes(there) != []
    assert declared_limit(here) == declared_limit(there) == 50
    assert here.get_attr("steps") == there.get_attr("steps")
    there.set_attr("steps", [1, 2, 3, 4, 5])
    assert there.get_attr("steps") == (1, 2, 3, 4, 5)
    assert np.stack(there.render())[:, 0, 0, 0].tolist() == [1, 2, 3, 4, 5]
    assert there.call("loaded") == (False,) * ENVS  # torch takes seconds and memory
    with pytest.raises(AttributeError, match="no_such_thing"):
        there.get_attr("no_such_thing")
    assert there.get_attr("steps") == (1, 2, 3, 4, 5)  # it goes on


def test_the_state_goes_from_one_process_to_several(both):
    here, there = both
    assert try_state(there, round_trip) is None
    for env in (here, there):
        env.reset(seed=1)
    here.step(actions(0))
    set_batch_state(there, round_trip(batch_state(here)))
    for k in range(1, 7):
        assert_same(here.step(actions(k)), there.step(actions(k)))


@pytest.mark.parametrize(
    ("fails", "message"),
    [
        ("raise", r"number 3 .* seeded with 4, .*raised in step 2, action \[5. 5.\], ZeroDivision"
         r"Error: .* \(in worker number 0\)"),
        ("exit", r"Arm-v0 \(number 3 of the batch, seeded with 4, episode 1 since\) in step 2: "
         r"worker number 0 ended with exit status 3$"),
        ("kill", "number 3 .* in step 2: worker number 0 was killed by SIGKILL"),
    ],
)  # fmt: skip
def test_an_environment_that_fails(make, fails, message):
    env = make(1, fails=fails, seed=4)
    batch = CheckedBatch(env)
    batch.reset([1, 2, 3, 4, 5])
    batch.step(np.zeros((ENVS, 2), np.float32))
    with pytest.raises(EnvironmentFailedError, match=message) as caught:
        batch.step(np.zeros((ENVS, 2), np.float32))
    assert "\n" not in str(caught.value)
    started = time.monotonic()
    env.close()
    assert time.monotonic() - started < 8  # it takes 10 where somebody has to be killed


def test_a_worker_that_is_killed_between_two_steps(make):
    env = make(2)
    env.reset(seed=0)
    os.kill(pids(env)[1], signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(EnvironmentFailedError, match=r"arms/Arm-v0, numbers 2 to 4 of the .*1"):
            env.step(actions(0))


def test_nothing_is_left_and_what_environments_print_is_harmless(make, capfd):
    env = make(1, fails="print")
    env.reset(seed=0)
    workers = pids(env)
    env.close()
    for pid in workers:
        with pytest.raises(ProcessLookupError):  # it would be found as a zombie
            os.kill(pid, 0)
    assert capfd.readouterr().out.count("a simulator prints") >= ENVS


@pytest.fixture
def interruptible():
    """Ctrl-C raises, also where a shell has the tests ignore it, as those in its background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_in_the_middle_of_a_step(make, monkeypatch):
    """A terminal's Ctrl-C is for the foreground's process group, which the workers are not of."""
    env = make(9, num_envs=1)  # never more workers than environments
    env.reset(seed=0)
    (worker,) = env._workers
    (pid,) = pids(env)
    assert os.getpgid(pid) != os.getpgid(0)
    monkeypatch.setattr(type(worker), "receive", lambda self: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        env.step(actions(0)[:1])
    with pytest.raises(RuntimeError, match="interrupted"):
        env.step(actions(0)[:1])


def test_a_worker_ends_with_its_parent(make):
    """Be it by ``kill -9``: the pipe is closed then, as here."""
    env = make(1)
    (worker,) = env._workers
    worker._pipe.close()
    assert worker._process.wait(20) == 0


def test_warnings_are_those_of_one_process(make):
    for workers in (0, 1):
        env = make(workers, fails="warn")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            env.reset(seed=0)
            env.reset(seed=1)
        assert [str(one.message) for one in caught] == ["a simulator warns"]


def test_what_cannot_be_handed_to_another_process(make):
    with pytest.raises(UserError, match="Arm-v0 cannot be handed to another process .*TypeError"):
        make(1, fails=Held())
    with pytest.raises(UserError, match="infos cannot be sent to another process .* env_workers=0"):
        make(1, fails="lock").reset(seed=0)
    with pytest.raises(UserError, match="Arm-v0.* cannot be made: OSError: no simulator here"):
        make(1, fails="torch")
    with pytest.raises(UserError, match="env_workers=-1: must be at least 0"):
        make(-1)
    assert not is_portable(Held())


def test_a_plan_that_cannot_be_handed_over_is_made_again(both, make, monkeypatch):
    monkeypatch.setattr("mmrl.wrappers.adapters.is_portable", lambda plan: False)
    assert_same(both[0].reset(seed=2), make(1).reset(seed=2))

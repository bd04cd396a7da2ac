"""Environments that are given in Python, and their names."""

import sys
import threading
from functools import partial

import gymnasium as gym
import pytest
from worlds.arms import Arm
from worlds.walkers import Walkers

from mmrl.env_apis.registration import env_id_of, importable_path, is_same_name
from mmrl.errors import UserError
from mmrl.registry import find_spec
from mmrl.wrappers.adapters import make_env, make_vec_env

ARM = "worlds.arms:Arm"
NOTEBOOK = """
from worlds.arms import Arm

class Crane(Arm):
    height = {height}
"""


def cell(height):
    """A class of a notebook's cell."""
    scope = {"__name__": "__main__"}
    exec(NOTEBOOK.format(height=height), scope)
    return scope["Crane"]


def made(env, **kwargs):
    """The environment itself that is made of it."""
    env = make_env(env, **kwargs)
    env.close()
    return env.unwrapped


def make_walkers():
    """What a factory with a name of its own makes."""
    return Walkers()


def test_what_can_be_imported_has_its_path():
    assert env_id_of(Arm) == ARM
    assert env_id_of("any:Thing-v0") == "any:Thing-v0"
    assert env_id_of(make_walkers) == f"{__name__}:make_walkers"
    assert find_spec(ARM).entry_point == ARM  # plain data
    assert type(made(ARM, fails="warn")) is Arm
    assert env_id_of(type(gym.make("CartPole-v1").unwrapped)).endswith("cartpole:CartPoleEnv")


def test_a_function_that_another_has_made_is_looked_for(monkeypatch):
    def wrapper():
        def parallel_env():
            return Walkers()

        return parallel_env

    function = wrapper()
    assert importable_path(function) is None
    monkeypatch.setattr(sys.modules["worlds.walkers"], "parallel_env", function, raising=False)
    assert importable_path(function) == "worlds.walkers:parallel_env"
    assert made("worlds.walkers:parallel_env").group.agents == ("ann", "bob", "eve")


def test_a_class_of_a_notebook_is_replaced_when_it_is_defined_anew():
    first, second = cell(1), cell(2)
    assert env_id_of(first) == env_id_of(first) == "python/Crane"
    assert made("python/Crane").height == 1
    assert env_id_of(second) == "python/Crane"
    assert made("python/Crane").height == 2


def test_factories_have_names_of_their_own():
    crane = cell(1)
    ids = [env_id_of(lambda: crane(fails="warn")), env_id_of(lambda: crane())]
    assert ids[0] != ids[1]
    assert is_same_name(*ids)
    assert not is_same_name(ids[0], "python/Crane")
    assert made(ids[0])._fails == "warn"
    assert made(ids[1])._fails is None
    assert made(partial(crane, "print"))._fails == "print"
    with pytest.raises(UserError, match="unexpected keyword argument 'fails'"):
        make_env(ids[0], fails="print")


def test_a_factory_without_render_mode_may_have_it():
    assert made(lambda: Arm(render_mode="rgb_array"), render_mode="rgb_array").render_mode
    with pytest.raises(UserError, match="takes no render_mode"):
        make_env(lambda: Arm(), render_mode="rgb_array")


def test_an_object_is_copied():
    arm = Arm()
    arm.reset(seed=0)
    env_id = env_id_of(arm)
    batch = make_vec_env(env_id, 2)
    batch.reset(seed=0)
    batch.step(batch.action_space.sample())
    assert arm.steps == 0
    assert batch.envs[0].unwrapped is not batch.envs[1].unwrapped
    arm.steps = 3
    assert env_id_of(arm) == env_id
    assert made(env_id).steps == 3  # as it is now
    batch.close()


def test_an_object_that_cannot_be_copied():
    arm = Arm()
    arm.lock = threading.Lock()
    with pytest.raises(UserError, match=r"cannot be copied \(TypeError.*env=lambda: MyEnv"):
        env_id_of(arm)
    made_by_gym = gym.make("CartPole-v1", max_episode_steps=7)
    made_by_gym.lock = threading.Lock()
    assert find_spec(env_id_of(made_by_gym)).max_episode_steps == 7


def test_a_specification():
    assert env_id_of(gym.spec("CartPole-v1")) == "CartPole-v1"
    changed = gym.spec("CartPole-v1")
    changed = type(changed)("CartPole-v1", changed.entry_point, max_episode_steps=9)
    env_id = env_id_of(changed)
    assert is_same_name(env_id, "python/CartPole")
    assert env_id_of(changed) == env_id
    assert find_spec(env_id).max_episode_steps == 9


def test_what_is_no_environment():
    with pytest.raises(UserError, match="env=3 is no environment: give an id"):
        env_id_of(3)
    with pytest.raises(UserError, match=f"'{ARM[:-3]}COLORS' is tuple: name a class"):
        find_spec("worlds.arms:COLORS")
    with pytest.raises(UserError, match=r"did you mean 'Arm'\? worlds.arms neither registers"):
        find_spec("worlds.arms:Armm")
    with pytest.raises(UserError, match="is a batch of environments"):
        make_env(lambda: make_vec_env(Arm, 1))


def test_a_package_that_lacks():
    def lacks():
        raise gym.error.DependencyNotInstalled("run pip install simulator")

    with pytest.raises(UserError, match=r"environment 'python/lacks-.*': run pip install sim"):
        make_env(lacks)


def test_what_another_process_registered():
    with pytest.raises(UserError, match=r"'python/Elsewhere' exists only .*env=MyEnv"):
        find_spec("python/Elsewhere")


def test_workers_get_a_lambda():
    crane = cell(1)
    batch = make_vec_env(lambda: crane(), 2, env_workers=1)
    assert batch.get_attr("height") == (1, 1)
    batch.close()

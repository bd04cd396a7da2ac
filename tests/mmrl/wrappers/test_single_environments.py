"""Which batches are made of single environments, and what each of them is asked."""

from gymnasium.vector import VectorEnv

from mmrl.wrappers.adapters import make_vec_env
from mmrl.wrappers.single_environments import are_single, each


def test_each_environment_is_asked(signals):
    batch = make_vec_env(signals, 3, limit=2)
    assert are_single(batch)
    assert are_single(batch.envs[0]) is False
    limits = each(batch, lambda env, more: env.unwrapped.limit + more, [0, 10, 20])
    assert limits == [2, 12, 22]


def test_an_engine_is_no_batch_of_single_ones():
    engine = make_vec_env("mmrl/GoToObjS4-v0", 2)
    assert isinstance(engine, VectorEnv)
    assert not are_single(engine)

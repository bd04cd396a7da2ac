"""Any space becomes one that agents take, and what they choose is an action of the environment."""

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.errors import UserError
from mmrl.wrappers.action_mappings import Chain
from mmrl.wrappers.action_plan import Merged, discrete_bins, mappings
from mmrl.wrappers.nested_spaces import describe

from .action_spaces import DISCRETE, SPACES, multi_discrete

SEEDS = st.integers(0, 2**31)
quick = settings(max_examples=60, deadline=None)


def is_taken_by_agents(space):
    """Whether stable-baselines3 takes it, and a Gaussian fits into it."""
    if isinstance(space, spaces.Discrete):
        return space.start == 0
    if isinstance(space, spaces.MultiDiscrete):
        return space.nvec.ndim == 1 and not space.start.any()
    if isinstance(space, spaces.MultiBinary):
        return isinstance(space.n, int)
    whole = isinstance(space, spaces.Box) and space.dtype == np.float32 and len(space.shape) == 1
    return whole and (space.low == -1).all() and (space.high == 1).all()


@quick
@given(SPACES, SEEDS)
def test_every_action_of_the_agent_is_one_of_the_environment(space, seed):
    chain = Chain(space, mappings(space))
    assert is_taken_by_agents(chain.space)
    chain.space.seed(seed)
    for _ in range(5):
        action = chain.space.sample()
        assert chain(action) in space
    assert mappings(chain.space) == []
    assert len(describe(space)) < 500


@quick
@given(SPACES, SEEDS)
def test_actions_of_the_environment_are_mapped_back(space, seed):
    chain = Chain(space, mappings(space))
    space.seed(seed)
    back = chain.inverse(space.sample())
    assert back in chain.space
    again = chain.inverse(chain(back))  # what was rounded once is not rounded again
    np.testing.assert_allclose(again, back, atol=2e-3)  # float16 has 11 bits


@quick
@given(st.one_of(DISCRETE, multi_discrete()), SEEDS)
def test_discrete_actions_are_neither_lost_nor_doubled(space, seed):
    chain = Chain(space, mappings(space))
    space.seed(seed)
    action = space.sample()
    assert np.array_equal(chain(chain.inverse(action)), action)


@quick
@given(SPACES, SEEDS)
def test_any_space_as_one_discrete(space, seed):
    if discrete_bins(space) is None:
        with pytest.raises(UserError, match=r"has .* combinations, and may have at most 4,096"):
            mappings(space, 2)
        return
    chain = Chain(space, mappings(space, 2))
    assert isinstance(chain.space, spaces.Discrete)
    assert chain.space.start == 0
    chain.space.seed(seed)
    for _ in range(5):
        taken = chain(chain.space.sample())
        assert taken in space
        if not isinstance(space, spaces.Dict | spaces.Tuple):
            assert np.array_equal(chain(chain.inverse(taken)), taken)


def test_parts_of_one_kind():
    discrete = Merged(spaces.Tuple([spaces.Discrete(3, start=1), spaces.MultiBinary(2)]))
    assert discrete.space == spaces.MultiDiscrete([3, 2, 2])
    go, keys = discrete(np.array([2, 0, 1]))
    assert go == 3
    assert keys.tolist() == [0, 1]
    continuous = Merged(spaces.Dict(arm=spaces.Box(0, 10, (2,)), gas=spaces.Box(-1, 1, ())))
    assert continuous.space == spaces.Box(-1, 1, (3,), np.float32)
    action = continuous(np.array([-1, 0, 0.5]))
    assert action["arm"].tolist() == [0, 5]
    assert action["gas"] == 0.5


def test_parts_of_both_kinds():
    inner = spaces.Tuple([spaces.Box(0, 100, (1,), np.int64), spaces.Discrete(2)])
    space = spaces.Dict(arm=spaces.Box(-np.inf, np.inf, (2, 1)), rest=inner)
    merged = Merged(space, bins=5)
    assert merged.space.nvec.tolist() == [5, 5, 5, 2]
    action = merged(np.array([0, 4, 2, 1]))
    assert action in space
    assert action["arm"].tolist() == [[-1], [1]]
    assert [np.asarray(one).tolist() for one in action["rest"]] == [[50], 1]
    assert "arm, rest/0 discretised into 5 values" in merged.reason


def test_parts_with_paths_alike():
    twins = {"a/b": spaces.Discrete(2), "a": spaces.Dict(b=spaces.Discrete(3))}
    merged = Merged(spaces.Dict(twins))
    assert merged.space.nvec.tolist() == [3, 2]  # Gymnasium sorts the keys
    assert merged([2, 1]) == {"a/b": 1, "a": {"b": 2}}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Merged(spaces.Dict()), "there are no actions"),
        (lambda: mappings(spaces.Text(4)), "agents cannot act in Text"),
        (lambda: mappings(spaces.Dict(say=spaces.Text(4))), "agents cannot act in Text"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_how_fine_continuous_numbers_may_be():
    assert discrete_bins(spaces.Box(-1, 1, (4,))) == 5
    assert discrete_bins(spaces.Box(-1, 1, (7,))) == 3
    assert discrete_bins(spaces.Box(-1, 1, (12,))) == 2
    assert discrete_bins(spaces.Box(-1, 1, (13,))) is None

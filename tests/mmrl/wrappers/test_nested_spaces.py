"""The leaves of nested spaces, their values, and values nested again."""

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.wrappers.nested_spaces import leaves, nest

VECTOR = spaces.Box(-1, 1, (2,), np.float32)
NESTED = st.recursive(
    st.sampled_from([VECTOR, spaces.Discrete(3), spaces.MultiBinary(2)]),
    lambda inner: (
        st.dictionaries(st.sampled_from(["a", "b", "a.b", "0"]), inner, max_size=3).map(spaces.Dict)
        | st.lists(inner, max_size=3).map(spaces.Tuple)
    ),
    max_leaves=6,
)


def test_paths_in_order():
    arm = spaces.Dict({"q": VECTOR, "force": spaces.Tuple((VECTOR, spaces.Discrete(3)))})
    space = spaces.Dict({"arm": arm, "rgb": VECTOR})
    assert [leaf.path for leaf in leaves(space)] == ["arm.force.0", "arm.force.1", "arm.q", "rgb"]
    assert [leaf.path for leaf in leaves(VECTOR)] == [""]


def test_a_missing_part():
    (leaf,) = leaves(spaces.Dict({"q": VECTOR}))
    with pytest.raises(LookupError):
        leaf.value({})


@settings(max_examples=80, deadline=None)
@given(NESTED, st.integers(0, 99))
def test_values_are_nested_again(space, seed):
    space.seed(seed)
    value, found = space.sample(), leaves(space)
    assert len({leaf.path for leaf in found}) == len(found)
    values = [leaf.value(value) for leaf in found]
    assert all(leaf.space.contains(one) for leaf, one in zip(found, values, strict=True))
    again = nest(space, iter(values))
    assert all(leaf.value(again) is one for leaf, one in zip(found, values, strict=True))

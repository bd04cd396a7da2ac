"""Plain data comes back as it was given, or is refused when it is saved."""

import datetime
import json
from collections import OrderedDict, defaultdict, namedtuple
from enum import IntEnum

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmrl.errors import UserError
from mmrl.experiment.plain_data import MAX_DEPTH, check_plain, decode, encode, round_trip

STRUCTURE = [("a", "<i2"), ("b", ">f4", (2,))]
DTYPES = ["?", "u1", "<i8", ">i4", "<f4", ">f8", "<c8", "<U3", "S2", "<M8[ns]", STRUCTURE]
SHAPES = [(), (0,), (2, 3), (2, 0)]
ARRAYS = st.sampled_from(DTYPES).flatmap(lambda d: arrays(np.dtype(d), st.sampled_from(SHAPES)))
SCALARS = (
    st.sampled_from(["?", "u1", "<i8", "<f2", "<f4", "<f8", "<c16", "<M8[us]", "<m8[s]"])
    .flatmap(lambda dtype: arrays(dtype, ()))
    .map(lambda array: array[()])
)
TEXT = st.text(st.sampled_from("$a/.0\0é"), max_size=3) | st.sampled_from(["$array", "$tuple"])
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | TEXT
    | st.binary(max_size=3)
)
KEYS = st.recursive(
    ATOMS | SCALARS | TEXT.map(np.str_),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=2),
    max_leaves=3,
)
LEAVES = (
    KEYS
    | ARRAYS
    | st.binary(max_size=3).map(np.bytes_)
    | arrays("f4", (2,)).map(torch.from_numpy)
    | st.sampled_from([torch.tensor(True), torch.ones(2, 0), torch.ones(3).bfloat16()])
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(TEXT, inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3).map(OrderedDict)
        | st.sets(KEYS, max_size=3)
    ),
    max_leaves=8,
)


def same(one, other):
    """Equal in types and values, where nan equals nan."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(map(same, one.items(), other.items()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, set | frozenset):
        rest = list(other)
        for value in one:
            found = next((k for k, its in enumerate(rest) if same(value, its)), None)
            if found is None:
                return False
            del rest[found]
        return not rest
    if isinstance(one, torch.Tensor):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        wide = [tensor.to(torch.complex128) for tensor in (one, other)]
        return torch.allclose(*wide, rtol=0, atol=0, equal_nan=True)
    if isinstance(one, np.ndarray | np.generic) and not isinstance(one, str | bytes):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        if one.dtype.names:  # there may be anything between the fields
            return all(same(one[name], other[name]) for name in one.dtype.names)
        return one.tobytes() == other.tobytes()
    return one == other or (one != one and other != other)


@settings(max_examples=80, deadline=None)
@given(tree=TREES)
def test_plain_data_comes_back(tree):
    check_plain(tree)
    assert same(round_trip(tree), tree)
    encoded, found = encode(tree)
    assert same(decode(json.loads(json.dumps(encoded)), found), tree)


@pytest.mark.parametrize(
    "tree",
    [
        {"at": (3, 1), "a/b": np.zeros(2), "a": {"b": np.ones(2)}},
        {"$array": "x", "$dict": [[1, 2]]},
        {"visited": {1, (2, 3)}, "closed": frozenset({b"\0", None})},
        {1: "int", "1": "str", 2.5: "float", (0, 1): "tuple", None: "none"},
        [np.float32(0.1), np.int64(7), np.bool_(True), np.str_("a\0"), np.bytes_(b"a\0")],
        [float("nan"), float("inf"), -0.0, 10**6000, -(2**10_000)],
        np.array((1, 2.5), [("a", "i4"), ("b", "f8")])[()],
        np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        [torch.ones(2).bfloat16(), torch.tensor(1.5), torch.zeros(2, dtype=torch.complex64)],
        {"file": np.zeros(1)},  # a parameter of numpy.savez
        [],
        {},
        set(),
        (),
        b"",
        "\ud800",
    ],
    ids=lambda tree: type(tree).__name__,
)
def test_what_was_changed_or_refused_comes_back(tree):
    assert same(round_trip(tree), tree)


def test_what_comes_back_shares_no_memory():
    array, tensor = np.zeros(2), torch.zeros(2)
    back = round_trip([array, tensor])
    array[:], tensor[:] = 1, 1
    assert back[0].sum() == back[1].sum() == 0
    back[0][:] = 2  # and may be written to


def test_tensors_come_back_without_gradients():
    parameter = torch.nn.Parameter(torch.ones(2))
    back = round_trip([parameter, parameter * 2])
    assert [type(one) for one in back] == [torch.Tensor, torch.Tensor]
    assert not any(one.requires_grad for one in back)


class Colour(IntEnum):
    """An int that would come back as another type."""

    RED = 1


Place = namedtuple("Place", "x y")


class Array(np.ndarray):
    """An array of another class."""


@pytest.mark.parametrize(
    "wrong",
    [
        object(),
        np.random.default_rng(0),
        torch.Generator(),
        Colour.RED,
        Place(1, 2),
        defaultdict(list),
        bytearray(b"x"),
        datetime.date(2000, 1, 1),
        1j,
        np.array([object()]),
        np.array([(None,)], [("a", "O")]),
        np.ma.array([1, 2], mask=[0, 1]),
        np.zeros(2).view(Array),
        np.rec.array([(1,)], dtype=[("a", "i4")]),
        np.rec.array([(1,)], dtype=[("a", "i4")])[0],
        np.array(["a"], np.dtypes.StringDType()),
        np.zeros(2, np.dtype("f4", metadata={"unit": "m"})),
        torch.eye(2).to_sparse(),
        torch.ones(2, device="meta"),
        torch.zeros(2).to(torch.float8_e4m3fn),
    ],
    ids=lambda wrong: type(wrong).__name__,
)
def test_what_would_not_come_back_is_refused_by_its_path(wrong):
    with pytest.raises(UserError, match=r"^state env/0/\(1, 2\)/here: .* is not plain data: give"):
        check_plain({"env": [{(1, 2): {"here": wrong}}]})
    with pytest.raises(UserError, match=r"^state itself: .* is not plain data: give"):
        round_trip(wrong)


def test_keys_and_elements_are_checked():
    with pytest.raises(UserError, match="state a/<Colour.RED: 1>: Colour is not"):
        check_plain({"a": {Colour.RED: 1}})
    with pytest.raises(UserError, match="state a/0: object is not"):
        check_plain({"a": {object()}})


def test_what_contains_itself_is_refused():
    circle = {}
    circle["next"] = [circle]
    with pytest.raises(UserError, match="state next/0/next/0/…: nested deeper than"):
        check_plain(circle)


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: (x,), lambda x: {1: x}])
def test_the_deepest_that_is_taken_comes_back(wrap):
    tree = 1
    for _ in range(MAX_DEPTH):
        tree = wrap(tree)
    assert round_trip(tree) == tree
    with pytest.raises(UserError, match="nested deeper"):
        check_plain(wrap(tree))


@pytest.mark.parametrize(
    "wrong",
    [
        {"$array": "7"},
        {"$unknown": 1},
        {"$tensor": ["0", "load"]},
        {"$tensor": ["0", "int64"]},
        {"$scalar": ["O", "00" * 8]},
        {"$scalar": ["<f4", "00"]},
        {"$set": [[1]]},
        {"$bytes": "x"},
        {"$bytes": 5},
        {"$dict": [1]},
        {"$int": None},
    ],
)
def test_what_was_not_encoded_is_an_error(wrong):
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode(wrong, {"0": np.zeros(2, np.float32)})

"""Buffers for frames: handed out again once nobody references them, and what that relies on."""

import sys

import numpy as np
import pytest

from mmrl_envs.grid.rendering import frame_pool
from mmrl_envs.grid.rendering.frame_pool import FramePool

REASON = (
    "rendering/frame_pool.py was tested with CPython 3.11 and numpy 2.4; this is "
    f"{sys.implementation.name} {sys.version.split()[0]} with numpy {np.__version__}, where "
    "reference counts mean something else: make FramePool.take return a fresh array there"
)


def test_pool_hands_out_what_nobody_holds():
    pool = FramePool(2)
    first = pool.take()
    address = first.ctypes.data
    second = pool.take()
    assert not np.shares_memory(first, second)
    view = first[1:]
    del first
    assert not np.shares_memory(pool.take(), view)
    del view
    assert pool.take().ctypes.data == address
    many = [pool.take() for _ in range(20)]
    assert len({array.ctypes.data for array in many}) == 20


@pytest.mark.parametrize(
    "hold",
    [
        lambda array: array,
        lambda array: array[1:],
        lambda array: array[1:][0],
        lambda array: array.reshape(-1).view(np.uint64),
        lambda array: memoryview(array),
        lambda array: {"image": [array]},
        lambda array: lambda: array,
    ],
    ids=["name", "view", "view of a view", "other type", "memoryview", "container", "closure"],
)
def test_each_holder_counts_until_it_is_gone(hold):
    buffers = [np.empty((4, 8), np.uint8)]
    assert frame_pool._references(buffers, 0) == frame_pool._UNREFERENCED, REASON
    holder = hold(buffers[0])
    assert frame_pool._references(buffers, 0) > frame_pool._UNREFERENCED, REASON
    del holder
    assert frame_pool._references(buffers, 0) == frame_pool._UNREFERENCED, REASON


def test_a_tensor_counts():
    torch = pytest.importorskip("torch")
    buffers = [np.empty((4, 8), np.uint8)]
    tensor = torch.from_numpy(buffers[0])[1:]
    assert frame_pool._references(buffers, 0) > frame_pool._UNREFERENCED, REASON
    del tensor
    assert frame_pool._references(buffers, 0) == frame_pool._UNREFERENCED, REASON

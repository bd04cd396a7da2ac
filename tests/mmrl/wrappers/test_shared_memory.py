"""Arrays that two mappings of the same memory show."""

import os

import numpy as np
import pytest

from mmrl.wrappers.shared_memory import ArrayLayout, SharedArrays

LAYOUTS = {
    "image": ArrayLayout((2, 3, 5, 3), "uint8"),
    "state": ArrayLayout((2, 7), "float32"),
    "nothing": ArrayLayout((0,), "int64"),
}


@pytest.mark.parametrize("has_memfd", [True, False])
def test_what_one_writes_the_other_reads(monkeypatch, has_memfd):
    if not has_memfd:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    one = SharedArrays.allocate(LAYOUTS)
    other = SharedArrays(LAYOUTS, one.descriptor)
    one.close_descriptor()
    for name, layout in LAYOUTS.items():
        assert (one.arrays[name].shape, one.arrays[name].dtype) == layout
        assert not one.arrays[name].any()
        one.arrays[name][...] = np.arange(one.arrays[name].size).reshape(layout.shape)
    for name in LAYOUTS:
        np.testing.assert_array_equal(one.arrays[name], other.arrays[name])

"""Modules are found by any observation key, and their weights have names that torch accepts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmrl.models.module_table import ModuleTable

KEYS = st.from_regex(r"[a-z_-]{1,6}(\.[a-z_-]{1,6}){0,2}", fullmatch=True) | st.sampled_from(
    ["items", "keys", "training", "type", "forward", "observation.images.top", "state.items"]
)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(KEYS, unique=True, max_size=6))
def test_a_mapping_by_the_keys_that_were_given(keys):
    modules = {key: nn.Linear(1, 1) for key in keys}
    table = ModuleTable(modules)
    assert list(table) == list(table.keys()) == keys
    assert dict(table.items()) == modules
    assert all(key in table and table[key] is one for key, one in modules.items())
    assert len(set(table.state_dict())) == 2 * len(keys)
    again = ModuleTable({key: nn.Linear(1, 1) for key in keys})
    again.load_state_dict(table.state_dict())
    assert all(torch.equal(again[key].weight, one.weight) for key, one in modules.items())


def test_keys_that_torch_accepts_are_the_names_of_weights():
    modules = {"image": nn.Linear(1, 1), "left_wrist": nn.Linear(1, 1)}
    assert set(ModuleTable(modules).state_dict()) == set(nn.ModuleDict(modules).state_dict())


def test_modules_are_removed_and_missed():
    table = ModuleTable({"a.b": nn.Identity()})
    table.pop("a.b")
    assert "a.b" not in table
    with pytest.raises(KeyError):
        table["a.b"]

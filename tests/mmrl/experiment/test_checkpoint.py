"""Checkpoints come back as they were written, or not at all."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from mmrl.errors import UserError
from mmrl.experiment.checkpoint import (
    Checkpoint,
    DamagedCheckpointError,
    put_weights,
    read_checkpoint,
    weights_of,
    write_checkpoint,
)
from mmrl.files import remove_drafts

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)  # the state of a random generator is a large one
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | arrays(
        st.sampled_from(["u1", "i8", "f4", "u8", "?", "<U3"]), st.sampled_from([(), (0,), (2, 3)])
    )
    | arrays("f4", (2,)).map(torch.from_numpy)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab/.", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return torch.equal(one.nan_to_num(), other.nan_to_num())
    if isinstance(one, np.ndarray):
        equal_nan = one.dtype.kind == "f"
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=equal_nan)
    return type(one) is type(other) and one == other


@settings(max_examples=30, deadline=None)
@given(tree=TREES, numbers=arrays("f4", (2, 2)))
def test_what_is_written_is_read(tmp_path_factory, tree, numbers):
    folder = tmp_path_factory.mktemp("checkpoint") / "here"
    weights = {"a.b": torch.from_numpy(numbers), "count": torch.tensor(7)}
    write_checkpoint(folder, Checkpoint(12, weights, {"tree": tree}))
    read = read_checkpoint(folder)
    assert read.steps == 12
    assert same(read.state["tree"], tree)
    assert same(read.weights, weights)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "step_3"
    state = {"array": np.arange(5), "tensor": torch.ones(2), "words": ["a", None]}
    write_checkpoint(place, Checkpoint(3, {"w": torch.zeros(4)}, state))
    return place


def test_nothing_in_it_is_a_pickle(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json", "state.json", "state.npz", "weights.safetensors",
    ]  # fmt: skip
    with np.load(folder / "state.npz", allow_pickle=False) as file:
        assert all(not array.dtype.hasobject for array in file.values())
    json.loads((folder / "state.json").read_text())


@pytest.mark.parametrize(
    "file", ["manifest.json", "state.json", "state.npz", "weights.safetensors"]
)
@pytest.mark.parametrize("how", ["cut", "empty", "gone", "altered"])
def test_damage_is_seen(folder, file, how):
    path = folder / file
    content = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    elif how == "altered":
        place = (
            content.index(b'"state.npz": "') + 15 if file == "manifest.json" else len(content) // 2
        )
        content[place] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes(content[: len(content) // 2 if how == "cut" else 0])
    with pytest.raises(DamagedCheckpointError, match="step_3 is damaged"):
        read_checkpoint(folder)


def test_what_is_not_plain_is_refused_and_leaves_nothing(tmp_path):
    for wrong in (object(), np.array([object()]), {"deep": [{1, np.random.default_rng()}]}):
        with pytest.raises(UserError, match="state state.*: .* is not plain data"):
            write_checkpoint(tmp_path / "new", Checkpoint(1, {}, {"state": wrong}))
    assert not list(tmp_path.iterdir())


def test_the_first_encoding_is_read():
    """Written by version 0.1, with arrays by their paths, and tuples and numpy's scalars as lists
    and numbers; a key that looks like a marker of today is a key.
    """
    read = read_checkpoint(Path(__file__).parent / "data/checkpoint_arrays_by_path")
    assert read.steps == 12
    assert same(read.weights, {"layer.weight": torch.zeros(2, 3)})
    state = {
        "counters": {"num_timesteps": 12, "rate": 0.5, "big": 2**100},
        "random": [3, np.arange(4, dtype=np.uint32), None],
        "log": {"rollout/loss": [float("inf"), 3, ["stdout"]]},
        "weights": {"a/b": torch.ones(2), "flag": torch.tensor(True)},
        "$new": {"$tuple": [1, 2]},
        "words": ["go", True],
    }
    assert same(read.state, state)


def test_an_encoding_of_later_is_refused(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "encoding": 3}))
    with pytest.raises(UserError, match="encoding 3: this version of mmrl reads up to 2"):
        read_checkpoint(folder)


@pytest.mark.parametrize("content", ['{"$array": "9"}', "[" * 200_000 + "]" * 200_000, "[1"])
def test_a_state_that_is_not_one_is_damage(folder, content):
    (folder / "state.json").write_text(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["state.json"] = hashlib.sha256(content.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DamagedCheckpointError, match="step_3 is damaged"):
        read_checkpoint(folder)


def test_an_interrupted_write_leaves_the_old_one(folder, monkeypatch):
    def die(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", die)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(folder, Checkpoint(3, {"w": torch.ones(4)}, {}))
    assert torch.equal(read_checkpoint(folder).weights["w"], torch.zeros(4))
    assert [path.name for path in folder.parent.iterdir()] == ["step_3"]


def test_drafts_of_the_killed_are_removed(folder):
    (folder.parent / ".draft-x" / "step_4").mkdir(parents=True)
    remove_drafts(folder.parent)
    assert [path.name for path in folder.parent.iterdir()] == ["step_3"]


class Twice(nn.Module):
    """One layer under two names, and a buffer."""

    def __init__(self, width=3):
        super().__init__()
        self.one = self.two = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)


def test_weights_of_a_module_there_and_back(tmp_path):
    module, other = Twice(), Twice()
    weights = weights_of(module)
    assert set(weights) == {
        "one.weight", "one.bias", "norm.weight", "norm.bias",
        "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
    }  # fmt: skip
    write_checkpoint(tmp_path / "c", Checkpoint(0, weights, None))
    put_weights(other, read_checkpoint(tmp_path / "c").weights)
    assert all(
        torch.equal(a, b) for a, b in zip(module.parameters(), other.parameters(), strict=True)
    )


def test_weights_of_another_module_change_nothing():
    module = Twice()
    before = {name: one.clone() for name, one in weights_of(module).items()}
    with pytest.raises(UserError, match=r"another model: .*norm.bias is \[4\], not \[3\].* more"):
        put_weights(module, weights_of(Twice(4)))
    with pytest.raises(UserError, match="one.bias is missing"):
        put_weights(module, {name: one for name, one in before.items() if name != "one.bias"})
    with pytest.raises(UserError, match="more is unknown"):
        put_weights(module, {**before, "more": torch.zeros(1)})
    assert same(before, {name: one.detach() for name, one in weights_of(module).items()})

"""Vectors are normalised by all that was seen before, whatever the batches, and learned from."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mmrl.errors import UserError
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.encoders.vector import RunningNorm, VectorMLP, build_vector_encoder
from mmrl.models.inputs import ModelInputs
from mmrl.models.io import load_model, save_model
from mmrl.models.tokens import TokensShape

SIZE = 3
NUMBER = st.floats(-1e4, 1e4, width=32)
BATCHES = st.lists(
    st.lists(st.lists(NUMBER, min_size=SIZE, max_size=SIZE), min_size=1, max_size=6),
    min_size=1,
    max_size=5,
)
NOT_FINITE = (float("nan"), float("inf"), -float("inf"), 3e38)


def seen(*batches):
    """Running statistics of batches."""
    norm = RunningNorm(SIZE)
    for batch in batches:
        norm(torch.as_tensor(batch, dtype=torch.float32))
    return norm


@settings(deadline=None, derandomize=True, max_examples=40)
@given(BATCHES)
def test_statistics_are_those_of_all_the_data_whatever_the_batches(batches):
    data = np.concatenate([np.array(batch, np.float64) for batch in batches])
    norm = seen(*batches)
    np.testing.assert_allclose(norm.running_mean, data.mean(0), rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(norm.running_var, data.var(0), rtol=1e-3, atol=1e-2)
    assert norm.count.tolist() == [len(data)] * SIZE


@settings(deadline=None, derandomize=True, max_examples=40)
@given(BATCHES, st.data())
def test_what_is_not_finite_is_not_counted(batches, data):
    arrays = [np.array(batch, np.float32) for batch in batches]
    for array in arrays:
        for place in np.ndindex(array.shape):
            if data.draw(st.booleans()):
                array[place] = data.draw(st.sampled_from(NOT_FINITE))
    norm = seen(*arrays)
    together = np.concatenate(arrays)
    counted = np.abs(together) < 1e5
    assert norm.count.tolist() == counted.sum(0).tolist()
    for k in range(SIZE):
        there = together[counted[:, k], k].astype(np.float64)
        mean, var = (there.mean(), there.var()) if len(there) else (0, 1)
        np.testing.assert_allclose(norm.running_mean[k], mean, rtol=1e-4, atol=1e-2)
        np.testing.assert_allclose(norm.running_var[k], var, rtol=1e-3, atol=1e-2)
    assert norm(torch.from_numpy(together)).isfinite().all()


def test_far_from_zero():
    data = np.random.default_rng(0).normal(1000, 0.1, (4096, SIZE)).astype(np.float32)
    norm = seen(*np.split(data, 64)).eval()
    normed = norm(torch.from_numpy(data))
    assert_close(normed.mean(0), torch.zeros(SIZE), atol=1e-2, rtol=0)
    assert_close(normed.std(0), torch.ones(SIZE), atol=1e-2, rtol=0)


def test_a_batch_is_normalised_before_it_is_counted():
    first, second = 5 + 2 * torch.randn(2, 64, SIZE)
    norm = seen(first)
    before = norm.eval()(second)
    assert torch.equal(norm.train()(second), before)
    assert not torch.equal(norm.eval()(second), before)


def test_evaluation_changes_nothing():
    norm = seen(torch.randn(8, SIZE)).eval()
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    norm(torch.randn(8, SIZE) + 4)
    assert all(torch.equal(norm.state_dict()[name], one) for name, one in before.items())


def test_numbers_are_clipped_and_missing_ones_are_the_mean():
    norm = seen([[-1.0, 5, 0], [1.0, 5, 0]]).eval()
    vectors = torch.tensor([[1e30, 5.5, float("nan")], [-float("inf"), 5, float("inf")]])
    assert norm(vectors).tolist() == [[10, 0.5, 0], [-10, 0, 10]]


def test_buffers_are_named_as_target_networks_copy_them():
    """stable-baselines3 copies what has "running_" in its name."""
    names = {name for name, _ in VectorMLP(SIZE).named_buffers()}
    assert {name.rpartition(".")[2] for name in names} == {"running_mean", "running_var", "count"}


def test_statistics_change_in_place():
    norm = RunningNorm(SIZE)
    before = [tensor.data_ptr() for tensor in norm.buffers()]
    norm(torch.randn(8, SIZE))
    norm.average(lambda tensor: tensor, 1)
    assert [tensor.data_ptr() for tensor in norm.buffers()] == before


@settings(deadline=None, derandomize=True, max_examples=50)
@given(BATCHES, BATCHES, BATCHES)
def test_workers_have_the_statistics_of_all_their_data(common, one, other):
    """Also again and again: what they have in common counts once."""
    workers = [seen(*common[:1]) for _ in range(2)]
    data = [*common[0], *common[0]]
    for parts in ((one, other), (other, one), (common, [])):
        for norm, batches in zip(workers, parts, strict=True):
            for batch in batches:
                norm(torch.tensor(batch))
                data += batch
        average(workers)
    for norm in workers:
        whole = np.array(data, np.float64)
        np.testing.assert_allclose(norm.running_mean, whole.mean(0), rtol=1e-3, atol=1e-1)
        np.testing.assert_allclose(norm.running_var, whole.var(0), rtol=1e-2, atol=1e-1)
        np.testing.assert_allclose(norm.count, len(data) / 2, rtol=1e-4)


def average(workers):
    """Two workers, each in a thread of its own, as a team has them in processes."""
    barrier, parts = Barrier(2), [None, None]

    def work(rank):
        def total(tensor):
            parts[rank] = tensor
            barrier.wait()
            both = parts[0] + parts[1]
            barrier.wait()
            return both

        workers[rank].average(total, 2)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))


def test_one_token_on_one_place():
    encoder = build_vector_encoder("mlp", 5, width=7, layers=3)
    assert encoder.shape == TokensShape(7, (1, 1))
    tokens = encoder(torch.randn(4, 5, dtype=torch.float64))
    assert tokens.values.shape == (4, 1, 7)
    assert tokens.mask.all()
    assert len(encoder.stages()) == 3


@pytest.mark.parametrize("normalize", ["running", "none"])
def test_nothing_that_is_not_finite_gets_through(normalize):
    encoder = VectorMLP(SIZE, normalize=normalize)
    vectors = torch.tensor([NOT_FINITE[:SIZE], [0.0, 1, 2]])
    for _ in range(3):
        tokens = encoder(vectors)
    tokens.values.sum().backward()
    assert tokens.values.isfinite().all()
    assert all(one.grad.isfinite().all() for one in encoder.parameters())
    assert all(one.isfinite().all() for one in encoder.buffers())


@pytest.mark.parametrize(("trained", "moves"), [(0, False), (1, False), (2, True)])
def test_frozen_statistics_stay(trained, moves):
    encoder = VectorMLP(SIZE)
    encoder.freeze(trained)
    encoder.enable_cache(1 << 20)
    before = encoder.body[0][0].count.clone()
    encoder.train()(torch.randn(4, SIZE))
    assert torch.equal(encoder.body[0][0].count, before) != moves
    assert encoder.cache is None


def test_other_vectors_are_refused():
    with pytest.raises(ValueError, match=r"must be \[B, 3\], got \[2, 4\]"):
        VectorMLP(SIZE)(torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("mpl", {}, "did you mean 'mlp'"),
        ("mlp", {"layers": 0}, r"model.vector_args .*layers=0: must be 1 or more"),
        ("mlp", {"normalize": "batch"}, "must be one of running, none"),
        ("mlp", {"heads": 2}, "model.vector_args .*heads"),
    ],
)
def test_what_does_not_fit(name, args, words):
    with pytest.raises(UserError, match=words):
        build_vector_encoder(name, SIZE, **args)


def state_model(**args):
    """A model of one vector."""
    config = ModelConfig(features=32, vector_args=args)
    return build_model(config, ModelInputs({"state": (SIZE,)}))


@pytest.mark.parametrize(("normalize", "is_learned"), [("running", True), ("none", False)])
def test_a_regression_is_learned(normalize, is_learned):
    """(a − b) · c of numbers of different scales, from 128 examples, in 150 steps; not as they are,
    which is the control.
    """
    model, head = state_model(normalize=normalize), torch.nn.Linear(32, 1)
    scales = torch.tensor([1.0, 1000.0, 0.01])
    raw = torch.rand(128, SIZE) * 2 - 1
    target = ((raw[:, 0] - raw[:, 1]) * raw[:, 2]).unsqueeze(1)
    vectors = raw * scales + 3 * scales
    optimizer = torch.optim.Adam([*model.parameters(), *head.parameters()], 1e-2)
    for _ in range(150):
        loss = (head(model({"state": vectors})) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    share = float(loss.detach() / target.var())
    assert share < 0.02 if is_learned else share > 0.5


def test_save_and_load(tmp_path):
    model = state_model()
    for _ in range(3):
        model({"state": torch.randn(8, SIZE) * 5 + 2})
    vectors = {"state": torch.randn(8, SIZE)}
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert torch.equal(again(vectors), model.eval()(vectors))
    norm = again.encoders["state"].body[0][0]
    assert norm.count.tolist() == [24] * SIZE

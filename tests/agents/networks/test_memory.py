"""Memories: many steps at once are one after the other, and nothing crosses an episode's end."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mmrl.errors import UserError
from mmrl_agents.networks.memory import MEMORIES, build_memory
from mmrl_agents.networks.memory.recurrent import segments

ARGS = {
    "lstm": {"size": 5},
    "gru": {"size": 5},
    "frame_stack": {"frames": 3},
    "transformer": {"size": 8, "layers": 2, "heads": 2, "window": 3},
}


def one_after_the_other(memory, features, state, starts):
    outs = []
    for feature, start in zip(features, starts, strict=True):
        out, state = memory(feature, state, start)
        outs.append(out)
    return torch.stack(outs), state


@pytest.mark.parametrize("name", MEMORIES)
@settings(deadline=None)
@given(
    steps=st.integers(1, 7),
    envs=st.integers(1, 4),
    seed=st.integers(0, 99),
    often=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_sequences_are_steps(name, steps, envs, seed, often):
    torch.manual_seed(seed)
    memory = build_memory(name, 4, ARGS[name])
    features = torch.randn(steps, envs, 4, requires_grad=True)
    state = torch.randn(envs, memory.state_size)
    starts = torch.rand(steps, envs) < often
    slow, _ = one_after_the_other(memory, features, state, starts)
    fast = memory.sequences(features, state, starts)
    assert fast.shape == (steps, envs, memory.features)
    assert_close(fast, slow)
    weight = torch.randn_like(slow)
    slow_gradient, *_ = torch.autograd.grad((slow * weight).sum(), features)
    fast_gradient, *_ = torch.autograd.grad((fast * weight).sum(), features)
    assert_close(fast_gradient, slow_gradient)


@pytest.mark.parametrize("name", MEMORIES)
def test_an_episode_knows_nothing_of_the_one_before(name):
    torch.manual_seed(0)
    memory = build_memory(name, 4, ARGS[name])
    features, other = torch.randn(6, 2, 4), torch.randn(6, 2, 4)
    starts = torch.zeros(6, 2, dtype=torch.bool)
    starts[3, 0] = True
    other[3:] = features[3:]  # another past
    state = torch.randn(2, memory.state_size)
    one, two = (memory.sequences(past, state, starts) for past in (features, other))
    assert torch.equal(one[3:, 0], two[3:, 0])
    assert not torch.allclose(one[3:5, 1], two[3:5, 1])  # the other row has no new episode
    fresh, _ = memory(features[3, :1], memory.begin(1), torch.ones(1, dtype=torch.bool))
    assert_close(one[3, :1], fresh)


@pytest.mark.parametrize("name", MEMORIES)
def test_the_state_goes_on(name):
    torch.manual_seed(0)
    memory = build_memory(name, 4, ARGS[name])
    features, starts = torch.randn(6, 2, 4), torch.rand(6, 2) < 0.3
    whole, _ = one_after_the_other(memory, features, memory.begin(2), starts)
    _, middle = one_after_the_other(memory, features[:4], memory.begin(2), starts[:4])
    assert_close(memory.sequences(features[4:], middle, starts[4:]), whole[4:])


def test_segments():
    starts = torch.tensor([[False, True], [False, False], [True, False], [True, False]])
    rows, lengths, fresh = segments(starts)
    assert rows.tolist() == [[0, 0], [0, 2], [0, 3], [1, 0]]
    assert lengths.tolist() == [2, 1, 1, 4]
    assert fresh.tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("lsmt", {}, "did you mean 'lstm'"),
        ("gru", {"frames": 2}, "do not fit gru"),
        ("lstm", {"size": -1}, "do not fit lstm"),
        ("frame_stack", {"frames": 1}, "2 or more"),
        ("transformer", {"size": 6, "heads": 4}, "heads divide size"),
        ("transformer", {"window": 0}, "at least 1"),
    ],
)
def test_refusals(name, args, words):
    with pytest.raises(UserError, match=words):
        build_memory(name, 4, args)

"""Steps and sequences that are drawn from demonstrations are those that were added."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from mmrl.data import Demonstration
from mmrl.models.build import build_tokenizer
from mmrl.models.config import ModelConfig
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl_agents.imitation.buffer import DemonstrationBuffer

SENSORS = {"image": spaces.Box(0, 255, (2, 2, 3), np.uint8), "state": spaces.Box(-1, 1, (1,))}
WORDS = ("left", "right")
LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(ModelConfig(text="bag_of_words", instruction_length=3), list(WORDS))


def make(lengths, tokenizer):
    """Episodes whose vectors number all steps, and whose images number the episodes."""
    buffer, at = DemonstrationBuffer(SENSORS, Preprocessing(tokenizer)), 0
    for number, length in enumerate(lengths):
        steps = np.arange(at, at + length)
        buffer.add(
            Demonstration(
                {
                    "image": np.full((length, 2, 2, 3), number, np.uint8),
                    "state": steps[:, None].astype(np.float32),
                },
                (WORDS[number % 2],) * length,
                steps,
                True,
            )
        )
        at += length
    return buffer


@given(lengths=LENGTHS)
def test_all_steps_are_kept(lengths, tokenizer):
    buffer = make(lengths, tokenizer)
    assert (len(buffer), buffer.episodes) == (sum(lengths), len(lengths))
    assert buffer.starts.tolist() == np.cumsum([0, *lengths]).tolist()
    rows = np.arange(len(buffer))
    seen = buffer.observations(rows)
    assert seen["state"][:, 0].tolist() == buffer.actions.tolist() == rows.tolist()
    numbers = np.repeat(np.arange(len(lengths)), lengths)
    assert seen["image"][:, 0, 0, 0].tolist() == numbers.tolist()
    expected = [tokenizer.encode(WORDS[number % 2]) for number in numbers]
    assert torch.equal(seen["instruction"], torch.from_numpy(np.stack(expected)))


@given(lengths=LENGTHS, seed=st.integers(0, 99), data=st.data())
def test_samples_are_of_the_episodes_that_were_asked_for(lengths, seed, data, tokenizer):
    buffer = make(lengths, tokenizer)
    numbers = st.lists(st.integers(0, len(lengths) - 1), min_size=1, unique=True)
    episodes = np.array(data.draw(numbers))
    rows = buffer.sample(episodes, 50, np.random.default_rng(seed))
    assert set(episode_of(buffer, rows)) <= set(episodes.tolist())
    sequences = buffer.sample_sequences(episodes, 4, 5, np.random.default_rng(seed))
    assert sequences.rows.shape == sequences.starts.shape == (5, 4)
    assert set(episode_of(buffer, sequences.rows.ravel())) <= set(episodes.tolist())
    assert sequences.starts[0].all()
    assert not sequences.padding.any()
    follows = sequences.rows[1:] == sequences.rows[:-1] + 1
    assert (follows | sequences.starts[1:]).all()
    same = episode_of(buffer, sequences.rows[1:]) == episode_of(buffer, sequences.rows[:-1])
    assert (same | sequences.starts[1:]).all()
    longest = np.diff(buffer.starts)[episode_of(buffer, sequences.rows)]
    begins = np.isin(sequences.rows, buffer.starts[:-1])
    assert (begins | (longest > 5))[sequences.starts].all()  # others begin where they begin


@given(lengths=LENGTHS, length=st.integers(1, 12))
def test_whole_episodes_are_there_once(lengths, length, tokenizer):
    buffer = make(lengths, tokenizer)
    episodes = np.arange(0, len(lengths), 2)
    whole = buffer.whole(episodes, length)
    kept = whole.rows[~whole.padding]
    expected = [row for e in episodes for row in range(*buffer.starts[e : e + 2])]
    assert sorted(kept.tolist()) == expected
    begins = whole.starts & ~whole.padding
    assert sorted(whole.rows[begins].tolist()) == buffer.starts[episodes].tolist()
    follows = whole.rows[1:] == whole.rows[:-1] + 1
    assert (follows | whole.starts[1:]).all()


def test_every_step_is_as_probable(tokenizer):
    buffer = make([1, 9], tokenizer)
    rows = buffer.sample(np.array([0, 1]), 20_000, np.random.default_rng(0))
    assert np.abs(np.bincount(rows, minlength=10) / 2_000 - 1).max() < 0.1


def episode_of(buffer, rows):
    return np.searchsorted(buffer.starts, rows, side="right") - 1

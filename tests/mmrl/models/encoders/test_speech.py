"""The speech encoder learns words from rewards alone, whatever the voice."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mmrl.models.encoders.speech import LogMelCNN
from mmrl.preprocessing.speech import LogMel
from mmrl.wrappers.speech import Speakers

COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")


@pytest.fixture(scope="module")
def utterances():
    """Features float16 [400, frames, bands] of "… drum", and the colour of each."""
    speakers = Speakers(
        voices=["en-us", "en+f3", "en+m4"], words_per_minute=[140, 220], noise=0.01, seconds=1.0
    )
    mel, generator = LogMel(1.0, 20), np.random.default_rng(0)
    colors = generator.integers(0, 6, 400)
    waveforms = [speakers.speak(f"{COLOURS[k]} drum", generator) for k in colors]
    return torch.from_numpy(np.stack([mel.encode(w) for w in waveforms])), torch.from_numpy(colors)


def test_rewards_teach_it_words(utterances):
    """An agent before a drum opens it, or passes: reward 1 if the instruction has its colour, 0 for
    another, 0.25 for passing. Rewards are all it learns from (REINFORCE).
    """
    features, colors = utterances
    torch.manual_seed(0)
    encoder, drums = LogMelCNN(features.shape[1:], width=32), nn.Embedding(6, 32)
    film, head = nn.Linear(32, 64), nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 3))
    modules = nn.ModuleList([encoder, drums, film, head])
    optimizer = torch.optim.Adam(modules.parameters(), 3e-3)

    def act(rows, drum):
        scale, shift = film(encoder(features[rows]).mean()).chunk(2, 1)
        seen = drums(drum)
        out = head(seen + torch.relu((1 + scale) * seen + shift))
        return torch.distributions.Categorical(logits=out[:, :2]), out[:, 2]

    for _ in range(110):
        rows = torch.randint(0, 300, (256,))
        meant = torch.rand(256) < 0.25
        drum = torch.where(meant, colors[rows], (colors[rows] + torch.randint(1, 6, (256,))) % 6)
        policy, value = act(rows, drum)
        opens = policy.sample()
        reward = torch.where(opens == 1, meant.float(), 0.25)
        advantage = reward - value.detach()
        loss = functional.mse_loss(value, reward) / 2 - 0.02 * policy.entropy().mean()
        loss = loss - (policy.log_prob(opens) * advantage / advantage.std()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    rows = torch.arange(300, 400)
    with torch.no_grad():
        opened = torch.stack([act(rows, torch.full((100,), k))[0].probs[:, 1] for k in range(6)])
    assert (opened.argmax(0) == colors[rows]).float().mean() > 0.7  # 1 in 6 by luck


def test_a_microphone_or_a_room_makes_no_difference():
    """Each band is standardised over the utterance: gain and colouring fall out."""
    torch.manual_seed(0)
    features = torch.zeros(2, 40, 8)
    features[0, :25], features[1, :31] = torch.randn(25, 8), torch.randn(31, 8)
    coloured = torch.where(features != 0, 1.7 * features + torch.randn(8), 0.0)
    encoder = LogMelCNN((40, 8), width=16)
    plain, other = encoder(features), encoder(coloured)
    assert torch.equal(plain.mask, other.mask)
    torch.testing.assert_close(
        other.values[other.mask], plain.values[plain.mask], rtol=1e-2, atol=1e-2
    )

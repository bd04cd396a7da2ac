"""The speech encoder tells words apart, whoever says them."""

import numpy as np
import torch

from mmrl.encoders.speech import LogMelCNN
from mmrl.preprocessing.speech import LogMel
from mmrl.spoken import Speakers

COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")


def test_it_learns_to_hear_colours():
    speakers = Speakers(
        voices=["en-us", "en+f3"], words_per_minute=[160, 200], noise=0.01, seconds=1.5
    )
    mel, generator = LogMel(1.5), np.random.default_rng(0)
    colours = torch.from_numpy(generator.integers(0, 6, 500))
    heard = torch.from_numpy(
        np.stack(
            [
                mel.encode(speakers.say(f"go to the {COLOURS[k]} ball", generator))
                for k in colours.tolist()
            ]
        )
    )
    encoder, head = LogMelCNN(mel.space.shape), torch.nn.Linear(64, 6)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], 2e-3)
    for _ in range(120):
        rows = torch.randint(0, 400, (64,))
        loss = torch.nn.functional.cross_entropy(head(encoder(heard[rows]).mean()), colours[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        guessed = head(encoder(heard[400:]).mean()).argmax(1)
    assert (guessed == colours[400:]).float().mean() > 0.8  # chance is 1 in 6

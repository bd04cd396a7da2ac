"""Utterances: sentences synthesised by eSpeak NG, and their augmentation with pauses and noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl.generative.text.models import GeneratedText, Recogniser
from mmrl.preprocessing.speech import RATE, resample, spoken_length
from mmrl.preprocessing.tts import speak
from mmrl.progress import ProgressBar
from mmrl.wrappers.speech import Speakers

_STREAM: Final = 0x5A1D  # keeps the speakers' generator apart from others


class Utterance(NamedTuple):
    """A spoken sentence.

    Attributes:
        sentence: its text.
        sound: int16 [T] at 16 kHz, as in a WAV file.
    """

    sentence: str
    sound: NDArray[np.int16]


def synthesise(sentences: Sequence[str], speakers: Speakers, seed: int) -> list[Utterance]:
    """Each sentence, spoken once by a random one of the speakers.

    Raises:
        UserError: eSpeak NG is not installed, or cannot speak it.
    """
    generator = np.random.default_rng([_STREAM, seed])
    utterances = []
    with ProgressBar("synthesising speech", len(sentences), "sentences") as bar:
        for sentence in sentences:
            waveform = speakers.speak(sentence, generator)
            waveform = waveform[: spoken_length(waveform)].clip(-1, 1)
            utterances.append(Utterance(sentence, (waveform * 32767).round().astype(np.int16)))
            bar.advance()
    speak.cache_clear()  # no sentence is synthesised twice
    return utterances


def augment(
    sound: NDArray[np.int16],
    generator: np.random.Generator,
    pause: float,
    noise: float,
    clean: float = 0.0,
) -> NDArray[np.float32]:
    """A sound with random pauses and white noise.

    Args:
        sound: int16 [T] at 16 kHz.
        generator: the only source of randomness.
        pause: seconds of silence before and after it, at most.
        noise: standard deviation of the noise, at most.
        clean: how often, 0 to 1, the noise is 10 to 100,000 times fainter than its maximum.

    Returns:
        float32 [T and the pauses].
    """
    before, after = generator.integers(round(pause * RATE) + 1, size=2)
    waveform = np.pad(resample(sound, RATE), (before, after))
    is_clean, share = generator.random() < clean, generator.random()
    loudness = np.float32(noise * (10 ** -(1 + 4 * share) if is_clean else share))
    return waveform + loudness * generator.standard_normal(len(waveform), np.float32)


def transcribe(recogniser: Recogniser, utterances: Sequence[Utterance]) -> list[GeneratedText]:
    """The transcripts of utterances."""
    return recogniser.transcribe([resample(one.sound, RATE) for one in utterances])

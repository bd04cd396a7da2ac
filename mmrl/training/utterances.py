"""Sentences as they are said: what a recogniser learns from, and is tested with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl.data.splits import shown
from mmrl.generative.text.models import GeneratedText, Recogniser
from mmrl.preprocessing.speech import RATE, resample, spoken_length
from mmrl.preprocessing.tts import speak
from mmrl.wrappers.speech import Speakers

_STREAM: Final = 0x5A1D  # keeps the speakers' generator apart from others


class Utterance(NamedTuple):
    """Something that was said.

    Attributes:
        sentence: what.
        sound: int16 [T] at 16 kHz, as in a WAV file.
    """

    sentence: str
    sound: NDArray[np.int16]


def utter(sentences: Sequence[str], speakers: Speakers, seed: int) -> list[Utterance]:
    """Each sentence, said once by one of the speakers.

    Raises:
        UserError: eSpeak NG is not installed, or cannot say it.
    """
    generator = np.random.default_rng([_STREAM, seed])
    said = []
    for sentence in shown(sentences, "speaking"):
        waveform = speakers.speak(sentence, generator)
        waveform = waveform[: spoken_length(waveform)].clip(-1, 1)
        said.append(Utterance(sentence, (waveform * 32767).round().astype(np.int16)))
    speak.cache_clear()  # what was said once is not said again
    return said


def hear(
    sound: NDArray[np.int16],
    generator: np.random.Generator,
    pause: float,
    noise: float,
    clean: float = 0.0,
) -> NDArray[np.float32]:
    """A sound as it is heard this time.

    Args:
        sound: int16 [T] at 16 kHz.
        generator: that draws how it is heard.
        pause: seconds of silence before and after it, at most.
        noise: standard deviation of white noise on all of it, at most.
        clean: how often, 0 to 1, it is 10 to 100,000 times fainter than that, down to silence.

    Returns:
        float32 [T and the pauses].
    """
    before, after = generator.integers(round(pause * RATE) + 1, size=2)
    waveform = np.pad(resample(sound, RATE), (before, after))
    is_clean, share = generator.random() < clean, generator.random()
    loudness = np.float32(noise * (10 ** -(1 + 4 * share) if is_clean else share))
    return waveform + loudness * generator.standard_normal(len(waveform), np.float32)


def transcribe(recogniser: Recogniser, utterances: Sequence[Utterance]) -> list[GeneratedText]:
    """What a recogniser hears."""
    return recogniser.transcribe([resample(one.sound, RATE) for one in utterances])

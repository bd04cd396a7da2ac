"""WAV files → waveforms at 16 kHz."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.preprocessing.speech import resample


def read_wav(path: str | Path) -> NDArray[np.float32]:
    """The sound of a WAV file, float32 [T] at 16 kHz, -1 to 1; of several channels, the mean.

    Args:
        path: of whole numbers of 8 to 32 bits or of floats, at any rate.

    Raises:
        UserError: there is no such file, it is no WAV file, or there is no sound in it.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: there is no such file")
    try:
        from scipy.io import wavfile
    except ModuleNotFoundError as error:
        raise UserError("WAV files need scipy: pip install 'multimodal-rl[speech]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of notes beside the sound
        try:
            rate, samples = wavfile.read(path)
        except (ValueError, EOFError, struct.error) as error:
            raise UserError(f"{path} is no WAV file: {error}. Convert it to WAV (PCM)") from error
    if not samples.size:
        raise UserError(f"{path}: there is no sound in it")
    waveform = _floats(samples)
    return resample(waveform if waveform.ndim == 1 else waveform.mean(1), rate)


def _floats(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Samples of any WAV format, -1 to 1."""
    if samples.dtype == np.uint8:
        return (samples / 128 - 1).astype(np.float32)
    if samples.dtype.kind == "i":
        return (samples / 2 ** (8 * samples.itemsize - 1)).astype(np.float32)
    return samples.astype(np.float32)

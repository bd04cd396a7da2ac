"""Speech preprocessing: WAV files → waveforms at 16 kHz → features of fixed shape.

:func:`read_wav` and :func:`resample` make waveforms, float32 [T]; :class:`LogMel` and
:class:`PretrainedSpeech` make features of them, float16, exactly zero after the last sample.
"""

from __future__ import annotations

import struct
import warnings
from functools import cached_property
from math import gcd
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray
from torch import Tensor

from mmrl.compat import import_transformers
from mmrl.errors import UserError
from mmrl.files import write_json
from mmrl.optional_packages import needed_for
from mmrl.preprocessing.encoded import EncodedSpace, fingerprint
from mmrl.preprocessing.hub import download_hint, load_pretrained
from mmrl.schema import FileError, OpenSchema, Schema, check_regular, read_json
from mmrl.text_output import shortened

RATE: Final = 16_000
"""Samples a second of every waveform in an observation."""

FILE: Final = "speech.json"
Seconds = Annotated[float, Meta(gt=0, le=3600)]
"""Of the longest utterance."""
_LONGEST_FILE: Final = 2**31  # bytes
_LOWEST: Final = 1e-10  # power of silence
_HIGHEST_RATE: Final = 1_000_000
_NO_WAV: Final = (
    OSError, ValueError, EOFError, struct.error, ArithmeticError, LookupError, TypeError,
    NameError, MemoryError,
)  # fmt: skip
"""What scipy raises for a file that is damaged, or none."""
_RANGE: Final = 8.0  # powers of ten below an utterance's loudest that are kept, as in Whisper


class SpeechPreprocessor(Protocol):
    """A feature extractor: waveforms → speech features.

    Attributes:
        space: of the features of one waveform.
    """

    @property
    def space(self) -> EncodedSpace:
        """Shape and type of the features."""
        ...

    def encode(self, waveform: NDArray[np.float32]) -> NDArray[np.float16]:
        """A waveform float32 [T] at 16 kHz, silent at its end → its features."""
        ...

    def save(self, folder: Path) -> None:
        """Write what :func:`load_speech` needs into a folder."""
        ...


def resample(waveform: NDArray[Any], rate: int) -> NDArray[np.float32]:
    """A waveform at another rate → float32 at 16 kHz, by a polyphase filter.

    Args:
        waveform: float [T], or int16 [T], whose range becomes -1 to 1.
        rate: its samples a second.

    Raises:
        ValueError: it is no waveform, or the rate is not positive.
    """
    if waveform.ndim != 1 or rate < 1:
        raise ValueError(f"a waveform [T] and its rate are needed, got {waveform.shape}, {rate}")
    if waveform.dtype == np.int16:
        waveform = waveform.astype(np.float32) / 32768
    if rate == RATE:
        return np.asarray(waveform, np.float32)
    with needed_for(f"speech at {rate} Hz, which is resampled to {RATE}", "speech"):
        from scipy.signal import resample_poly
    shared = gcd(RATE, rate)
    return np.asarray(resample_poly(waveform, RATE // shared, rate // shared), np.float32)


def check_waveform(waveform: NDArray[Any]) -> None:
    """Check that an array is a waveform of the contract.

    Raises:
        ValueError: another dtype, shape, or range. Another sample rate cannot be detected:
            :func:`resample` takes it as an argument.
    """
    if waveform.ndim != 1 or waveform.dtype != np.float32:
        raise ValueError(
            f"speech must be float32 [T] at {RATE} Hz, got {waveform.dtype} "
            f"{list(waveform.shape)}; mmrl.preprocessing.speech.resample makes it so"
        )
    if waveform.size and not np.abs(waveform).max() <= 8:
        raise ValueError("speech must lie around -1 to 1 and be finite")


def spoken_length(waveform: NDArray[np.float32]) -> int:
    """Samples up to the last one that is not 0."""
    spoken = np.flatnonzero(waveform)
    return int(spoken[-1]) + 1 if spoken.size else 0


class LogMel:
    """Log-mel spectrogram: log₁₀ of the power in mel bands, 25 ms windows every 10 ms, scaled as in
    Whisper (Radford et al., 2022): at most 8 below the loudest, (x + 4) / 4.

    Args:
        seconds: longest utterance; what is longer is cut.
        mels: number of bands.
    """

    window, hop = 400, 160

    def __init__(self, seconds: float = 4.0, mels: int = 40) -> None:
        if seconds <= 0 or mels < 1:
            raise UserError(f"log-mel speech of {seconds} s and {mels} bands: both must be above 0")
        self.seconds, self.mels = seconds, mels
        self.frames = max(round(seconds * RATE / self.hop), 1)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings, as plain data."""
        return {"kind": "log_mel", "seconds": self.seconds, "mels": self.mels}

    @cached_property
    def space(self) -> EncodedSpace:
        """float16 [frames, mels]."""
        shape = (self.frames, self.mels)
        return EncodedSpace(-np.inf, np.inf, shape, np.float16, fingerprint(**self.settings))

    @cached_property
    def _filters(self) -> Tensor:
        """float32 [mels, frequencies]."""
        bank = import_transformers().audio_utils.mel_filter_bank(
            num_frequency_bins=self.window // 2 + 1,
            num_mel_filters=self.mels,
            min_frequency=0.0,
            max_frequency=RATE / 2,
            sampling_rate=RATE,
            norm="slaney",
            mel_scale="slaney",
        )
        return torch.from_numpy(bank.T).float()

    def encode(self, waveform: NDArray[np.float32]) -> NDArray[np.float16]:
        """A waveform float32 [T] → float16 [frames, mels], 0 after its last sample.

        Raises:
            ValueError: as :func:`check_waveform`.
        """
        check_waveform(waveform)
        encoded = np.zeros((self.frames, self.mels), np.float16)
        spoken = torch.from_numpy(waveform[: spoken_length(waveform)].copy())
        if not len(spoken):
            return encoded
        spoken = torch.nn.functional.pad(spoken, (0, max(self.window - len(spoken), 0)))
        spectrum = torch.stft(
            spoken,
            self.window,
            self.hop,
            window=torch.hann_window(self.window),
            pad_mode="constant",
            return_complex=True,
        )
        power = self._filters @ spectrum.abs().square()
        logs = power.clamp_min(_LOWEST).log10()
        logs = (logs.clamp_min(logs.max() - _RANGE) + 4) / 4
        frames = logs.T[: self.frames].half().numpy()
        encoded[: len(frames)] = np.where(frames == 0, np.float16(1e-4), frames)
        return encoded

    def save(self, folder: Path) -> None:
        """Write the settings as JSON."""
        write_json(folder / FILE, self.settings)


class PretrainedSpeech:
    """The feature extractor of a Wav2Vec2 or Whisper model, by hub name or local path.

    Args:
        name: as ``AutoFeatureExtractor.from_pretrained`` takes it.
        seconds: longest utterance; Whisper's own features are always of 30 seconds.

    Raises:
        UserError: it is neither in the cache nor reachable, or for another sample rate.
    """

    def __init__(self, name: str, seconds: float = 4.0) -> None:
        try:
            extractor = load_pretrained("AutoFeatureExtractor", name)
        except (OSError, ValueError) as error:
            raise UserError(
                f"speech features {name!r} are neither a local folder (with "
                "preprocessor_config.json), nor cached, nor reachable "
                f"({shortened(error)}). Offline, give a folder, or use log_mel_cnn"
                f"{download_hint(name)}"
            ) from error
        if extractor.sampling_rate != RATE:
            raise UserError(
                f"speech model {name!r} wants {extractor.sampling_rate} Hz; speech here has {RATE}"
            )
        self.name, self.seconds, self._extractor = name, seconds, extractor
        self._length = round(seconds * RATE)

    @cached_property
    def space(self) -> EncodedSpace:
        """float16 [T] for Wav2Vec2, [bands, frames] for Whisper."""
        shape = self.encode(np.ones(RATE, np.float32)).shape
        settings = self._extractor.to_dict()
        mark = fingerprint(seconds=self.seconds, **{k: str(v) for k, v in settings.items()})
        return EncodedSpace(-np.inf, np.inf, shape, np.float16, mark)

    def encode(self, waveform: NDArray[np.float32]) -> NDArray[np.float16]:
        """A waveform float32 [T] at 16 kHz → features, 0 after its last sample.

        Raises:
            ValueError: as :func:`check_waveform`.
        """
        check_waveform(waveform)
        spoken = waveform[: min(spoken_length(waveform), self._length)]
        if hasattr(self._extractor, "nb_max_frames"):  # Whisper
            made = self._extractor(spoken, sampling_rate=RATE, return_tensors="np")
            return np.asarray(made["input_features"][0], np.float16)
        encoded = np.zeros(self._length, np.float16)
        if len(spoken):
            made = self._extractor(spoken, sampling_rate=RATE, return_tensors="np")
            values = made["input_values"][0].astype(np.float16)
            encoded[: len(spoken)] = np.where(values == 0, np.float16(1e-7), values)
        return encoded

    def save(self, folder: Path) -> None:
        """Keep the extractor's own files beside the settings."""
        self._extractor.save_pretrained(folder / "speech")
        settings = {"kind": "pretrained", "seconds": self.seconds, "path": "speech"}
        write_json(folder / FILE, settings)


class _AnySpeech(OpenSchema):
    """What every ``speech.json`` holds."""

    kind: Literal["log_mel", "pretrained"]


class _LogMel(Schema):
    """That of a :class:`LogMel`."""

    kind: str
    seconds: Seconds
    mels: Annotated[int, Meta(ge=1, le=4096)]


class _Pretrained(Schema):
    """That of a :class:`PretrainedSpeech`, beside the extractor's own files."""

    kind: str
    seconds: Seconds
    path: Annotated[str, Meta(pattern=r"^\w[\w.-]*$")]


def load_speech(folder: Path) -> SpeechPreprocessor:
    """The speech preprocessing that was saved in a folder.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    path = folder / FILE
    if read_json(path, _AnySpeech).kind == "log_mel":
        mel = read_json(path, _LogMel)
        return LogMel(mel.seconds, mel.mels)
    saved = read_json(path, _Pretrained)
    return PretrainedSpeech(str(folder / saved.path), saved.seconds)


def read_wav(path: str | Path) -> NDArray[np.float32]:
    """The sound of a WAV file, float32 [T] at 16 kHz, -1 to 1; of several channels, the mean.

    Args:
        path: of whole numbers of 8 to 32 bits or of floats, at any rate.

    Raises:
        UserError: there is no such file, it is no WAV file, or there is no sound in it.
    """
    check_regular(path, _LONGEST_FILE)
    with needed_for("a WAV file", "speech"):
        from scipy.io import wavfile
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of notes beside the sound
        try:
            rate, samples = wavfile.read(path)
        except _NO_WAV as error:
            why = shortened(error).rstrip(".")
            raise FileError(f"{path}: is no WAV file: {why}. Convert it to WAV (PCM)") from error
    if not samples.size:
        raise FileError(f"{path}: there is no sound in it")
    if not 1 <= rate <= _HIGHEST_RATE:
        raise FileError(f"{path}: its rate is {rate} Hz, and must be 1 to {_HIGHEST_RATE}")
    waveform = _floats(samples)
    if not np.isfinite(waveform).all():
        raise FileError(f"{path}: has samples that are not finite. Convert it to WAV (PCM)")
    return resample(waveform if waveform.ndim == 1 else waveform.mean(1), rate)


def _floats(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Samples of any WAV format, -1 to 1."""
    if samples.dtype == np.uint8:
        return (samples / 128 - 1).astype(np.float32)
    if samples.dtype.kind == "i":
        return (samples / 2 ** (8 * samples.itemsize - 1)).astype(np.float32)
    return samples.astype(np.float32)

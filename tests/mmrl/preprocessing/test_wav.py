"""WAV files of every format come out the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmrl.errors import UserError
from mmrl.preprocessing.speech import read_wav

wavfile = pytest.importorskip("scipy.io.wavfile")


def tone(rate: int) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32"])
def test_formats(tmp_path: Path, kind: str) -> None:
    sound = tone(16_000)
    scaled = {
        "uint8": sound * 128 + 128,
        "int16": sound * 2**15,
        "int32": sound * 2**31,
        "float32": sound,
    }[kind]
    wavfile.write(tmp_path / "a.wav", 16_000, scaled.astype(kind))
    read = read_wav(tmp_path / "a.wav")
    assert read.dtype == np.float32
    assert np.abs(read - sound).max() < (0.01 if kind == "uint8" else 1e-4)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
def test_rates(tmp_path: Path, rate: int) -> None:
    wavfile.write(tmp_path / "a.wav", rate, tone(rate).astype(np.float32))
    read = read_wav(tmp_path / "a.wav")
    assert len(read) == 16_000
    assert np.abs(read - tone(16_000))[100:-100].max() < 0.01


def test_two_channels_are_averaged(tmp_path: Path) -> None:
    both = np.stack([tone(16_000), np.zeros(16_000)], axis=1)
    wavfile.write(tmp_path / "a.wav", 16_000, both.astype(np.float32))
    assert np.abs(read_wav(tmp_path / "a.wav") - tone(16_000) / 2).max() < 1e-6


def test_what_is_no_wav_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"ID3 is no sound of ours")
    (tmp_path / "cut.wav").write_bytes(b"RIFF")
    wavfile.write(tmp_path / "none.wav", 16_000, np.zeros(0, np.float32))
    cases = {
        "a.mp3": "no WAV file",
        "cut.wav": "no WAV file",
        "none.wav": "no sound",
        "gone.wav": "no such file",
    }
    for name, hint in cases.items():
        with pytest.raises(UserError, match=f"{name}.*{hint}"):
            read_wav(tmp_path / name)

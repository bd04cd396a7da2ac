"""Text-to-speech: sentences → waveforms at 16 kHz, by eSpeak NG as it comes in a wheel.

The library is loaded anew for every sentence that is not cached. One that lives longer is not
deterministic: a waveform depends on all sentences before it, even after ``espeak_Terminate``,
``espeak_Initialize`` and a fixed random seed, since some of its state is static. Loading takes
about 5 ms beside the synthesis, and :func:`speak` caches 4096 sentences.
``tests/mmrl/preprocessing/test_tts.py`` checks both with the installed version, to which
``pyproject.toml`` is bound.
"""

from __future__ import annotations

import _ctypes
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.optional_packages import needed_for
from mmrl.preprocessing.speech import resample

_SYNCHRONOUS: Final = 2
_UTF8: Final = 1
_RATE_PARAMETER: Final = 1
_PITCH_PARAMETER: Final = 3
_LOCK: Final = Lock()  # the library has one state
_CALLBACK: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def unload(handle: int) -> None:
    """Unload a library that ctypes has loaded: Python has a function of its own for Windows."""
    close = getattr(_ctypes, "dlclose", None) or _ctypes.FreeLibrary  # type: ignore[attr-defined]
    close(handle)


class _Library:
    """eSpeak NG, loaded anew for each sentence, so that a waveform depends on nothing else.

    The library has state: it would synthesise the same sentence differently the second time.
    Loading takes some milliseconds. The breath of some voices is random, and seeded here instead of
    with the time of day.
    """

    def __init__(self) -> None:
        with needed_for("spoken instructions", "speech"):
            import espeakng_loader
        self.functions: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate = int(self.functions.espeak_Initialize(_SYNCHRONOUS, 0, data, 0))
        if self.rate <= 0:
            raise UserError("eSpeak NG does not start: reinstall espeakng-loader")
        self.functions.espeak_ng_SetRandSeed(ctypes.c_long(1))
        self.pieces: list[NDArray[np.int16]] = []
        self._callback = _CALLBACK(self._collect)  # must live as long as the library
        self.functions.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: Any, count: int, _: Any) -> int:
        if count > 0 and samples:
            self.pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def set_voice(self, voice: str) -> None:
        """Synthesise with this voice from now on.

        Raises:
            UserError: there is none.
        """
        if self.functions.espeak_SetVoiceByName(voice.encode()):
            raise UserError(
                f"unknown voice {voice!r}: name a language of eSpeak NG, such as en, en-us or "
                "cmn, with a variant if you like: +m1 to +m8, +f1 to +f5"
            )

    def close(self) -> None:
        """Unload it, and with it its state."""
        self.functions.espeak_Terminate()
        unload(self.functions._handle)


@contextmanager
def _library() -> Iterator[_Library]:
    with _LOCK:
        library = _Library()
        try:
            yield library
        finally:
            library.close()


@cache
def check_voice(voice: str) -> None:
    """Check that there is such a voice.

    Raises:
        UserError: there is none, or no eSpeak NG.
    """
    with _library() as library:
        library.set_voice(voice)


@lru_cache(maxsize=4096)
def speak(
    sentence: str, voice: str = "en-us", words_per_minute: int = 175, pitch: int = 50
) -> NDArray[np.float32]:
    """Synthesise a sentence, float32 [T] at 16 kHz, read-only; cached, and the same in every
    process.

    Args:
        sentence: the text.
        voice: a language of eSpeak NG with an optional variant, such as "en-us+f3".
        words_per_minute: 80 to 450.
        pitch: 0 to 99.

    Raises:
        UserError: no such voice or speed, an empty sentence, or eSpeak NG is not installed.
    """
    if not sentence.strip():
        raise UserError("an instruction is empty: there is nothing to synthesise")
    if not 80 <= words_per_minute <= 450 or not 0 <= pitch <= 99:
        raise UserError(
            f"speed {words_per_minute} and pitch {pitch}: must be 80 to 450 words a minute and "
            "0 to 99"
        )
    with _library() as library:
        library.set_voice(voice)
        library.functions.espeak_SetParameter(_RATE_PARAMETER, words_per_minute, 0)
        library.functions.espeak_SetParameter(_PITCH_PARAMETER, pitch, 0)
        text = sentence.encode()
        failed = library.functions.espeak_Synth(text, len(text) + 1, 0, 0, 0, _UTF8, None, None)
        library.functions.espeak_Synchronize()
        if failed or not library.pieces:
            raise UserError(f"eSpeak NG cannot synthesise {sentence!r} with voice {voice!r}")
        waveform = resample(np.concatenate(library.pieces), library.rate)
    waveform.setflags(write=False)
    return waveform

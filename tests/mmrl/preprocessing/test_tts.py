"""Why eSpeak NG is loaded anew for each sentence: one that lives longer is not deterministic."""

import ctypes
from importlib.metadata import version

import numpy as np
import pytest

from mmrl.preprocessing import tts

pytest.importorskip("espeakng_loader")
REASON = (
    f"preprocessing/tts.py was tested with espeakng-loader 0.2, not {version('espeakng-loader')}"
)
SENTENCE = "go to the red bell"
BEFORE = ["pick up the blue kite on the left", "open the yellow drum"]


def synthesise(library, sentence):
    """The samples of a sentence by a library that may have spoken before; seeded anew."""
    library.functions.espeak_ng_SetRandSeed(ctypes.c_long(1))
    library.pieces.clear()
    library.set_voice("en-us")
    text = sentence.encode()
    library.functions.espeak_Synth(text, len(text) + 1, 0, 0, 0, tts._UTF8, None, None)
    library.functions.espeak_Synchronize()
    return np.concatenate(library.pieces)


def fresh(before=()):
    """The samples of :data:`SENTENCE` by a library that is loaded anew, after other sentences."""
    with tts._library() as library:
        for sentence in before:
            synthesise(library, sentence)
        return synthesise(library, SENTENCE)


def test_unloading_leaves_no_state():
    first = fresh()
    fresh(BEFORE)
    assert np.array_equal(fresh(), first), f"{REASON}: dlclose does not unload it"


def test_a_library_that_lives_longer_speaks_otherwise():
    """Where this fails, eSpeak NG has become deterministic: keep one library for the process."""
    assert not np.array_equal(fresh(BEFORE), fresh()), REASON


def test_nor_does_terminating_it_help():
    first = fresh()
    library = tts._Library()
    try:
        synthesise(library, BEFORE[0])
        library.functions.espeak_Terminate()
        again = tts._Library()  # the same handle: initialises it again
        assert again.functions._handle == library.functions._handle
        assert not np.array_equal(synthesise(again, SENTENCE), first), REASON
        again.close()
    finally:
        tts._ctypes.dlclose(library.functions._handle)
    assert np.array_equal(fresh(), first), f"{REASON}: dlclose does not unload it"


def test_windows_has_a_function_of_its_own_to_unload(monkeypatch):
    unloaded = []
    monkeypatch.delattr(tts._ctypes, "dlclose", raising=False)
    monkeypatch.setattr(tts._ctypes, "FreeLibrary", unloaded.append, raising=False)
    tts.unload(7)
    assert unloaded == [7]

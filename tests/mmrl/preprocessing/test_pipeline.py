"""What is read and what is heard, together."""

import numpy as np
import pytest

from mmrl.errors import UserError
from mmrl.preprocessing import pipeline as inputs
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.preprocessing.speech import LogMel
from mmrl.preprocessing.text import WordTokenizer

BOTH = {"tokenizer": WordTokenizer(["go"], 4), "speech": LogMel(1.0, mels=8)}


def observation(rows=3):
    waveforms = np.random.default_rng(0).normal(0, 0.1, (rows, 4000)).astype(np.float32)
    return {"instruction": ["go"] * rows, "speech": waveforms}


@pytest.mark.parametrize("keys", [("tokenizer",), ("speech",), ("tokenizer", "speech")])
def test_encode_save_and_load(tmp_path, keys):
    made = Preprocessing(**{key: BOTH[key] for key in keys})
    made.save(tmp_path)
    again = Preprocessing.load(tmp_path)
    assert again.spaces == made.spaces
    again.check(made.fingerprints)
    encoded = made.encode(observation(), 1)
    assert set(encoded) == set(made.spaces)
    for key, value in encoded.items():
        assert value in made.spaces[key] or key == "speech"
        assert value.shape == made.spaces[key].shape
        assert np.array_equal(value, again.encode(observation(), 1)[key])


def test_what_is_heard_at_every_step_is_encoded_once(monkeypatch):
    calls = []

    class Counting(LogMel):
        def encode(self, waveform):
            calls.append(len(waveform))
            return super().encode(waveform)

    monkeypatch.setattr(inputs, "_REMEMBERED", 3)
    made = Preprocessing(speech=Counting(1.0, mels=8))
    seen = observation(5)
    right = LogMel(1.0, mels=8)
    for row in (0, 1, 2, 0, 1, 2, 3, 4, 0):
        speech = made.encode(seen, row)["speech"]
        assert np.array_equal(speech, right.encode(seen["speech"][row]))
    assert len(calls) == 6  # the first was forgotten meanwhile


def test_neither_text_nor_speech(tmp_path):
    nothing = Preprocessing()
    assert nothing.spaces == nothing.encode({"state": [0]}, 0) == {}
    nothing.save(tmp_path)
    assert Preprocessing.load(tmp_path).spaces == {}
    with pytest.raises(UserError, match="another preprocessing of 'instruction'"):
        nothing.check({"instruction": "abc"})


def test_an_environment_without_speech():
    with pytest.raises(UserError, match="has no speech"):
        Preprocessing(speech=BOTH["speech"]).encode({"instruction": ["go"]}, 0)


def test_another_preprocessing_is_refused():
    made = Preprocessing(**BOTH)
    for other in (
        Preprocessing(WordTokenizer(["stop"], 4), BOTH["speech"]),
        Preprocessing(BOTH["tokenizer"], LogMel(1.0, mels=9)),
    ):
        with pytest.raises(UserError, match="trained with another preprocessing"):
            other.check(made.fingerprints)

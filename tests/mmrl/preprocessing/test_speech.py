"""Waveforms become features that depend on the speech alone."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.errors import UserError
from mmrl.preprocessing.speech import RATE, LogMel, PretrainedSpeech, load_speech, resample
from mmrl.preprocessing.tts import speak

SENTENCE = "go to the red bell"


def tone(hertz, seconds=0.5, rate=RATE):
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


def test_a_tone_stands_in_its_band():
    mel = LogMel(1.0, mels=40)
    centres = [int(mel.encode(tone(hertz))[10:40].mean(0).argmax()) for hertz in (200, 1000, 4000)]
    assert centres == sorted(centres)
    assert centres[0] < 6
    assert centres[2] > 25


def test_features_agree_with_transformers_own():
    from mmrl.compat import import_transformers

    whisper = import_transformers().WhisperFeatureExtractor(feature_size=40, chunk_length=1)
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    theirs = whisper(noise, sampling_rate=RATE, return_tensors="np")["input_features"][0].T
    ours = LogMel(1.0, mels=40).encode(noise)
    assert np.abs(ours[2:-2] - theirs[2:-2]).max() < 0.01  # the edges are padded otherwise


@settings(deadline=None, max_examples=25)
@given(st.integers(1, RATE), st.floats(0.2, 2.0))
def test_silence_afterwards_changes_nothing(samples, seconds):
    waveform = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    longer = np.concatenate([waveform, np.zeros(3000, np.float32)])
    mel = LogMel(seconds, mels=8)
    encoded = mel.encode(waveform)
    assert encoded.shape == (mel.frames, 8) == mel.space.shape
    assert encoded.dtype == np.float16
    assert np.array_equal(encoded, mel.encode(longer))
    voiced = (encoded != 0).any(1)
    assert voiced[0]
    assert (encoded[~voiced] == 0).all()
    assert not np.any(np.diff(voiced.astype(int)) > 0)  # voiced first, then silence


def test_nothing_said():
    assert not LogMel(1.0).encode(np.zeros(100, np.float32)).any()
    assert not LogMel(1.0).encode(np.zeros(0, np.float32)).any()


@pytest.mark.parametrize("rate", [8000, 22050, 44100, RATE])
def test_resampling_keeps_the_tone(rate):
    voiced = resample(tone(440, 1.0, rate), rate)
    assert voiced.dtype == np.float32
    assert abs(len(voiced) - RATE) <= 1
    spectrum = np.abs(np.fft.rfft(voiced))
    assert abs(int(spectrum.argmax()) - 440) <= 1


def test_resampling_of_integers():
    assert np.array_equal(resample(np.int16([0, 16384, -32768]), RATE), np.float32([0, 0.5, -1]))


@pytest.mark.parametrize(
    ("waveform", "word"),
    [
        (np.zeros(4), "float64"),
        (np.zeros((2, 4), np.float32), r"\[2, 4\]"),
        (np.int16([1, 2]), "int16"),
        (np.float32([1000.0]), "around -1 to 1"),
        (np.float32([np.nan]), "finite"),
    ],
)
def test_what_is_no_waveform(waveform, word):
    with pytest.raises(ValueError, match=word):
        LogMel(1.0).encode(waveform)


@pytest.mark.parametrize("arguments", [{"seconds": 0}, {"mels": 0}])
def test_impossible_settings(arguments):
    with pytest.raises(UserError, match="must be above 0"):
        LogMel(**arguments)


def test_a_wrong_rate_is_named():
    with pytest.raises(ValueError, match="rate"):
        resample(np.zeros(3, np.float32), 0)


def test_save_and_load(tmp_path):
    LogMel(1.5, mels=20).save(tmp_path)
    again = load_speech(tmp_path)
    assert again.space == LogMel(1.5, mels=20).space
    assert again.space != LogMel(1.5, mels=21).space


@pytest.mark.parametrize("content", ["", "{}", json.dumps({"kind": "log_mel"})])
def test_spoilt_file(tmp_path, content):
    (tmp_path / "speech.json").write_text(content)
    with pytest.raises(UserError, match="speech.json: (is damaged|lacks)"):
        load_speech(tmp_path)


@pytest.mark.parametrize("kind", ["wav2vec2", "whisper"])
def test_pretrained_features(tmp_path, kind, speech_models):
    speech = PretrainedSpeech(speech_models[kind], 1.0)
    encoded = speech.encode(speak(SENTENCE)[:RATE])
    assert encoded.shape == speech.space.shape
    assert encoded.dtype == np.float16
    speech.save(tmp_path)
    again = load_speech(tmp_path)
    assert again.space == speech.space
    assert np.array_equal(again.encode(speak(SENTENCE)[:RATE]), encoded)


def test_features_out_of_reach(offline):
    with pytest.raises(UserError, match=r"'nobody/nothing'.*preprocessor_config.json.*log_mel_cnn"):
        PretrainedSpeech("nobody/nothing")


def test_what_was_said_before_changes_nothing():
    first = speak(SENTENCE).copy()
    speak("open the drum")
    speak.cache_clear()
    assert np.array_equal(speak(SENTENCE), first)


def test_a_breathing_voice_does_not_depend_on_the_time_of_day():
    first = speak(SENTENCE, "en-us+f3").copy()
    time.sleep(1.1)  # eSpeak NG's own seed is the second
    speak.cache_clear()
    assert np.array_equal(speak(SENTENCE, "en-us+f3"), first)


def test_voices_differ_and_repeat():
    first = speak(SENTENCE)
    assert first.dtype == np.float32
    assert 0.5 < len(first) / RATE < 3
    assert 0.1 < np.abs(first).max() <= 1
    assert speak(SENTENCE) is first  # spoken once
    assert len(speak(SENTENCE, words_per_minute=300)) < len(first)
    for other in (speak(SENTENCE, "en"), speak(SENTENCE, pitch=80), speak("go to the red bowl")):
        assert other.shape != first.shape or np.abs(other - first).max() > 0.01


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sentence": " "}, "instruction is empty"),
        ({"voice": "en-xx-nobody"}, r"unknown voice 'en-xx-nobody'.*en-us"),
        ({"words_per_minute": 9}, "80 to 450"),
        ({"pitch": 100}, "0 to 99"),
    ],
)
def test_what_cannot_be_said(arguments, words):
    with pytest.raises(UserError, match=words):
        speak(**{"sentence": SENTENCE, **arguments})

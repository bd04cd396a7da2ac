"""``mmrl transcribe``: files in, sentences out, and what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmrl.cli import main
from mmrl.preprocessing.tts import speak
from mmrl.wrappers.adapters import instructions

pytest.importorskip("espeakng_loader")
wavfile = pytest.importorskip("scipy.io.wavfile")

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recogniser that has hardly begun to learn."""
    out = tmp_path_factory.mktemp("runs") / "speech"
    options = (
        "--env mmrl/GoToObjS4-v0 --utterances 4 --voices [en-us] --unknown_voices [] "
        "--seconds 2.5 --test-sentences 2 --mels 20 --width 16 --heads 2 --encoder_layers 1 "
        "--decoder_layers 1 --length 12 --steps 3 --batch_size 4 --device cpu"
    )
    assert main(["fit", "speech", "--out", str(out), *options.split()]) == 0
    return out


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A WAV file at another rate, with two channels."""
    waveform = np.repeat(speak("go to the red bell"), 2)
    wavfile.write(tmp_path / "speech.wav", 32_000, np.stack([waveform, waveform], axis=1))
    return tmp_path / "speech.wav"


def test_a_line_for_each_file(run: Path, recording: Path, call: Call) -> None:
    status, out, _ = call("transcribe", run, recording, recording, "--beams", 1, "--device", "cpu")
    assert status == 0
    lines = out.splitlines()
    assert len(lines) == 2
    assert lines[0] == lines[1]
    assert lines[0].endswith(f"   {recording}")
    assert "%  " in lines[0]


def test_it_is_constrained_to_an_environment(run: Path, recording: Path, call: Call) -> None:
    env = ("--env", "mmrl/GoToRedBall-v0")
    allowed = set(instructions(env[1], range(64)))
    status, out, _ = call("transcribe", run, recording, *env)
    assert status == 0
    sentence = out.partition("%")[2].removesuffix(f"{recording}\n").strip()
    assert sentence in allowed
    status, _, err = call("transcribe", run, recording, *env, "--env_args", "{language: zh}")
    assert status == 2
    assert "unknown words" in err


def test_what_is_wrong(run: Path, recording: Path, call: Call, tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("go to the red bell")
    wavfile.write(tmp_path / "long.wav", 16_000, np.ones(50_000, np.float32))
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "config.yaml").write_text("env: mmrl/GoToLocal-v0\nagent: ppo\n")
    for arguments, hint in (
        ((run, text), "text.wav: is no WAV file"),
        ((run, tmp_path / "none.wav"), "no such file"),
        ((run, tmp_path / "long.wav"), "at most 2.5 s"),
        ((run, recording, "--beams", 0), "--beams 0"),
        ((tmp_path / "nowhere", recording), "no run folder"),
        ((tmp_path / "agent", recording), "'mmrl fit speech' makes what is needed"),
    ):
        status, _, err = call("transcribe", *arguments)
        assert status == 2
        assert hint in err

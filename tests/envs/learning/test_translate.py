"""``mmrl translate``, and an agent whose instructions are translated."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmrl.cli import main
from mmrl.contract import INSTRUCTION
from mmrl.experiment.checkpoint import Checkpoint
from mmrl.experiment.run import Run

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A translator that has hardly begun to learn."""
    out = tmp_path_factory.mktemp("runs") / "translation"
    options = (
        "--env mmrl/GoToLocal-v0 --episodes 50 --test_sentences 2 --width 16 --heads 2 --length 20 "
        "--encoder_layers 1 --decoder_layers 1 --steps 3 --batch_size 4 --device cpu"
    )
    assert main(["fit", "translation", "--out", str(out), *options.split()]) == 0
    return out


def test_sentences_and_lines(run: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, _ = call("translate", run, "走到那个红色的球", "走到一个箱子", "--device", "cpu")
    assert status == 0
    assert len(out.splitlines()) == 2
    assert all("%  " in line for line in out.splitlines())
    lines = "走到那个红色的球\n\n走到一个箱子\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    status, again, _ = call("translate", run, "--device", "cpu")
    assert status == 0
    assert again.splitlines() == [out.splitlines()[0], "", out.splitlines()[1]]


def test_what_is_wrong(run: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("env: mmrl/GoToLocal-v0\nagent: ppo\n")
    for arguments, hint in (
        ((run, "走到那条龙"), "unknown words in '走到那条龙': 条, 龙"),
        ((run, "go to the ball"), "unknown words"),
        ((run, " "), "empty"),
        ((run, "走到" * 20), "at most 19"),
        ((run, "走到", "--beams", 0), "--beams 0"),
        ((tmp_path, "走到"), "'mmrl fit translation' makes what is needed"),
    ):
        status, _, err = call("translate", *arguments)
        assert status == 2
        assert hint in err


class Reader:
    """An agent that waits, and takes note of what it reads."""

    read: set[str] = set()

    @classmethod
    def load(cls, folder: Run, device: str) -> Reader:
        return cls()

    def act(self, observation: Any, *, deterministic: bool) -> Any:
        self.read.update(observation[INSTRUCTION])
        return np.full(len(observation[INSTRUCTION]), 6)


def test_an_agent_reads_translations(
    run: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = {"room_size": 6, "num_dists": 2}
    agent = Run.create(
        tmp_path / "agent", {"env": "mmrl/GoToLocal-v0", "env_args": args, "agent": "ppo"}
    )
    agent.save_checkpoint(Checkpoint(1, {}, {}))
    monkeypatch.setattr("mmrl.api.find_agent", lambda name: Reader)
    monkeypatch.setattr(Reader, "read", set())
    command = (
        "eval",
        agent.path,
        "--episodes",
        3,
        "--env_args",
        "{language: zh}",
        "--controls",
        "false",
    )
    assert call(*command)[0] == 0
    assert all(sentence.startswith("走到") for sentence in Reader.read)
    Reader.read.clear()
    report = tmp_path / "report.json"
    assert call(*command, "--translator", run, "--json", report, "--device", "cpu")[0] == 0
    assert Reader.read
    assert not any("走" in sentence for sentence in Reader.read)
    result = json.loads(report.read_text())
    assert result["env_args"] == {**args, "language": "zh"}
    assert result["translator"] == str(run)
    status, _, err = call(*command, "--translator", agent.path)
    assert status == 2
    assert "'mmrl fit translation' makes what is needed" in err

"""``mmrl completion``: a shell completes commands, options, tasks and recipes by its script."""

import shutil
import subprocess
import sys

import pytest

pytest.importorskip("shtab", reason="the extra completion is not installed")


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The file of bash's script."""
    from contextlib import redirect_stdout

    from mmrl.cli import main

    file = tmp_path_factory.mktemp("completion") / "mmrl.bash"
    with file.open("w") as opened, redirect_stdout(opened):
        assert main(["completion", "bash"]) == 0
    return file


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("tr", {"train", "transcribe", "translate"}),
        ("train --model.fusion", {"--model.fusion", "--model.fusion-args"}),
        ("train --config dem", {"demo"}),
        ("fit captio", {"captioner"}),
        ("fit captioner --st", {"--steps"}),
        ("doctor --js", {"--json"}),
    ],
)
def test_bash(script, line, wanted):
    program = (
        f"source {script}; COMP_WORDS=(mmrl {line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        '_shtab_mmrl mmrl "${COMP_WORDS[-1]}" ""; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == wanted


def test_unknown_shell(call):
    status, _, err = call("completion", "bsh")
    assert status == 2
    assert "did you mean 'bash'" in err


def test_without_shtab(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    status, _, err = call("completion", "bash")
    assert status == 2
    assert "pip install 'multimodal-rl[completion]'" in err

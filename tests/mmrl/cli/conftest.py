"""Runs the command as a shell would."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mmrl.cli import main


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command: exit status, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            status = int(str(leaving.code))
        said = capsys.readouterr()
        return status, said.out, said.err

    return run

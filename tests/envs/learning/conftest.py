"""What the tests of learning from grid worlds share: the command line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mmrl.cli import main


@pytest.fixture(autouse=True)
def _one_thread_and_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command as a shell would: exit status, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            status = int(str(leaving.code))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run

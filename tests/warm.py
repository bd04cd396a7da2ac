"""Processes that begin with a training behind them: each is a fork of one that waits for this.

To import all that a training wants, and to load its kernels, takes seconds of a processor, more
than the training itself. Where it is no matter how a process begins, tests have theirs begun here.
"""

import multiprocessing
import os
import runpy
import sys
from functools import partial
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from subprocess import STDOUT, TimeoutExpired
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]


def context() -> ForkServerContext:
    """Where such processes are made; the one that waits begins with the first of them."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["tests.warmed"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        forkserver.ensure_running()
    return made


def command(arguments, output, environment, folder):
    """Be ``mmrl`` with these arguments."""
    from mmrl.cli import main

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if output is not None:
        for stream in (1, 2):
            os.dup2(os.open(output, os.O_WRONLY | os.O_APPEND), stream)
    sys.exit(main(arguments))


class Popen:
    """A process of ``python -m mmrl``, as subprocess has it, which takes no time to begin."""

    def __init__(self, command, *, stdout=None, env=None, **_):
        arguments = command[command.index("mmrl") + 1 :]
        given = (arguments, stdout and stdout.name, dict(env or os.environ), os.getcwd())
        # by its path: the command has taken the working directory off the path of modules
        target = partial(runpy.run_path, __file__, {"GIVEN": given}, "__command__")
        self._process = context().Process(target=target)
        self._process.start()
        self.pid = self._process.pid
        self.terminate, self.kill = self._process.terminate, self._process.kill

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self.returncode

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutExpired("mmrl", timeout)
        return self.returncode


subprocess = SimpleNamespace(Popen=Popen, STDOUT=STDOUT, TimeoutExpired=TimeoutExpired)
"""What may stand in for that module."""

if __name__ == "__command__":
    command(*GIVEN)  # noqa: F821 - it is given

"""Runs ``mmrl`` in forks of a process that has imported all of it, which saves most of the time.

``python fault_server.py`` reads a request a line from standard input, as JSON: arguments, folder,
and file for the output; runs ``mmrl`` so, and prints the exit status.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from threading import local
from typing import Final

from mmrl.cli import main

WARM: Final = [
    "train", "--env", "mmrl/GoToObjS4-v0", "--steps", "32", "--eval_episodes", "2", "--device",
    "cpu", "--model.image_args", "{width: 8}", "--model.text", "bag_of_words", "--model.features",
    "8", "--ppo.num_envs", "2", "--ppo.n_steps", "16", "--ppo.batch_size", "32", "--ppo.n_epochs",
    "1", "--controls", "false",
]  # fmt: skip
_servers = local()


def command(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``mmrl`` in a folder; this thread's server begins with the first command."""
    if not hasattr(_servers, "process"):
        _servers.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    server = _servers.process
    with tempfile.NamedTemporaryFile() as output:
        server.stdin.write(json.dumps([arguments, str(folder), output.name]) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        text = Path(output.name).read_text(errors="replace")
    return subprocess.CompletedProcess(arguments, status, text, text)


def be(arguments: list[str], folder: str, output: str) -> None:
    """Be ``mmrl`` with these arguments, and end."""
    status = 1
    try:
        os.chdir(folder)
        for stream in (1, 2):
            os.dup2(os.open(output, os.O_WRONLY | os.O_APPEND), stream)
        status = main(arguments)
    except SystemExit as ended:
        status = int(ended.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def serve() -> None:
    """Take requests until standard input ends."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        main([*WARM, "--out", f"{folder}/run"])
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if not child:
            be(*request)
        _, ended = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(ended), flush=True)


if __name__ == "__main__":
    serve()

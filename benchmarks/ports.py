"""Which sockets listen while ``mmrl train --workers 2`` runs, and on which addresses.

    python benchmarks/ports.py

A tiny training is started, and from its start to its end the listening TCP sockets of all its
processes are read from ``/proc`` (Linux only). Ends with status 1 if one of them can be reached
from another machine, that is, if its address is not a loopback one.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmrl.evaluation.report import provenance
from mmrl.files import write_json

RESULTS = Path(__file__).parent / "results"
TRAINING = [
    "--env=mmrl/GoToObjS4-v0", "--device=cpu", "--eval-episodes=0", "--clip-every=0",
    "--steps=4096", "--model.text=bag_of_words", "--model.text-args={}", "--model.features=8",
    "--ppo.num-envs=4", "--ppo.n-steps=32", "--ppo.batch-size=64", "--ppo.n-epochs=1",
]  # fmt: skip
_LISTENING = "0A"  # the state in /proc/net/tcp


class Listener(NamedTuple):
    """A listening socket.

    Attributes:
        process: its program, or the title that it has given itself.
        address: IPv4 or IPv6.
        port: of TCP.
    """

    process: str
    address: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone can reach it."""
        address = ipaddress.ip_address(self.address)
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback


def listeners(root: int) -> set[Listener]:
    """The listening TCP sockets of a process and of all that it has started."""
    sockets = dict(_listening_sockets())
    return {
        Listener(_name(pid), *sockets[inode])
        for pid in tree(root)
        for inode in _socket_inodes(pid)
        if inode in sockets
    }


def _listening_sockets() -> Iterator[tuple[str, tuple[str, int]]]:
    """Of this machine: inode, address and port of each."""
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING:
                address, _, port = fields[1].partition(":")
                yield fields[9], (_address(address), int(port, 16))


def _address(digits: str) -> str:
    """An address as the kernel prints it: 32-bit words in hexadecimal, in this machine's order."""
    words = [
        int(digits[i : i + 8], 16).to_bytes(4, sys.byteorder) for i in range(0, len(digits), 8)
    ]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words))


def tree(root: int) -> set[int]:
    """The process and its descendants."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            about = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(about[1])
    found = {root} & parents.keys()
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _socket_inodes(pid: int) -> set[str]:
    found = set()
    try:
        for handle in Path("/proc", str(pid), "fd").iterdir():
            target = os.readlink(handle)
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:  # it, or the file, has just been closed
        pass
    return found


def _name(pid: int) -> str:
    try:
        arguments = Path("/proc", str(pid), "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return "?"
    program, *rest = arguments.rstrip("\0 ").split("\0")
    if not program:  # it has ended
        return "?"
    if program.startswith("ray::"):
        return program.partition(".")[0]
    if not Path(program).name.startswith("python"):
        return Path(program).name if program.startswith("/") else program
    script = next((one for one in rest if not one.startswith("-")), program)
    return Path(script).name


def sample(process: subprocess.Popen[bytes], seconds: float = 0.1) -> set[Listener]:
    """All listening sockets of a process and its descendants until it ends; one that Ray's workers
    have opened before they had anything to do is listed by what they did then.
    """
    found: dict[tuple[str, int], Listener] = {}
    while process.poll() is None:
        for one in sorted(listeners(process.pid)):
            place = one.address, one.port
            if place not in found or one.process not in ("?", "ray::IDLE"):
                found[place] = one
        time.sleep(seconds)
    return set(found.values())


def report(found: set[Listener]) -> list[dict[str, Any]]:
    """A row for each socket, sorted."""
    return [
        {**one._asdict(), "loopback": one.is_loopback}
        for one in sorted(found, key=lambda one: (one.is_loopback, one))
    ]


def main() -> None:
    """Train, sample, print a table; write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    started = time.monotonic()
    training = [*TRAINING, f"--workers={options.workers}"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "mmrl", "train", *training, f"--out={folder}/run"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        rows = report(sample(process))
    if process.returncode:
        raise SystemExit("the training failed")
    for row in rows:
        mark = "" if row["loopback"] else "  OTHER MACHINES REACH IT"
        print(f"{row['process']:<32}{row['address']:>20}{row['port']:>7}{mark}")
    reachable = sum(not row["loopback"] for row in rows)
    print(f"{len(rows)} sockets listen, {reachable} of them not on a loopback address")
    write_json(
        RESULTS / "ports.json",
        {"training": training, "listening": rows, **provenance(started, "ray")},
    )
    raise SystemExit(bool(reachable))


if __name__ == "__main__":
    main()

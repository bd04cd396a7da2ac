"""What a system reports of the machine, and what it does not."""

import os
import types

import pytest

from mmrl import machine

INFO = "processor\t: 0\nmodel name\t: Fast CPU: 9\nflags\t\t: fpu avx2 amx_bf16\n"


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """A system without /proc, sysconf and load averages, as Windows is."""
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(machine, "_STATM", tmp_path / "statm")
    for name in ("sysconf", "getloadavg"):
        monkeypatch.delattr(os, name, raising=False)


def test_linux(monkeypatch, tmp_path):
    (tmp_path / "cpuinfo").write_text(INFO)
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "cpuinfo")
    assert machine.processor() == "Fast CPU: 9"
    assert machine.processor_features() == ["AVX2", "AMX"]


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="this system has no sysconf")
def test_memory_of_a_system_with_sysconf():
    assert machine.total_memory() > 1e8


def test_what_is_not_reported_is_none(elsewhere):
    assert machine.total_memory() is None or os.name == "nt"
    assert machine.resident_memory() is None
    assert machine.load() is None
    assert machine.processor_features() == []
    assert machine.processor()


@pytest.mark.parametrize("answers", [True, False])
def test_memory_of_windows(elsewhere, monkeypatch, answers):
    def ask(reference):
        reference._obj.total = 2**34
        return int(answers)

    kernel32 = types.SimpleNamespace(GlobalMemoryStatusEx=ask)
    windll = types.SimpleNamespace(kernel32=kernel32)
    monkeypatch.setattr(machine.ctypes, "windll", windll, raising=False)
    monkeypatch.setattr(machine.sys, "platform", "win32")
    assert machine.total_memory() == (2**34 if answers else None)


def test_size_of_the_structure_is_that_of_windows():
    assert machine.ctypes.sizeof(machine._MemoryStatus) in (64, 72)  # where a long has 8 bytes


def test_memory_is_given_back(monkeypatch):
    machine.release_memory()

    class Musl:
        """A C library without ``malloc_trim``."""

    monkeypatch.setattr(machine.ctypes, "CDLL", lambda _: Musl())
    machine.release_memory()

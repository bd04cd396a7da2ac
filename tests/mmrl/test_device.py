"""Devices by name, and what is said where there is none of that name."""

import pytest
import torch

from mmrl.device import available_devices, find_device
from mmrl.errors import UserError


@pytest.fixture
def gpus(monkeypatch):
    """Sets how many CUDA GPUs torch finds."""

    def have(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    return have


def test_auto_is_a_gpu_where_there_is_one(gpus):
    gpus(0)
    assert find_device("auto") == find_device("cpu") == torch.device("cpu")
    assert available_devices() == ["cpu"]
    gpus(2)
    assert find_device("auto") == find_device("cuda") == torch.device("cuda")
    assert find_device("cuda:1") == torch.device("cuda", 1)
    assert available_devices() == ["cpu", "cuda"]


def test_the_gpu_of_a_mac(gpus, monkeypatch):
    gpus(0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert find_device("mps") == torch.device("mps")
    assert available_devices() == ["cpu", "mps"]


@pytest.mark.parametrize(
    ("name", "count", "words"),
    [
        ("gpu", 1, "device 'gpu': use auto .*, cpu, cuda, cuda:1 or mps"),
        ("", 1, "device '': use auto"),
        ("meta", 1, "device 'meta': use auto"),
        ("xpu", 1, "device 'xpu': use auto"),
        ("cpu:3", 1, "device 'cpu:3': use auto"),
        ("cuda:x", 1, "device 'cuda:x': use auto"),
        ("cuda:-2", 1, "device 'cuda:-2': use auto"),
        ("cuda", 0, "device 'cuda': torch finds no CUDA GPU.*use cpu, or auto"),
        ("cuda:1", 1, "device 'cuda:1': torch finds 1 CUDA GPU.*; use cuda:0$"),
        ("cuda:7", 4, "torch finds 4 CUDA GPU.*; use cuda:0 to cuda:3"),
        ("mps", 0, "device 'mps': torch finds no Apple GPU; use cpu, or auto"),
    ],
)
def test_no_such_device(gpus, name, count, words):
    gpus(count)
    with pytest.raises(UserError, match=words):
        find_device(name)

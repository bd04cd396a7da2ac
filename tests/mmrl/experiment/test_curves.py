"""Curves are read from what TensorBoard shows, and from nothing else."""

import os

import pytest
from torch.utils.tensorboard import SummaryWriter

from mmrl.experiment.curves import SUCCESS, read_curve
from mmrl.schema import FileError


def test_steps_and_values(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        for step in (0, 10, 25):
            writer.add_scalar(SUCCESS, step / 100, step)
            writer.add_scalar("loss", -step, step)
    assert read_curve(tmp_path) == [(step, pytest.approx(step / 100)) for step in (0, 10, 25)]
    assert read_curve(tmp_path, "loss")[-1] == (25, -25)
    assert read_curve(tmp_path, "other") == []
    assert read_curve(tmp_path / "nowhere") == []


@pytest.mark.parametrize("make", [os.mkdir, getattr(os, "mkfifo", os.mkdir)])
def test_what_is_no_file(tmp_path, make):
    make(tmp_path / "events.out.tfevents.1.host")
    with pytest.raises(FileError, match=r"events.out.tfevents.1.host: "):
        read_curve(tmp_path)

"""Event files are TensorBoard's, and their writer never ends a training."""

import warnings

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.viz import tensorboard as events
from mmrl.viz.tensorboard import event_writer


def read(folder):
    """The steps of the curve in a folder, and the tags of its images."""
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    return [one.step for one in accumulator.Scalars("a")], accumulator.Tags()["images"]


def test_what_is_written_is_read(tmp_path):
    writer = event_writer(tmp_path)
    for step in range(5):
        writer.add_scalar("a", step, step)
    writer.add_image("b", np.zeros((3, 4, 4), np.uint8), 1)
    writer.close()
    assert read(tmp_path) == ([0, 1, 2, 3, 4], ["b"])
    assert len(list(tmp_path.iterdir())) == 1


def test_curves_are_not_shown_twice(tmp_path):
    for first, purge in ((0, None), (3, 3)):
        writer = event_writer(tmp_path, purge_step=purge)
        for step in range(first, 5):
            writer.add_scalar("a", step, step)
        writer.close()
    assert read(tmp_path)[0] == [0, 1, 2, 3, 4]


class _Disk:
    """A disk that is full for a while."""

    def __init__(self):
        self.is_full = False

    def write(self, original):
        def write(writer, record):
            if self.is_full:
                raise OSError(28, "No space left on device")
            original(writer, record)

        return write


@pytest.mark.parametrize("from_the_start", [False, True])
def test_a_full_disk_is_warned_of_once(tmp_path, monkeypatch, from_the_start):
    disk = _Disk()
    monkeypatch.setattr(events.RecordWriter, "write", disk.write(events.RecordWriter.write))
    monkeypatch.setattr(events, "_RETRY_SECONDS", 0.0)
    disk.is_full = from_the_start
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        writer = event_writer(tmp_path)
        for step in range(6):
            disk.is_full = step in (2, 3) or (from_the_start and step < 2)
            writer.add_scalar("a", step, step)
            writer.flush()
        writer.close()
    messages = [str(one.message) for one in caught if "TensorBoard" in str(one.message)]
    assert len(messages) == 1
    assert "No space left on device; the training continues" in messages[0]
    assert read(tmp_path)[0] == ([4, 5] if from_the_start else [0, 1, 4, 5])

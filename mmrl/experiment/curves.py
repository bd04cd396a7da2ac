"""Curves of a run: scalars in the event files that TensorBoard shows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mmrl.schema import check_regular

SUCCESS: Final = "rollout/success_rate"
"""The share of recent training episodes that succeeded."""


def read_curve(run: Path, tag: str = SUCCESS) -> list[tuple[int, float]]:
    """The steps and values of a scalar; nothing where it was not logged.

    Args:
        run: folder with event files.
        tag: of the scalar.

    Raises:
        FileError: what is named as an event file is a folder, a pipe or a device.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    files = [*run.glob("*tfevents*")]
    for file in files:
        check_regular(file)
    if not files:
        return []
    accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0})
    accumulator.Reload()
    if tag not in accumulator.Tags()["scalars"]:
        return []
    return [(event.step, event.value) for event in accumulator.Scalars(tag)]

"""The end of a training: written into its run folder, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mmrl.errors import UserError
from mmrl.experiment.run import Run, Status


@contextmanager
def ending(run: Run, resume: str) -> Iterator[None]:
    """A block that trains: how it ended is written into the run folder.

    Args:
        run: where it is kept.
        resume: the command by which it is resumed after an interrupt.
    """
    try:
        yield
        run.end(Status.FINISHED)
    except KeyboardInterrupt:
        run.end(Status.INTERRUPTED)
        with suppress(UserError, OSError):
            print(f"\ninterrupted: {run.newest_checkpoint()} was saved")
            print(f"resume with: {resume}")
        raise
    except Exception as error:
        run.end(Status.FAILED, f"{type(error).__name__}: {error}")
        raise

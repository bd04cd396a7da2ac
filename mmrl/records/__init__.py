"""Episode records: files that show an episode step by step, see :mod:`mmrl.records.episode`.

:class:`EpisodeBuilder` makes one while an episode is played, and :class:`RecordFolder` keeps those
of a run.
"""

from typing import TYPE_CHECKING

from mmrl.records.episode import EpisodeRecord, Summary
from mmrl.records.file import NewerFormatError, RecordError, read_record, read_summary, write_record
from mmrl.records.folder import EPISODES_FOLDER, EVALUATION, MEGABYTES, TRAINING, RecordFolder

if TYPE_CHECKING:
    from mmrl.records.builder import EpisodeBuilder

__all__ = [
    "EPISODES_FOLDER", "EVALUATION", "MEGABYTES", "TRAINING", "EpisodeBuilder", "EpisodeRecord",
    "NewerFormatError", "RecordError", "RecordFolder", "Summary", "read_record", "read_summary",
    "write_record",
]  # fmt: skip

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """The builder, which needs Gymnasium: readers, such as TensorBoard's plug-in, do not."""
        if name == "EpisodeBuilder":
            from mmrl.records.builder import EpisodeBuilder

            globals()[name] = EpisodeBuilder
            return EpisodeBuilder
        raise AttributeError(f"module 'mmrl.records' has no attribute {name!r}")

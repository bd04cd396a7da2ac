"""Episode records: files that show an episode step by step, see :mod:`mmrl.records.episode`.

:class:`EpisodeBuilder` makes one while an episode is played, and :class:`RecordFolder` keeps those
of a run.
"""

from mmrl.records.builder import EpisodeBuilder
from mmrl.records.episode import (
    EpisodeRecord,
    NewerFormatError,
    RecordError,
    Summary,
    read_record,
    read_summary,
    write_record,
)
from mmrl.records.folder import EPISODES_FOLDER, EVALUATION, MEGABYTES, TRAINING, RecordFolder

__all__ = [
    "EPISODES_FOLDER", "EVALUATION", "MEGABYTES", "TRAINING", "EpisodeBuilder", "EpisodeRecord",
    "NewerFormatError", "RecordError", "RecordFolder", "Summary", "read_record", "read_summary",
    "write_record",
]  # fmt: skip

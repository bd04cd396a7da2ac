"""Episode records: files that show an episode step by step, see :mod:`mmrl.records.episode`."""

from mmrl.records.episode import (
    EpisodeRecord,
    NewerFormatError,
    RecordError,
    Summary,
    read_record,
    read_summary,
    write_record,
)

__all__ = [
    "EpisodeRecord", "NewerFormatError", "RecordError", "Summary", "read_record", "read_summary",
    "write_record",
]  # fmt: skip

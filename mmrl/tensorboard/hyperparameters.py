"""The configuration in TensorBoard's hyperparameter table."""

from __future__ import annotations

from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams


def write_hyperparameters(
    writer: SummaryWriter, values: dict[str, Any], metrics: list[str]
) -> None:
    """Write a configuration into the event file that ``writer`` has open.

    ``SummaryWriter.add_hparams`` would open a second file in a folder of its own, and the table
    would not find the curves.

    Args:
        writer: of the run.
        values: by dotted names; what is no number, truth value or string is written as text.
        metrics: tags of the curves that the table shows beside them.
    """
    plain = {k: v if isinstance(v, int | float | str) else str(v) for k, v in values.items()}
    for summary in hparams(plain, dict.fromkeys(metrics, 0.0)):
        writer._get_file_writer().add_summary(summary)

"""The preprocessing of a training: built when it begins, loaded when it is resumed or evaluated."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces

from mmrl.experiment.checkpoint import Checkpoint
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo
from mmrl.experiment.preprocessing import build_preprocessing
from mmrl.experiment.run import CONFIG, Run
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.schema import OpenSchema, convert, well_formed
from mmrl.training.goal_images import with_goals


class _State(OpenSchema):
    """What a checkpoint holds of the preprocessing."""

    fingerprints: dict[str, str]


def prepare(
    config: TrainConfig,
    run: Run,
    checkpoint: Checkpoint | None,
    info: EnvInfo,
    *,
    keep: bool = True,
) -> Preprocessing:
    """The preprocessing of a training that begins, saved with its run, or of one that is resumed.

    Args:
        config: of the training.
        run: where it is kept.
        checkpoint: that it resumes from; None where it begins.
        info: what is known of the environment.
        keep: whether to write it down.

    Raises:
        UserError: as :func:`build_preprocessing`, :func:`load_preprocessing` and
            :func:`mmrl.training.goal_images.load_goals`.
    """
    space = info.observation_space
    if checkpoint is not None:
        return load_preprocessing(config, run, checkpoint, space)
    preprocessing = (
        Preprocessing.load(Run.open(config.init).path)
        if config.init
        else build_preprocessing(config, info)
    )
    preprocessing = with_goals(preprocessing, config.model, space, config.env)
    if keep:
        run.save_preprocessing(preprocessing)
    return preprocessing


def load_preprocessing(
    config: TrainConfig, run: Run, checkpoint: Checkpoint, space: spaces.Space[Any]
) -> Preprocessing:
    """The preprocessing of a run.

    Args:
        config: of the training.
        run: where it is kept.
        checkpoint: that was trained with it.
        space: of the observations of one environment.

    Raises:
        UserError: it is not the one that the checkpoint was trained with.
    """
    with well_formed(run.path / CONFIG):
        preprocessing = with_goals(Preprocessing.load(run.path), config.model, space, config.env)
    with well_formed(checkpoint.source):
        preprocessing.check(convert(checkpoint.state, _State, checkpoint.source).fingerprints)
    return preprocessing

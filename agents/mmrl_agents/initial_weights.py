"""The weights that a training begins with: those of another run, such as a cloned one."""

from __future__ import annotations

from typing import Final

from stable_baselines3.common.policies import BasePolicy
from torch import Tensor

from mmrl.errors import UserError
from mmrl.experiment.checkpoint import (
    Checkpoint,
    put_weights,
    read_checkpoint,
    weights_of,
    write_checkpoint,
)
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run

FOLDER: Final = "init"
"""Of the weights that a training began with, in its run folder."""
_OPTIONAL: Final = "auxiliary."
_CRITICS: Final = ("critic.", "critic_target.")
"""Beginnings of names of weights that one algorithm learns from and another may not have."""


def begin_with(policy: BasePolicy, config: TrainConfig, run: Run, *, keep: bool = True) -> None:
    """Give a policy the weights of the run that ``init`` names, and keep a copy of them.

    An auxiliary loss has new weights; critics beside the policy have where the other agent had
    none, and are left out where this one has none.

    Args:
        policy: to begin with them.
        config: of the training.
        run: that keeps the copy.
        keep: whether to write it.

    Raises:
        UserError: there is no such run, or it is of another model.
    """
    weights = Run.open(config.init).read_checkpoint().weights
    try:
        put_weights(policy, _fitting(policy, weights))
    except UserError as error:
        raise UserError(
            f"init={config.init}: {error}. Give the options of the model and the memory that it "
            "was trained with"
        ) from error
    if keep:
        write_checkpoint(run.path / FOLDER, Checkpoint(0, weights, {}))


def put_initial_weights(policy: BasePolicy, run: Run) -> None:
    """Give a policy the weights that a training began with.

    Raises:
        UserError: they are damaged, or of another model.
    """
    put_weights(policy, _fitting(policy, read_checkpoint(run.path / FOLDER).weights))


def _fitting(policy: BasePolicy, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights, with the policy's own ones of an auxiliary loss, and with its critics."""
    own = weights_of(policy)
    kept = {
        name: one
        for name, one in weights.items()
        if not name.startswith(_OPTIONAL) and (name in own or not name.startswith(_CRITICS))
    }
    new = {
        name: one
        for name, one in own.items()
        if name.startswith(_OPTIONAL) or (name.startswith(_CRITICS) and name not in weights)
    }
    return kept | new

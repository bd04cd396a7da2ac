"""Losses, gradients and weights that are not finite: the error, and the check after an update."""

from __future__ import annotations

import math
from typing import Any, Final

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch.nn.utils import get_total_norm

from mmrl_agents.loop.learn import DivergedError

_ADVICE: Final = (
    "the training stopped, its last checkpoint is as good as it was. Try a lower learning_rate, or "
    "look for rewards that are too large"
)


def diverged(
    algorithm: BaseAlgorithm, what: str, value: float, where: str, **report: Any
) -> DivergedError:
    """The error of a number that is not finite.

    Args:
        algorithm: that was learning.
        what: what the number is, such as "loss".
        value: the number.
        where: in which part of the update.
        report: what else it looked like, as plain data.
    """
    steps = algorithm.num_timesteps
    optimizer = getattr(algorithm.policy, "optimizer", None)
    rate = {} if optimizer is None else {"learning_rate": float(optimizer.param_groups[0]["lr"])}
    return DivergedError(
        f"the {what} is {value} {where}the update after {steps:,} steps: {_ADVICE}",
        {"what": what, "value": str(value), "steps": steps, **rate, **report},
    )


def check_update(algorithm: BaseAlgorithm) -> None:
    """Check the losses that an update has logged, and the weights that it has left.

    Raises:
        DivergedError: one of them is not finite.
    """
    logged = algorithm.logger.name_to_value
    names = [one for one in logged if one.startswith("train/") and one.endswith("loss")]
    losses = {name: float(logged[name]) for name in names}
    report = {"losses": {name: str(value) for name, value in losses.items()}}
    for name, value in losses.items():
        if not math.isfinite(value):
            raise diverged(algorithm, name.removeprefix("train/"), value, "in ", **report)
    weights = [one.detach() for one in algorithm.policy.parameters() if one.requires_grad]
    if bool(get_total_norm(weights).isfinite()):
        return
    for name, weight in algorithm.policy.named_parameters():
        if weight.requires_grad and not bool(weight.detach().isfinite().all()):
            value = float(weight.detach()[~weight.detach().isfinite()][0])
            what = f"gradient was not finite: a weight of {name}"
            raise diverged(algorithm, what, value, "after ", **report)


class CheckedUpdates(OffPolicyAlgorithm):
    """An algorithm with a replay buffer whose updates are checked, see :func:`check_update`."""

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Learn from the replay buffer.

        Raises:
            DivergedError: a loss or a weight is not finite.
        """
        super().train(gradient_steps, batch_size)
        check_update(self)

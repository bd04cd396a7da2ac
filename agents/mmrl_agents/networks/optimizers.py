"""Optimisers by name, with L1 and L2 on the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import torch
from torch import nn
from torch.optim import Optimizer

from mmrl.errors import UserError, unknown
from mmrl.experiment.config import OptimizerConfig

OPTIMIZERS: Final[dict[str, Callable[..., Optimizer]]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}

_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "adam": {"eps": 1e-5, "fused": True},
    "adamw": {"eps": 1e-5, "fused": True},
    "rmsprop": {"alpha": 0.99, "eps": 1e-5},
    "sgd": {"momentum": 0.9},
}
"""As reinforcement learning uses them, in one kernel where torch has one; any of these may be given
otherwise.
"""


def build_optimizer(
    parameters: Iterable[nn.Parameter], lr: float, config: OptimizerConfig
) -> Optimizer:
    """The optimiser of that name over the parameters that are trained.

    L1 adds l1 · sign(w) and L2 adds l2 · w to the gradient of every weight matrix or kernel, after
    clipping; biases and norms are left alone. AdamW takes L2 as its decoupled decay (Loshchilov
    and Hutter, 2019).

    Args:
        parameters: of the model; frozen ones are left out.
        lr: learning rate; an algorithm's schedule may set it later.
        config: name, arguments and regularisation.

    Raises:
        UserError: unknown name, arguments that it does not take, or a negative penalty.
    """
    if config.name not in OPTIMIZERS:
        raise unknown("optimizer", config.name, OPTIMIZERS)
    for penalty in ("l1", "l2"):
        if getattr(config, penalty) < 0:
            raise UserError(f"optimizer.{penalty}={getattr(config, penalty)}: must be at least 0")
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    weights = [parameter for parameter in trained if parameter.ndim > 1]
    others = [parameter for parameter in trained if parameter.ndim <= 1]
    groups = [{"params": weights, "weight_decay": config.l2}, {"params": others}]
    arguments = {**_DEFAULTS[config.name], "weight_decay": 0.0, **config.args}
    try:
        optimizer = OPTIMIZERS[config.name](groups, lr=lr, **arguments)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"optimizer.args {config.args} do not fit {config.name}: {error}"
        ) from error
    if config.l1:

        def shrink(*_: Any) -> None:
            with torch.no_grad():
                for weight in weights:
                    if weight.grad is not None:
                        weight.grad.add_(weight.sign(), alpha=config.l1)

        optimizer.register_step_pre_hook(shrink)
    return optimizer

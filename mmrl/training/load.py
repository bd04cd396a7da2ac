"""Loading what ``mmrl fit`` trained, without its data."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from mmrl.device import find_device
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import put_weights
from mmrl.experiment.run import Run
from mmrl.models.memory import bound_of, bounded_memory
from mmrl.models.saved_encoders import saved_encoders
from mmrl.schema import well_formed
from mmrl.training import find_task


def load(
    path: str | Path, task: str, device: str = "auto", *, trust_code: bool = False
) -> nn.Module:
    """The trained module of an ``mmrl fit`` run, in evaluation mode.

    Args:
        path: the run folder.
        task: for which it must have been fitted.
        device: auto (a CUDA GPU where there is one), cpu, cuda, cuda:1 or mps.
        trust_code: import code that the run names; see :mod:`mmrl.trust`.

    Raises:
        UntrustedCodeError: it names code that is not trusted.
        UserError: no such run, or one of another task, with the command to run instead.
    """
    run = Run.open(path, trust_code=trust_code)
    found = run.config.get("task", f"an agent in {run.config.get('env')}")
    if found != task:
        raise UserError(
            f"{path} was fitted for {found}, not for {task}: 'mmrl fit {task}' makes what is needed"
        )
    checkpoint = run.read_checkpoint()
    weights = sum(one.nbytes for one in checkpoint.weights.values())
    with saved_encoders(run.path), well_formed(checkpoint.source):
        with bounded_memory(bound_of(weights), f"{checkpoint.source}: recipe"):
            module: nn.Module = find_task(task).build(checkpoint.state["recipe"])
        put_weights(module, checkpoint.weights)
    return module.to(find_device(device)).eval()

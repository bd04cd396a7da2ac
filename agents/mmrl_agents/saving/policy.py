"""Saving and loading policies and their networks: no file is unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Self, cast

from stable_baselines3.common.policies import BaseModel
from stable_baselines3.common.utils import ConstantSchedule, get_device

from mmrl.errors import UserError
from mmrl.experiment.checkpoint import (
    Checkpoint,
    put_weights,
    read_checkpoint,
    weights_of,
    write_checkpoint,
)
from mmrl.models.saved_encoders import save_encoders, saved_encoders
from mmrl.schema import well_formed
from mmrl.trust import sign
from mmrl_agents.saving.folder import (
    CHECKPOINT,
    POLICY,
    check_code,
    code_of,
    find_folder,
    new_folder,
    refuse_pickle,
)
from mmrl_agents.saving.packing import pack_known, unpack

OF_THE_MODEL: Final = {
    "features_extractor_class", "features_extractor_kwargs", "normalize_images", "optimizer_class",
    "optimizer_kwargs", "lr_schedule",
}  # fmt: skip
"""Arguments of stable-baselines3's policies that ours set by themselves."""


class SaveablePolicy(BaseModel):
    """A policy whose :meth:`save` and :meth:`load` use a folder of plain data."""

    def save(self, path: str | Path) -> None:
        """Write the policy into a folder, which is replaced only by a whole new one.

        Args:
            path: the folder; its parents are made.

        Raises:
            UserError: there is something else, or it cannot be written.
        """
        arguments = {
            name: value
            for name, value in self._get_constructor_parameters().items()
            if name not in OF_THE_MODEL
        }
        kind = type(self).__name__
        state = {"policy": kind, "arguments": pack_known(arguments, kind)}
        with new_folder(path, POLICY, {"policy": kind}) as draft:
            sign(code_of(arguments.get("model")), draft)
            save_encoders(self, draft)
            write_checkpoint(draft / CHECKPOINT, Checkpoint(0, weights_of(self), state))

    @classmethod
    def load(
        cls,
        path: str | Path,
        device: Any = "auto",
        *,
        trust_pickle: bool = False,
        trust_code: bool = False,
        **arguments: Any,
    ) -> Self:
        """The policy in a folder.

        Args:
            path: the folder.
            device: of the weights.
            trust_pickle: read stable-baselines3's file, which may run any code.
            trust_code: import a fusion that is not mmrl's own.
            arguments: of the constructor, instead of those that were saved.

        Raises:
            UserError: there is none, it is of another class, damaged, or a file that would have to
                be unpickled.
        """
        folder = find_folder(path, POLICY)
        if folder is None:
            if trust_pickle:
                return super().load(cast("str", path), device)
            refuse_pickle(path, "policy", f"{cls.__name__}.load", ".save")
        checkpoint = read_checkpoint(folder / CHECKPOINT)
        with well_formed(folder):
            saved = str(checkpoint.state["policy"])
            if saved != cls.__name__:
                raise UserError(f"{folder} holds a {saved}, no {cls.__name__}")
            arguments = {**unpack(checkpoint.state["arguments"]), **arguments}
            check_code(arguments.get("model"), folder / POLICY, trust_code=trust_code)
            with saved_encoders(folder):
                policy = cast("Any", cls)(**arguments, lr_schedule=ConstantSchedule(0.0))
            put_weights(policy, checkpoint.weights)
        return cast("Self", policy.to(get_device(device)))


class PickleRefusing(BaseModel):
    """A network within a policy, which is saved with it."""

    @classmethod
    def load(cls, path: Any, device: Any = "auto", *, trust_pickle: bool = False) -> Self:
        """The network in a file of stable-baselines3.

        Raises:
            UserError: without ``trust_pickle``, as it may run any code.
        """
        if not trust_pickle:
            refuse_pickle(path, "network", f"{cls.__name__}.load", ".save")
        return super().load(path, device)

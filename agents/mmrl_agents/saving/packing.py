"""Packing the settings of stable-baselines3's algorithms as plain data, and back.

Only the classes that are named here are ever made, whatever a file contains.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, cast

import numpy as np
from gymnasium import spaces
from stable_baselines3.common import noise
from stable_baselines3.common.buffers import DictReplayBuffer
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule, LinearSchedule
from torch import nn

from mmrl.errors import UserError
from mmrl.experiment.checkpoint import Tree, check_plain
from mmrl.experiment.config import OptimizerConfig
from mmrl.models.config import EncoderConfig, ModelConfig
from mmrl.preprocessing.encoded import EncodedSpace
from mmrl_agents.buffers.replay import FrameReplay
from mmrl_agents.schedules import LinearDecay

_MADE: Final = "made of"
_NAMED: Final = "class"
_ARGUMENTS: Final = "arguments"

_ACTIVATIONS: Final = (
    nn.CELU, nn.ELU, nn.GELU, nn.Identity, nn.LeakyReLU, nn.Mish, nn.ReLU, nn.ReLU6, nn.SELU,
    nn.Sigmoid, nn.SiLU, nn.Softplus, nn.Tanh,
)  # fmt: skip
_CLASSES: Final[dict[str, type[Any]]] = {
    kind.__name__: kind for kind in (*_ACTIVATIONS, FrameReplay, DictReplayBuffer)
}


def _attributes(*names: str, **renamed: str) -> Callable[[Any], dict[str, Any]]:
    """The arguments of an object's constructor: attributes of the same or of other names."""
    there = {**{name: name for name in names}, **renamed}
    return lambda one: {argument: getattr(one, name) for argument, name in there.items()}


def _train_freq(frequency: int, unit: str) -> TrainFreq:
    return TrainFreq(frequency, TrainFrequencyUnit(unit))


def _box(low: Any, high: Any, dtype: str) -> spaces.Box:
    return spaces.Box(low, high, dtype=cast("Any", np.dtype(dtype)))


def _dict_space(parts: dict[str, spaces.Space[Any]]) -> spaces.Dict:
    return spaces.Dict(parts)


_Packer = tuple[type[Any], Callable[..., Any], Callable[[Any], dict[str, Any]]]
_PACKERS: Final[dict[str, _Packer]] = {
    kind.__name__: (kind, make, arguments)
    for kind, make, arguments in (
        *((kind, make, _attributes(*(one.name for one in fields(kind))))
          for kind, make in (
              (EncoderConfig, EncoderConfig), (ModelConfig, ModelConfig.from_saved),
              (OptimizerConfig, OptimizerConfig), (LinearDecay, LinearDecay),
          )),
        (ConstantSchedule, ConstantSchedule, _attributes("val")),
        (FloatSchedule, FloatSchedule, _attributes("value_schedule")),
        (LinearSchedule, LinearSchedule, _attributes("start", "end", "end_fraction")),
        (TrainFreq, _train_freq,
         lambda one: {"frequency": one.frequency, "unit": one.unit.value}),
        (noise.NormalActionNoise, noise.NormalActionNoise,
         lambda one: {"mean": one._mu, "sigma": one._sigma, "dtype": np.dtype(one._dtype).str}),
        (noise.OrnsteinUhlenbeckActionNoise, noise.OrnsteinUhlenbeckActionNoise,
         lambda one: {
             "mean": one._mu, "sigma": one._sigma, "theta": one._theta, "dt": one._dt,
             "initial_noise": one.initial_noise, "dtype": np.dtype(one._dtype).str,
         }),
        (spaces.Box, _box,
         lambda one: {"low": one.low, "high": one.high, "dtype": one.dtype.str}),
        (spaces.Discrete, spaces.Discrete,
         lambda one: {"n": int(one.n), "start": int(one.start)}),
        (spaces.MultiDiscrete, spaces.MultiDiscrete, _attributes("nvec", "start")),
        (spaces.MultiBinary, spaces.MultiBinary, _attributes("n")),
        (spaces.Dict, _dict_space, lambda one: {"parts": dict(one.spaces)}),
        (EncodedSpace, EncodedSpace,
         lambda one: {
             "low": one.low.flat[0].item(), "high": one.high.flat[0].item(), "shape": one.shape,
             "dtype": one.dtype.str, "fingerprint": one.fingerprint, "words": tuple(one.words),
         }),
    )
}  # fmt: skip


def pack(value: Any) -> Tree:
    """Plain data, from which :func:`unpack` makes the value.

    Raises:
        UserError: there is something in it that is not known here.
    """
    kind: Any = type(value)
    if kind.__name__ in _PACKERS and _PACKERS[kind.__name__][0] is kind:
        _, _, arguments = _PACKERS[kind.__name__]
        return {_MADE: kind.__name__, _ARGUMENTS: pack(arguments(value))}
    if isinstance(value, type) and _CLASSES.get(value.__name__) is cast("Any", value):
        return {_NAMED: value.__name__}
    if kind is dict:
        return {key: pack(one) for key, one in value.items()}
    if kind in (list, tuple):
        return kind(pack(one) for one in value)
    check_plain(value)
    return value


def unpack(tree: Tree) -> Any:
    """Unpack what :func:`pack` gave.

    Raises:
        KeyError, TypeError, ValueError: it is not what :func:`pack` gives.
    """
    if isinstance(tree, dict):
        if set(tree) == {_MADE, _ARGUMENTS}:
            _, make, _ = _PACKERS[tree[_MADE]]
            return make(**unpack(tree[_ARGUMENTS]))
        if set(tree) == {_NAMED}:
            return _CLASSES[tree[_NAMED]]
        return {key: unpack(one) for key, one in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(unpack(one) for one in tree)
    return tree


def pack_known(settings: Mapping[str, Any], whose: str) -> dict[str, Tree]:
    """As :func:`pack`, of each setting alone; warns of those that cannot be saved.

    Args:
        settings: by name.
        whose: name of their owner, for the warning.
    """
    packed = {}
    for name, value in settings.items():
        try:
            packed[name] = pack(value)
        except UserError:
            warnings.warn(
                f"{name}={value!r} of {whose} is not saved, as it is not plain data: give "
                f"{name}=… again where this is loaded",
                stacklevel=4,
            )
    return packed

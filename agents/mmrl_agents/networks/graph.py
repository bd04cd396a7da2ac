"""Policies of stable-baselines3 as plain functions of tensors, for export to ONNX.

Shapes: B batch, A components of an action, n actions, S state of a memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, Final, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.distributions import (
    BernoulliDistribution,
    CategoricalDistribution,
    DiagGaussianDistribution,
    MultiCategoricalDistribution,
)
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy
from torch import Tensor, nn

from mmrl.contract import ACTION_MASK, INSTRUCTION
from mmrl.errors import UserError
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.sharing.onnx import PolicyGraph
from mmrl_agents.networks.masking import mask_logits
from mmrl_agents.networks.policy import MultimodalPolicy

STATE: Final = "memory_state"
NEXT_STATE: Final = f"next_{STATE}"
_LOGITS: Final = (CategoricalDistribution, MultiCategoricalDistribution, BernoulliDistribution)


class _Graph(nn.Module, ABC):
    """A function of the tensors of an observation, and of a memory's state, by their names.

    Args:
        policy: that it computes.
    """

    outputs: tuple[str, ...]

    def __init__(self, policy: BasePolicy) -> None:
        super().__init__()
        self.policy = policy

    @abstractmethod
    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """Inputs [B, …] → outputs [B, …] in their order."""


class ActorCriticGraph(_Graph):
    """Logits [B, n], or mean and standard deviation [B, A]; the value [B]; and the memory's state
    [B, S].
    """

    policy: MultimodalPolicy

    def __init__(self, policy: MultimodalPolicy) -> None:
        super().__init__(policy)
        if policy.predicts_chunks:
            raise UserError(
                "--onnx: a policy that predicts chunks of actions cannot be a graph: leave --onnx "
                "out"
            )
        self.is_gaussian = type(policy.action_dist) is DiagGaussianDistribution
        if not self.is_gaussian and not isinstance(policy.action_dist, _LOGITS):
            kind = type(policy.action_dist).__name__
            raise UserError(f"--onnx: a policy with a {kind} cannot be a graph: leave --onnx out")
        heads = ("action_mean", "action_std") if self.is_gaussian else ("logits",)
        state = () if policy.memory is None else (NEXT_STATE,)
        self.outputs = (*heads, "value", *state)

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """As :meth:`_Graph.forward`."""
        policy, state = self.policy, inputs.get(STATE)
        obs = {key: one for key, one in inputs.items() if key != STATE}
        features = policy.features_extractor(obs)
        if policy.memory is not None:
            features, state = policy.memory.step(features, cast("Tensor", state))
        after = () if state is None else (state,)
        actor, critic = policy.mlp_extractor(features)
        value, head = policy.value_net(critic).flatten(), policy.action_net(actor)
        if self.is_gaussian:
            std = cast("Tensor", policy.log_std).exp().expand_as(head)
            return (head, std, value, *after)
        if policy._mask_sizes is not None:
            head = mask_logits(head, obs[ACTION_MASK], policy._mask_sizes)
        return (head, value, *after)


class ActionValueGraph(_Graph):
    """The value of each action [B, n], minus infinity for invalid ones; the mean of quantiles."""

    outputs = ("q_values",)

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """As :meth:`_Graph.forward`."""
        network: Any = getattr(self.policy, "q_net", None)
        if network is not None:
            return (network(inputs),)
        return (cast("Any", self.policy).quantile_net(inputs).mean(1),)


class ContinuousActorGraph(_Graph):
    """The most probable action [B, A], in the range of the environment's actions."""

    outputs = ("action",)

    def __init__(self, policy: BasePolicy) -> None:
        super().__init__(policy)
        space = cast("spaces.Box", policy.action_space)
        self.register_buffer("low", torch.from_numpy(np.asarray(space.low, np.float32)))
        self.register_buffer("high", torch.from_numpy(np.asarray(space.high, np.float32)))

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """As :meth:`_Graph.forward`."""
        actor: Any = cast("Any", self.policy).actor
        if isinstance(self.policy, SACPolicy):
            scaled = torch.tanh(actor.get_action_dist_params(inputs)[0])
        else:
            scaled = actor(inputs)
        low, high = cast("Tensor", self.low), cast("Tensor", self.high)
        return (low + (scaled + 1) / 2 * (high - low),)


def make_policy_graph(policy: BasePolicy, preprocessing: Preprocessing) -> PolicyGraph:
    """A policy as a function of tensors.

    Args:
        policy: of any of our algorithms.
        preprocessing: that it was trained with.

    Raises:
        UserError: it is of another algorithm, its distribution has no logits and no mean, or an
            observation has the name of the memory.
    """
    policy.set_training_mode(False)
    space = cast("spaces.Dict", policy.observation_space)
    memory = getattr(policy, "memory", None)
    if memory is not None and STATE in space.spaces:
        raise UserError(f"--onnx: an observation is called {STATE!r}, as the memory is: rename it")
    graph = _graph_of(policy)
    examples = partial(_examples, space, 0 if memory is None else memory.state_size)
    described = _describe(policy, graph, examples(1), preprocessing)
    return PolicyGraph(graph, examples, graph.outputs, described)


def _graph_of(policy: BasePolicy) -> _Graph:
    if isinstance(policy, MultimodalPolicy):
        return ActorCriticGraph(policy)
    if isinstance(policy, SACPolicy | TD3Policy):
        return ContinuousActorGraph(policy)
    if hasattr(policy, "q_net") or hasattr(policy, "quantile_net"):
        return ActionValueGraph(policy)
    raise UserError(f"--onnx: a {type(policy).__name__} cannot be a graph: leave --onnx out")


def _examples(space: spaces.Dict, state_size: int, count: int) -> dict[str, Tensor]:
    """Random inputs [count, …] within the spaces; sentences end with padding, masks have a 1."""
    rng = np.random.default_rng(count)
    made: dict[str, Tensor] = {}
    for key, one in cast("dict[str, spaces.Box]", space.spaces).items():
        shape = (count, *one.shape)
        values: NDArray[Any]
        if one.dtype.kind == "f":
            values = np.clip(rng.normal(size=shape), one.low, one.high)
        else:
            low, high = one.low.astype(np.int64), one.high.astype(np.int64)
            values = rng.integers(low, high + 1, shape)
        if key == INSTRUCTION:
            values = np.maximum(values, 1)
            values[:, max(1, one.shape[-1] // 2) :] = 0
        elif key == ACTION_MASK:
            values[:, 0] = 1
        made[key] = torch.from_numpy(values.astype(one.dtype))
    if state_size:
        made[STATE] = torch.from_numpy(rng.normal(0, 0.3, (count, state_size))).float()
    return made


def _describe(
    policy: BasePolicy, graph: _Graph, inputs: dict[str, Tensor], preprocessing: Preprocessing
) -> dict[str, Any]:
    """Inputs, outputs, words and actions as plain data."""
    with torch.no_grad():
        outputs = graph(inputs)
    described: dict[str, Any] = {
        "inputs": {key: _tensor(one) for key, one in inputs.items()},
        "outputs": {k: _tensor(one) for k, one in zip(graph.outputs, outputs, strict=True)},
        "actions": _actions(policy.action_space),
    }
    if STATE in inputs:
        described["memory"] = f"{STATE} is zeros where an episode begins, then {NEXT_STATE}"
    words = getattr(preprocessing.spaces.get(INSTRUCTION), "words", ())
    if words:
        described["words"] = list(words)
    return described


def _tensor(one: Tensor) -> dict[str, Any]:
    return {"shape": ["batch", *one.shape[1:]], "dtype": str(one.dtype).removeprefix("torch.")}


def _actions(space: spaces.Space[Any]) -> dict[str, Any]:
    """The action space as plain data."""
    found: dict[str, Any] = {"kind": type(space).__name__}
    if isinstance(space, spaces.Discrete):
        return {**found, "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {**found, "n": space.nvec.tolist(), "start": space.start.tolist()}
    if isinstance(space, spaces.Box):
        return {**found, "low": space.low.tolist(), "high": space.high.tolist()}
    return {**found, "shape": list(space.shape or ())}

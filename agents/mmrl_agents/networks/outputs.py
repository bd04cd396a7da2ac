"""What a policy computes beside its actions: probabilities, values, attention, to be looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    DiagGaussianDistribution,
    Distribution,
    MultiCategoricalDistribution,
)
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from torch import Tensor

from mmrl.agent import PolicyOutputs
from mmrl.contract import ACTION_MASK, IMAGE, INSTRUCTION
from mmrl.models.model import MultimodalModel
from mmrl.preprocessing.text import PADDING, Tokenizer
from mmrl_agents.networks.policy import MultimodalExtractor, MultimodalPolicy


def compute_outputs(
    policy: BasePolicy,
    obs: dict[str, Tensor] | Tensor,
    state: Tensor | None = None,
    starts: Tensor | None = None,
    tokenizer: Tokenizer | None = None,
) -> PolicyOutputs:
    """The outputs of a policy for a batch of B observations, as arrays on the CPU.

    That is ``value`` and ``probabilities`` of discrete actions, or ``action_mean`` and
    ``action_std`` of a Gaussian, of an actor-critic; ``q_values`` of an algorithm that learns them;
    and attention and weights of a fusion that has them.

    Args:
        policy: of any algorithm; of others than these there are no outputs.
        obs: encoded observations [B, …].
        state, starts: of a memory, as of :meth:`MultimodalPolicy.act`.
        tokenizer: of the instructions, for the words of attention.
    """
    with torch.no_grad():
        numbers = _of_heads(policy, obs, state, starts)
        if not numbers:
            return PolicyOutputs()
        model = _model(policy)
        if model is None or isinstance(obs, Tensor):
            return PolicyOutputs(numbers)
        weights, modalities = _of_fusion(model, obs)
    words = _words(obs, tokenizer) if "attention_words" in weights else ()
    return PolicyOutputs({**numbers, **weights}, words, modalities)


def _of_heads(
    policy: BasePolicy,
    obs: dict[str, Tensor] | Tensor,
    state: Tensor | None,
    starts: Tensor | None,
) -> dict[str, NDArray[Any]]:
    if not isinstance(policy, ActorCriticPolicy):
        values = _action_values(policy, obs)
        return {} if values is None else {"q_values": values, "value": values.max(1)}
    if not isinstance(policy, MultimodalPolicy) or isinstance(obs, Tensor):
        return _of_distribution(policy.predict_values(obs).flatten(), policy.get_distribution(obs))
    count = len(next(iter(obs.values())))
    if state is None:
        state = policy.begin(count)
    if starts is None:
        starts = torch.zeros(count, dtype=torch.bool, device=policy.device)
    return _of_distribution(*policy.values_and_distribution(obs, state, starts))


def _of_distribution(value: Tensor, distribution: Distribution) -> dict[str, NDArray[Any]]:
    numbers = {"value": _array(value)}
    if isinstance(distribution, CategoricalDistribution):
        numbers["probabilities"] = _array(distribution.distribution.probs)
    elif isinstance(distribution, MultiCategoricalDistribution):
        each = [one.probs for one in distribution.distribution]
        numbers["probabilities"] = _array(torch.cat(each, 1))
    elif isinstance(distribution, DiagGaussianDistribution):
        numbers["action_mean"] = _array(distribution.distribution.mean)
        numbers["action_std"] = _array(distribution.distribution.stddev)
    return numbers


def _action_values(policy: BasePolicy, obs: dict[str, Tensor] | Tensor) -> NDArray[Any] | None:
    """Values of each action, float [B, A]; None of an algorithm that learns none."""
    network = getattr(policy, "q_net", None)
    if network is not None:
        return _array(network(obs))
    network = getattr(policy, "quantile_net", None)
    return None if network is None else _array(network(obs).mean(1))


def _model(policy: BasePolicy) -> MultimodalModel | None:
    network = getattr(policy, "q_net", None) or getattr(policy, "quantile_net", None) or policy
    extractor = getattr(network, "features_extractor", None)
    return extractor.model if isinstance(extractor, MultimodalExtractor) else None


def _of_fusion(
    model: MultimodalModel, obs: dict[str, Tensor]
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Attention over the main image's cells and the instruction's words, weights of modalities."""
    attention = getattr(model.fusion, "attention", None)  # a fusion from elsewhere has none
    weigh = getattr(model.fusion, "modality_weights", None)
    if attention is None or weigh is None:
        return {}, []
    seen = {key: one for key, one in obs.items() if key != ACTION_MASK}
    with model.autocast(next(iter(seen.values())).device):
        tokens = model.encode(seen)
        over, weights = attention(tokens), weigh(tokens)
    numbers = {}
    grid = tokens[IMAGE].grid if IMAGE in tokens else None
    if IMAGE in over and grid is not None:
        numbers["attention_image"] = _array(over[IMAGE].unflatten(1, grid))
    if INSTRUCTION in over:
        numbers["attention_words"] = _array(over[INSTRUCTION])
    if weights:
        numbers["modality_weights"] = _array(torch.stack(list(weights.values()), 1))
    return numbers, list(weights)


def _words(obs: dict[str, Tensor], tokenizer: Tokenizer | None) -> list[list[str]]:
    """The words of each instruction, by their ids; those that stand for none are a dot."""
    decode = getattr(tokenizer, "decode", None)

    def word(number: int) -> str:
        return (decode([number]).strip() if decode is not None else "") or "·"

    rows = obs[INSTRUCTION].cpu().numpy()
    return [[word(number) for number in row[row != PADDING].tolist()] for row in rows]


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.float().cpu().numpy()

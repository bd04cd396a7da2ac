"""The protocol of something that acts: all that evaluation and visualisation need of an agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray


class Actor(Protocol):
    """Acts on observations of the contract."""

    def act(self, observation: Mapping[str, Any], *, deterministic: bool) -> NDArray[Any]:
        """A batch of observations → actions [B].

        Args:
            observation: ``image`` uint8 [B, H, W, 3], ``instruction`` B sentences, and whatever
                else the environment gives, such as ``speech`` float32 [B, T].
            deterministic: take the most probable action instead of sampling.
        """
        ...


def begin_episodes(actor: Actor, count: int) -> None:
    """Notify an actor that ``count`` episodes begin with the next observation, all at once.

    An actor with a memory resets it then, by a method ``begin`` that takes their number.
    """
    begin = getattr(actor, "begin", None)
    if begin is not None:
        begin(count)


def attach_environment(actor: Actor, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
    """Give an actor the batch of environments that it is about to act in, just reset.

    An agent needs no more than observations. A random policy, an expert and a control that swaps
    instructions need the environments: they have a method ``attach`` with these arguments.

    Args:
        actor: it.
        env: N environments.
        seeds: N, of the episodes that begin.
    """
    attach = getattr(actor, "attach", None)
    if attach is not None:
        attach(env, seeds)


class ActorWrapper:
    """An actor with changed observations.

    Args:
        actor: the agent.
    """

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def attach(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """As :func:`attach_environment`."""
        attach_environment(self._actor, env, seeds)

    def begin(self, count: int) -> None:
        """As :func:`begin_episodes`."""
        begin_episodes(self._actor, count)

    def act(self, observation: Mapping[str, Any], *, deterministic: bool) -> NDArray[Any]:
        """As :meth:`Actor.act`, on the other observation."""
        return self._actor.act(self.change(observation), deterministic=deterministic)

    def policy_outputs(self, observation: Mapping[str, Any]) -> PolicyOutputs:
        """As :func:`policy_outputs`, of the other observation."""
        return policy_outputs(self._actor, self.change(observation))

    def change(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
        """The observations that the actor gets instead of a batch."""
        return observation


def action_probabilities(
    actor: Actor, observation: Mapping[str, Any]
) -> NDArray[np.float32] | None:
    """The probability of each action, float32 [B, A]; None where an actor has no method
    ``probabilities`` of a batch of observations.
    """
    probabilities = getattr(actor, "probabilities", None)
    return None if probabilities is None else probabilities(observation)


@dataclass(frozen=True)
class PolicyOutputs:
    """What a policy computes beside its actions, for a batch of B observations.

    Attributes:
        numbers: by name, [B, …], see :class:`mmrl.records.EpisodeRecord`.
        words: for each of the B instructions, the words that ``attention_words`` is over.
        modalities: the names of those that ``modality_weights`` is over.
    """

    numbers: dict[str, NDArray[Any]] = field(default_factory=dict)
    words: Sequence[Sequence[str]] = ()
    modalities: Sequence[str] = ()


def policy_outputs(actor: Actor, observation: Mapping[str, Any]) -> PolicyOutputs:
    """What the policy computes for a batch of observations, before it acts on them: nothing where
    an actor has no method ``policy_outputs``.
    """
    outputs = getattr(actor, "policy_outputs", None)
    return PolicyOutputs() if outputs is None else outputs(observation)

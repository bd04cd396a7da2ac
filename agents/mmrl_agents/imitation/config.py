"""Hyperparameters of behaviour cloning and of DAgger."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mmrl_agents.parts import PartOptions


@dataclass
class BCConfig:
    """Hyperparameters of behaviour cloning; ``steps`` counts gradient steps.

    Attributes:
        data: Minari datasets that are learned from, by their ids or paths; if empty, the
            environment's expert plays.
        demonstrations: episodes that are learned from: of the expert, or the first ones of the
            datasets, where 0 takes all.
        successful_only: leave out episodes that are known to have failed.
        validation: share of the episodes that is held out to validate with.
        batch_size: steps of episodes in a gradient step.
        sequence_length: with a memory, consecutive steps that gradients go through.
        learning_rate: its peak, after a linear warm-up of 5% of the steps; a cosine decays it to 0.
        max_grad_norm: gradients are scaled down to it.
        entropy_coef: weight of the entropy bonus.
        evaluate_every: gradient steps between validations.
        patience: validations without a lower loss after which training stops, with the weights of
            the best one; 0 trains to the end.
        memory: none, lstm, gru, frame_stack or transformer; or a mapping such as
            {kind: gru, size: 64}, see
            :class:`~mmrl_agents.networks.memory.MemoryConfig`.
        memory_args: options of the memory.
        num_envs: episodes that are played at once.
    """

    data: list[str] = field(default_factory=list)
    demonstrations: int = 1_000
    successful_only: bool = True
    validation: float = 0.1
    batch_size: int = 512
    sequence_length: int = 32
    learning_rate: float = 1e-3
    max_grad_norm: float = 1.0
    entropy_coef: float = 0.0
    evaluate_every: int = 250
    patience: int = 0
    memory: PartOptions = None
    memory_args: dict[str, Any] = field(default_factory=dict)
    num_envs: int = 64


@dataclass
class DAggerConfig(BCConfig):
    """Hyperparameters of DAgger (Ross et al., 2011): those of behaviour cloning, and of the rounds
    in which the agent plays and the expert labels.

    Attributes:
        demonstrations: episodes of all rounds together; in the first one, the expert plays.
        rounds: after each, gradient steps follow on the episodes of all rounds so far.
        beta: probability that a step of the second round is the expert's.
        beta_decay: factor of beta from round to round.
    """

    rounds: int = 10
    beta: float = 0.0
    beta_decay: float = 0.5

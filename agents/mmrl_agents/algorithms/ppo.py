"""PPO (Schulman et al., 2017): stable-baselines3's, with a memory and an auxiliary loss."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, NoReturn, cast

import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl_agents.algorithms.base import SB3Agent
from mmrl_agents.algorithms.checks import check_positive
from mmrl_agents.algorithms.divergence import diverged
from mmrl_agents.algorithms.on_policy import RolloutCollection
from mmrl_agents.algorithms.reference import ReferencePolicy
from mmrl_agents.algorithms.saving import Saveable
from mmrl_agents.buffers.rollout import Minibatch, MultimodalRolloutBuffer, Transitions
from mmrl_agents.configs import PPOConfig
from mmrl_agents.curriculum.part import CurriculumPart
from mmrl_agents.initial_weights import put_initial_weights
from mmrl_agents.networks.auxiliary.part import AuxiliaryPart
from mmrl_agents.networks.memory import MemoryPart
from mmrl_agents.networks.policy import ActionEvaluation, MultimodalPolicy
from mmrl_agents.parts import Part
from mmrl_agents.team import ALONE, Team

AUXILIARY: Final = "auxiliary_loss"
LOGGED: Final = (
    "loss", "policy_gradient_loss", "value_loss", "entropy_loss", "approx_kl", "clip_fraction",
)  # fmt: skip


class PPO(Saveable, RolloutCollection, stable_baselines3.PPO):
    """SB3's PPO, with its arguments, callbacks, logs, losses and, without a memory, its numbers.

    Frames go into one buffer when they are made and out of it with their minibatch, as bytes; see
    :class:`~mmrl_agents.algorithms.on_policy.RolloutCollection`. Where the policy has a memory
    (``policy_kwargs={"memory": "lstm"}``), minibatches are whole rollouts of some environments,
    which the memory processes as sequences.

    Args:
        policy: :class:`~mmrl_agents.networks.policy.MultimodalPolicy`, or one made of it.
        env: a :class:`~mmrl_agents.vec_env.MultimodalVecEnv`.
        min_advantage_std: normalised advantages are divided by their standard deviation, but at
            least by this.
        final_ent_coef: ``ent_coef`` at the end, to which it changes linearly; None leaves it.
        kl_coef: at the start, weight of a penalty on rewards: log π(a|s) - log π₀(a|s), where π₀ is
            :attr:`reference` (Ziegler et al., 2019). It changes linearly to 0.
        critic_warmup: environment steps at the start in which the critic's head alone learns.
        scale_rewards: see :class:`~mmrl_agents.algorithms.reward_scale.RewardScale`.
        team: the workers that train together; ``env`` is this one's part,
            ``batch_size`` counts the transitions of all.
        kwargs: SB3's other arguments.

    Raises:
        ValueError: with a memory, a batch size that is no multiple of ``n_steps``.
    """

    policy_aliases = {**stable_baselines3.PPO.policy_aliases, "MultimodalPolicy": MultimodalPolicy}
    default_buffer = MultimodalRolloutBuffer
    reference: ReferencePolicy | None = None
    """The policy that this one is kept near to by ``kl_coef``."""

    def __init__(
        self,
        policy: Any,
        env: Any,
        *,
        min_advantage_std: float = 0.0,
        final_ent_coef: float | None = None,
        kl_coef: float = 0.0,
        critic_warmup: int = 0,
        scale_rewards: bool = False,
        team: Team = ALONE,
        **kwargs: Any,
    ) -> None:
        self.min_advantage_std, self.final_ent_coef = min_advantage_std, final_ent_coef
        self.kl_coef, self.critic_warmup = kl_coef, critic_warmup
        self.scale_rewards, self.team = scale_rewards, team
        ours = {
            "rollout_buffer_class": MultimodalRolloutBuffer,
            "rollout_buffer_kwargs": {"team": team},
        }
        super().__init__(policy, env, **{**ours, **kwargs})

    def _setup_model(self) -> None:
        super()._setup_model()
        if self.policy.memory is not None and self.batch_size % self.n_steps:
            raise ValueError(
                f"batch_size={self.batch_size}: with a memory, minibatches are whole rollouts: "
                f"give a multiple of n_steps={self.n_steps}"
            )

    def train(self) -> None:
        """Learn from the rollout."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        clip_range = self._now(self.clip_range)
        if self.policy.auxiliary is not None:
            self.policy.auxiliary.collect(self.rollout_buffer)
        logs: list[dict[str, Tensor]] = []
        for _ in range(self.n_epochs):
            first = len(logs)
            completed = self._epoch(logs, clip_range)
            self._n_updates += 1
            if not completed:
                break
        self.team.average_statistics(self.policy)
        if logs:  # a robust curriculum may select nothing
            self._log(logs, first, clip_range)

    def _epoch(self, logs: list[dict[str, Tensor]], clip_range: float) -> bool:
        """Once through the rollout; False where the policy has moved farther than ``target_kl``.

        Raises:
            DivergedError: a loss or a gradient is not finite.
        """
        for batch, evaluation, share in self._minibatches():
            self.policy.optimizer.zero_grad()
            metrics = self._backward(batch, evaluation, share, clip_range)
            logs.append(self.team.combine(self.policy, metrics))
            if not bool(logs[-1]["loss"].isfinite()):
                self._raise_diverged("loss", logs[-1]["loss"], logs)
            if self.target_kl is not None and logs[-1]["approx_kl"] > 1.5 * self.target_kl:
                return False
            norm = clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            if not bool(norm.isfinite()):
                self._raise_diverged("gradient's norm", norm, logs)
            if self.num_timesteps <= self.critic_warmup:
                _keep_critic_gradients(self.policy)
            self.policy.optimizer.step()
        return True

    def _penalize(self, rollout: MultimodalRolloutBuffer) -> None:
        """Subtract the divergence from the reference from the rewards of a rollout."""
        if self.reference is None:
            return
        # SB3 updates its own share after the rollout only
        weight = self.kl_coef * max(1 - self.num_timesteps / self._total_timesteps, 0.0)
        divergence = rollout.log_probs - self.reference.log_probs(rollout)
        rollout.rewards -= weight * divergence
        self.logger.record("train/reference_kl", float(divergence.mean()))

    def _raise_diverged(self, what: str, value: Tensor, logs: list[dict[str, Tensor]]) -> NoReturn:
        """Stop at a number that is not finite, and report the numbers of the update."""
        rollout = self.rollout_buffer
        arrays = ("rewards", "values", "returns", "advantages", "log_probs")
        weights = [weight.detach().abs().max() for weight in self.policy.parameters()]
        raise diverged(
            self,
            what,
            float(value),
            f"in minibatch {len(logs)} of ",
            minibatch=len(logs),
            losses=[{name: str(float(number)) for name, number in one.items()} for one in logs],
            rollout={
                name: [str(getattr(rollout, name).min()), str(getattr(rollout, name).max())]
                for name in arrays
            },
            largest_weight_now=str(float(torch.stack(weights).max())),
        )

    def _minibatches(self) -> Iterator[tuple[Transitions, ActionEvaluation | None, float]]:
        """Transitions, the present policy's evaluation of their actions, and their share of the
        minibatch, which in a team is spread over the workers; no evaluation where this worker has
        no part in it.
        """
        rollout, has_memory = self.rollout_buffer, self.policy.memory is not None
        total = rollout.total if has_memory else rollout.drawn(self.batch_size)
        minibatches: Iterator[Minibatch] = (
            rollout.sequences(self.batch_size)
            if has_memory
            else map(Minibatch, rollout.get(self.batch_size))
        )
        starts = range(0, total, self.batch_size)
        for start, minibatch in zip(starts, minibatches, strict=True):
            batch = minibatch.transitions
            share = len(batch.advantages) / min(self.batch_size, total - start)
            evaluation = self._evaluate_actions(minibatch) if share else None
            if minibatch.selected is not None:
                batch, evaluation = _select(minibatch.selected.to(self.device), batch, evaluation)
            if share and not len(batch.advantages):
                continue
            batch = batch._replace(advantages=self._advantages(batch))
            yield batch, evaluation, share

    @property
    def _logged(self) -> tuple[str, ...]:
        """The names of the metrics of a minibatch."""
        return LOGGED if self.policy.auxiliary is None else (*LOGGED, AUXILIARY)

    def _advantages(self, batch: Transitions) -> Tensor:
        if self.normalize_advantage:
            return self.team.normalized(batch.advantages, self.min_advantage_std)
        return batch.advantages

    def _evaluate_actions(self, minibatch: Minibatch) -> ActionEvaluation:
        """The present policy's evaluation of the actions of a minibatch."""
        batch, state, starts, _ = minibatch
        observations = cast("Any", batch.observations)
        return self.policy.evaluate(observations, self._actions(batch), state, starts)

    def _backward(
        self,
        batch: Transitions,
        evaluation: ActionEvaluation | None,
        share: float,
        clip_range: float,
    ) -> dict[str, Tensor]:
        """Compute the gradients of a part of a minibatch, and its metrics: means over the
        minibatch, to which the other parts are still to be added.
        """
        if evaluation is None:
            return {name: torch.zeros((), device=self.device) for name in self._logged}
        loss, metrics = self._loss(batch, evaluation, clip_range)
        (loss * share).backward()
        return {name: value * share for name, value in metrics.items()}

    def _loss(
        self, batch: Transitions, evaluation: ActionEvaluation, clip_range: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of transitions, and its metrics."""
        values, log_prob, entropy, features = evaluation
        log_ratio = log_prob - batch.old_log_prob
        ratio = torch.exp(log_ratio)
        clipped = torch.clamp(ratio, 1 - clip_range, 1 + clip_range)
        policy_loss = -torch.min(batch.advantages * ratio, batch.advantages * clipped).mean()
        if self.clip_range_vf is not None:
            bound = self._now(self.clip_range_vf)
            values = batch.old_values + torch.clamp(values - batch.old_values, -bound, bound)
        value_loss = functional.mse_loss(batch.returns, values)
        entropy_loss = torch.mean(log_prob) if entropy is None else -torch.mean(entropy)
        loss = policy_loss + self._entropy_weight * entropy_loss + self.vf_coef * value_loss
        with torch.no_grad():
            approx_kl = torch.mean((ratio - 1) - log_ratio)  # http://joschu.net/blog/kl-approx.html
            clip_fraction = torch.mean((torch.abs(ratio - 1) > clip_range).float())
        metrics = [loss, policy_loss, value_loss, entropy_loss, approx_kl, clip_fraction]
        if self.policy.auxiliary is not None:
            metrics.append(self.policy.auxiliary_loss(self.rollout_buffer, batch, features))
            metrics[0] = loss = loss + self.policy.auxiliary.weight * metrics[-1]
        named = zip(self._logged, (metric.detach() for metric in metrics), strict=True)
        return loss, dict(named)

    def _log(self, logs: list[dict[str, Tensor]], last_epoch: int, clip_range: float) -> None:
        """As SB3: means of all minibatches, the divergence of the last epoch, the last loss."""
        table = {name: torch.stack([one[name] for one in logs]).cpu() for name in logs[0]}
        means = ("entropy_loss", "policy_gradient_loss", "value_loss", "clip_fraction")
        for name in (*means, *self._logged[len(LOGGED) :]):
            self.logger.record(f"train/{name}", float(table[name].mean()))
        self.logger.record("train/approx_kl", float(table["approx_kl"][last_epoch:].mean()))
        self.logger.record("train/loss", float(table["loss"][-1]))
        values, returns = map(
            torch.from_numpy, (self.rollout_buffer.values, self.rollout_buffer.returns)
        )
        self.logger.record(
            "train/explained_variance", self.team.explained_variance(values, returns)
        )
        if hasattr(self.policy, "log_std"):
            std = torch.exp(cast("Tensor", self.policy.log_std)).mean().item()
            self.logger.record("train/std", std)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", clip_range)
        if self.final_ent_coef is not None:
            self.logger.record("train/ent_coef", self._entropy_weight)
        if self.clip_range_vf is not None:
            self.logger.record("train/clip_range_vf", self._now(self.clip_range_vf))

    @property
    def _entropy_weight(self) -> float:
        """The weight of the entropy bonus now."""
        if self.final_ent_coef is None:
            return self.ent_coef
        left = self._current_progress_remaining
        return self.final_ent_coef + (self.ent_coef - self.final_ent_coef) * left

    def _now(self, schedule: Any) -> float:
        """The present value of one of SB3's schedules."""
        value: float = schedule(self._current_progress_remaining)
        return value

    def _actions(self, batch: Transitions) -> Tensor:
        if isinstance(self.action_space, spaces.Discrete):
            return batch.actions.long().flatten()
        return batch.actions


def _keep_critic_gradients(policy: MultimodalPolicy) -> None:
    """Remove all gradients but those of the critic's own layers."""
    critic = {*policy.mlp_extractor.value_net.parameters(), *policy.value_net.parameters()}
    for weight in policy.parameters():
        if weight not in critic:
            weight.grad = None


def _select(
    rows: Tensor, batch: Transitions, evaluation: ActionEvaluation | None
) -> tuple[Transitions, ActionEvaluation | None]:
    """Some transitions of a minibatch, by their numbers; the observations are left as they are."""
    numbers = {name: getattr(batch, name)[rows] for name in batch._fields[1:]}
    if evaluation is not None:
        parts = {name: one[rows] for name, one in evaluation._asdict().items() if one is not None}
        evaluation = evaluation._replace(**parts)
    return batch._replace(**numbers), evaluation


class PPOAgent(SB3Agent):
    """PPO for the command line."""

    name = "ppo"
    search: ClassVar[tuple[str, ...]] = (
        "ppo.learning_rate=1e-4..3e-3:log",
        "ppo.ent_coef=1e-3..1e-1:log",
        "ppo.n_epochs=1..8:int",
        "ppo.gae_lambda=0.8..0.99",
        "ppo.gamma=0.95..0.999",
    )
    parts: ClassVar[Mapping[str, type[Part]]] = {
        "memory": MemoryPart, "auxiliary": AuxiliaryPart, "curriculum": CurriculumPart
    }  # fmt: skip
    teams = True
    masks = True
    training_only = ("auxiliary.",)
    Config = PPOConfig
    Algorithm = PPO
    Policy = MultimodalPolicy

    @classmethod
    def check(cls, hyper: PPOConfig) -> None:
        """As :meth:`SB3Agent.check`."""
        check_positive(cls.name, hyper, "num_envs", "n_steps", "batch_size", "n_epochs")
        collected = hyper.num_envs * hyper.n_steps
        assert hyper.batch_size is not None
        if hyper.batch_size > collected or collected % hyper.batch_size:
            raise UserError(
                f"{cls.name}.batch_size={hyper.batch_size} must divide "
                f"num_envs · n_steps = {hyper.num_envs} · {hyper.n_steps} = {collected}"
            )
        if hyper.batch_size < 2:
            raise UserError(
                f"{cls.name}.batch_size={hyper.batch_size}: must be at least 2, to "
                "normalise advantages"
            )
        if not 0 <= hyper.min_advantage_std < math.inf:
            raise UserError(
                f"{cls.name}.min_advantage_std={hyper.min_advantage_std}: must be at least 0"
            )
        for name in ("kl_coef", "critic_warmup"):
            if not 0 <= getattr(hyper, name) < math.inf:
                raise UserError(f"{cls.name}.{name}={getattr(hyper, name)}: must be at least 0")
        super().check(hyper)

    @classmethod
    def attach_initial(
        cls, algorithm: BaseAlgorithm, hyper: PPOConfig, config: TrainConfig, run: Run
    ) -> None:
        """As :meth:`SB3Agent.attach_initial`.

        Raises:
            UserError: there is no such policy.
        """
        if not hyper.kl_coef:
            return
        if not config.init:
            raise UserError(
                f"{cls.name}.kl_coef={hyper.kl_coef}: from which policy? Name its run folder: init"
            )
        ppo = cast("PPO", algorithm)
        initial = copy.deepcopy(ppo.policy)
        put_initial_weights(initial, run)
        ppo.reference = ReferencePolicy(initial, ppo.n_envs)

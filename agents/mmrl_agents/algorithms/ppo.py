"""PPO (Schulman et al., 2017): stable-baselines3's, with data where it is used, and a memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NoReturn, cast

import stable_baselines3
import torch
from gymnasium import spaces
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl_agents.algorithms.base import check_positive
from mmrl_agents.algorithms.divergence import diverged
from mmrl_agents.algorithms.on_policy import Collecting
from mmrl_agents.algorithms.saving import Saveable
from mmrl_agents.buffers.rollout import Rollout, Transitions
from mmrl_agents.curriculum.agent import CurriculumAgent
from mmrl_agents.curriculum.settings import NOBODY
from mmrl_agents.networks.auxiliary import AUXILIARIES
from mmrl_agents.networks.policy import ActionEvaluation, MultimodalPolicy
from mmrl_agents.team import ALONE, Team

AUXILIARY: Final = "auxiliary_loss"
LOGGED: Final = (
    "loss", "policy_gradient_loss", "value_loss", "entropy_loss", "approx_kl", "clip_fraction",
)  # fmt: skip


class PPO(Saveable, Collecting, stable_baselines3.PPO):
    """SB3's PPO, with its arguments, callbacks, logs, losses and, without a memory, its numbers.

    Frames go into one buffer when they are made and out of it with their minibatch, as bytes; see
    :class:`~mmrl_agents.algorithms.on_policy.Collecting`. Where the policy has a memory
    (``policy_kwargs={"memory": "lstm"}``), minibatches are whole rollouts of some environments,
    whose episodes the memory goes through side by side.

    Args:
        policy: :class:`~mmrl_agents.networks.policy.MultimodalPolicy`, or one made of it.
        env: a :class:`~mmrl_agents.vec_env.MultimodalVecEnv`.
        team: the workers that learn as one with this one; ``env`` is this one's part,
            ``batch_size`` counts the transitions of all.
        kwargs: SB3's other arguments.

    Raises:
        ValueError: with a memory, a batch size that is no multiple of ``n_steps``.
    """

    policy_aliases = {**stable_baselines3.PPO.policy_aliases, "MultimodalPolicy": MultimodalPolicy}
    default_buffer = Rollout

    def __init__(self, policy: Any, env: Any, *, team: Team = ALONE, **kwargs: Any) -> None:
        self.team = team
        ours = {"rollout_buffer_class": Rollout, "rollout_buffer_kwargs": {"team": team}}
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
        logs: list[dict[str, Tensor]] = []
        for _ in range(self.n_epochs):
            begun = len(logs)
            goes_on = self._epoch(logs, clip_range)
            self._n_updates += 1
            if not goes_on:
                break
        self.team.average_statistics(self.policy)
        if logs:  # a robust curriculum may find nothing to learn from
            self._log(logs, begun, clip_range)

    def _epoch(self, logs: list[dict[str, Tensor]], clip_range: float) -> bool:
        """Once through the rollout; False where the policy has moved farther than ``target_kl``.

        Raises:
            DivergedError: a loss or a gradient is not finite.
        """
        for batch, outcome, share in self._minibatches():
            self.policy.optimizer.zero_grad()
            about = self._learn(batch, outcome, share, clip_range)
            logs.append(self.team.combine(self.policy, about))
            if not bool(logs[-1]["loss"].isfinite()):
                self._give_up("loss", logs[-1]["loss"], logs)
            if self.target_kl is not None and logs[-1]["approx_kl"] > 1.5 * self.target_kl:
                return False
            norm = clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            if not bool(norm.isfinite()):
                self._give_up("gradient's norm", norm, logs)
            self.policy.optimizer.step()
        return True

    def _give_up(self, what: str, value: Tensor, logs: list[dict[str, Tensor]]) -> NoReturn:
        """Stop at a number that is not finite, and report what it was made of."""
        rollout = self.rollout_buffer
        looks = ("rewards", "values", "returns", "advantages", "log_probs")
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
                for name in looks
            },
            largest_weight_now=str(float(torch.stack(weights).max())),
        )

    def _minibatches(self) -> Iterator[tuple[Transitions, ActionEvaluation | None, float]]:
        """Transitions, with the values, log-probabilities and entropies of their actions now, and
        their share of the minibatch, which in a team is spread over the workers; None where this
        one has no part in it.
        """
        rollout, recalls = self.rollout_buffer, self.policy.memory is not None
        total = rollout.total if recalls else rollout.drawn(self.batch_size)
        drawn: Iterator[tuple[Any, ...]] = (
            rollout.sequences(self.batch_size)
            if recalls
            else ((batch,) for batch in rollout.get(self.batch_size))
        )
        starts = range(0, total, self.batch_size)
        for start, (batch, *before) in zip(starts, drawn, strict=True):
            share = len(batch.advantages) / min(self.batch_size, total - start)
            outcome = self._judge(batch, *before[:2]) if share else None
            for rows in before[2:]:
                batch, outcome = _only(rows.to(self.device), batch, outcome)
            if share and not len(batch.advantages):
                continue
            batch = batch._replace(advantages=self._advantages(batch))
            yield batch, outcome, share

    @property
    def _figures(self) -> tuple[str, ...]:
        """What is logged of a minibatch."""
        return LOGGED if self.policy.auxiliary is None else (*LOGGED, AUXILIARY)

    def _advantages(self, batch: Transitions) -> Tensor:
        if self.normalize_advantage:
            return self.team.normalized(batch.advantages)
        return batch.advantages

    def _judge(self, batch: Transitions, *before: Tensor) -> ActionEvaluation:
        """What the policy as it is now makes of the actions; ``before`` as of its method."""
        return self.policy.judge(cast("Any", batch.observations), self._actions(batch), *before)

    def _learn(
        self,
        batch: Transitions,
        outcome: ActionEvaluation | None,
        share: float,
        clip_range: float,
    ) -> dict[str, Tensor]:
        """The gradients of a part of a minibatch, and what is logged of it: means over the
        minibatch, of which the other parts are still to be added.
        """
        if outcome is None:
            return {name: torch.zeros((), device=self.device) for name in self._figures}
        loss, about = self._loss(batch, outcome, clip_range)
        (loss * share).backward()
        return {name: value * share for name, value in about.items()}

    def _loss(
        self, batch: Transitions, outcome: ActionEvaluation, clip_range: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of transitions, and what is logged of it."""
        values, log_prob, entropy, features = outcome
        log_ratio = log_prob - batch.old_log_prob
        ratio = torch.exp(log_ratio)
        clipped = torch.clamp(ratio, 1 - clip_range, 1 + clip_range)
        policy_loss = -torch.min(batch.advantages * ratio, batch.advantages * clipped).mean()
        if self.clip_range_vf is not None:
            bound = self._now(self.clip_range_vf)
            values = batch.old_values + torch.clamp(values - batch.old_values, -bound, bound)
        value_loss = functional.mse_loss(batch.returns, values)
        entropy_loss = torch.mean(log_prob) if entropy is None else -torch.mean(entropy)
        loss = policy_loss + self.ent_coef * entropy_loss + self.vf_coef * value_loss
        with torch.no_grad():
            approx_kl = torch.mean((ratio - 1) - log_ratio)  # http://joschu.net/blog/kl-approx.html
            clip_fraction = torch.mean((torch.abs(ratio - 1) > clip_range).float())
        figures = [loss, policy_loss, value_loss, entropy_loss, approx_kl, clip_fraction]
        if self.policy.auxiliary is not None:
            after = self.rollout_buffer.following(batch.steps)
            figures.append(self.policy.auxiliary_loss(features, batch.actions, after))
            figures[0] = loss = loss + self.policy.auxiliary.weight * figures[-1]
        about = zip(self._figures, (figure.detach() for figure in figures), strict=True)
        return loss, dict(about)

    def _log(self, logs: list[dict[str, Tensor]], last_epoch: int, clip_range: float) -> None:
        """As SB3: means of all minibatches, the divergence of the last epoch, the last loss."""
        table = {name: torch.stack([one[name] for one in logs]).cpu() for name in logs[0]}
        means = ("entropy_loss", "policy_gradient_loss", "value_loss", "clip_fraction")
        for name in (*means, *self._figures[len(LOGGED) :]):
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
        if self.clip_range_vf is not None:
            self.logger.record("train/clip_range_vf", self._now(self.clip_range_vf))

    def _now(self, schedule: Any) -> float:
        """The present value of one of SB3's schedules."""
        value: float = schedule(self._current_progress_remaining)
        return value

    def _actions(self, batch: Transitions) -> Tensor:
        if isinstance(self.action_space, spaces.Discrete):
            return batch.actions.long().flatten()
        return batch.actions


def _only(
    rows: Tensor, batch: Transitions, outcome: ActionEvaluation | None
) -> tuple[Transitions, ActionEvaluation | None]:
    """Some transitions of a minibatch, by their numbers; what was seen is left as it is."""
    numbers = {name: getattr(batch, name)[rows] for name in batch._fields[1:]}
    if outcome is not None:
        there = {name: one[rows] for name, one in outcome._asdict().items() if one is not None}
        outcome = outcome._replace(**there)
    return batch._replace(**numbers), outcome


@dataclass
class PPOConfig:
    """Hyperparameters of PPO, named as in stable-baselines3.

    Attributes:
        num_envs: environments stepped together.
        n_steps: steps of each environment between updates.
        batch_size: transitions in a gradient step.
        n_epochs: passes over the collected transitions.
        learning_rate: at the start.
        final_learning_rate: at the end; the way between is straight.
        gamma: discount.
        gae_lambda: of the advantage estimator.
        clip_range: of the probability ratio.
        ent_coef: weight of the entropy bonus.
        vf_coef: weight of the value loss.
        max_grad_norm: gradients are scaled down to it.
        memory: lstm, gru or frame_stack; none, if empty.
        memory_args: size of the lstm's or gru's state, frames of the stack.
        auxiliary: what the features learn from beside rewards: world_model, to tell what comes
            next; nothing, if empty.
        auxiliary_args: weight of its loss, hidden width, and side of the images that it tells.
        curriculum: which scenes are played: none, new ones always; plr, those that there is still
            something to learn from again; robust_plr, which learns from those alone; or accel,
            which also edits them.
        curriculum_args: score (positive_value_loss, value_l1 or max_mc), size, first, replay,
            temperature, staleness and edits.
    """

    num_envs: int = 64
    n_steps: int = 32
    batch_size: int = 512
    n_epochs: int = 4
    learning_rate: float = 7e-4
    final_learning_rate: float = 1e-4
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    ent_coef: float = 0.01
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    memory: str | None = None
    memory_args: dict[str, Any] = field(default_factory=dict)
    auxiliary: str | None = None
    auxiliary_args: dict[str, Any] = field(default_factory=dict)
    curriculum: str = NOBODY
    curriculum_args: dict[str, Any] = field(default_factory=dict)


class PPOAgent(CurriculumAgent):
    """PPO for the command line."""

    name = "ppo"
    search: ClassVar[tuple[str, ...]] = (
        "ppo.learning_rate=1e-4..3e-3:log",
        "ppo.ent_coef=1e-3..1e-1:log",
        "ppo.n_epochs=1..8:int",
        "ppo.gae_lambda=0.8..0.99",
        "ppo.gamma=0.95..0.999",
    )
    elsewhere: ClassVar[tuple[str, ...]] = (
        *CurriculumAgent.elsewhere, "memory", "memory_args", "auxiliary", "auxiliary_args",
    )  # fmt: skip
    teams = True
    Config = PPOConfig
    Algorithm = PPO
    Policy = MultimodalPolicy

    @classmethod
    def policy_kwargs(cls, config: TrainConfig, hyper: PPOConfig) -> dict[str, Any]:
        """As :meth:`SB3Agent.policy_kwargs`."""
        kwargs = super().policy_kwargs(config, hyper)
        names = ("memory", "memory_args", "auxiliary", "auxiliary_args")
        return {**kwargs, **{name: getattr(hyper, name) for name in names}}

    @classmethod
    def check(cls, hyper: PPOConfig) -> None:
        """As :meth:`SB3Agent.check`."""
        super().check(hyper)
        check_positive(cls.name, hyper, "num_envs", "n_steps", "batch_size", "n_epochs")
        if hyper.auxiliary_args and hyper.auxiliary is None:
            raise UserError(
                f"{cls.name}.auxiliary_args={hyper.auxiliary_args}: of which {cls.name}.auxiliary? "
                f"There are {', '.join(AUXILIARIES)}"
            )
        collected = hyper.num_envs * hyper.n_steps
        if hyper.batch_size > collected or collected % hyper.batch_size:
            raise UserError(
                f"ppo.batch_size={hyper.batch_size} must divide "
                f"num_envs · n_steps = {hyper.num_envs} · {hyper.n_steps} = {collected}"
            )
        if hyper.memory is not None and hyper.batch_size % hyper.n_steps:
            raise UserError(
                f"ppo.batch_size={hyper.batch_size}: with a memory, minibatches are whole rollouts "
                f"of some environments: give a multiple of n_steps={hyper.n_steps}"
            )

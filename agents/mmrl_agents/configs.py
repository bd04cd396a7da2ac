"""The hyperparameters of all agents: dataclasses, without the algorithms that take them.

The options of ``mmrl train`` are made of them, so nothing here imports torch. An agent's are named
by an entry point of the group ``mmrl.agent_configs``, see :mod:`mmrl.registry`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from mmrl_agents.choices import NONE, PartOptions, is_chosen

_LARGEST: Final = 512
_SMALLEST: Final = 64


@dataclass
class PPOConfig:
    """Hyperparameters of PPO, named as in stable-baselines3.

    Attributes:
        num_envs: environments stepped together.
        n_steps: steps of each environment between updates.
        batch_size: transitions in a gradient step; None for :func:`default_batch_size`.
        n_epochs: passes over the collected transitions.
        learning_rate: at the start.
        final_learning_rate: at the end; it decays linearly.
        gamma: discount.
        gae_lambda: of the advantage estimator.
        min_advantage_std: the least that normalised advantages are divided by; 0 for their standard
            deviation, however small. Where rewards are rare, nearly all advantages of an update may
            be noise of the value function, and 0.1 keeps it small beside rewards up to 1.
        clip_range: of the probability ratio.
        ent_coef: weight of the entropy bonus, at the start.
        final_ent_coef: at the end; it changes linearly. If empty, it stays.
        vf_coef: weight of the value loss.
        kl_coef: weight of a penalty on rewards for leaving the policy that ``init`` names; it
            changes linearly to 0.
        critic_warmup: environment steps at the start in which the critic's head alone learns, since
            a cloned policy has an untrained one.
        scale_rewards: divide rewards by the running standard deviation of discounted returns,
            where that is above 1; smaller rewards stay as they are.
        max_grad_norm: gradients are scaled down to it.
        memory: none, lstm, gru, frame_stack or transformer; or a mapping such as
            {kind: gru, size: 64}, see
            :class:`~mmrl_agents.networks.memory.MemoryConfig`.
        memory_args: earlier spelling of the memory's options.
        auxiliary: loss that the features learn from beside rewards: none; reward_prediction, which
            predicts whether an action is rewarded; or world_model, which predicts the next step;
            or a mapping such as {kind: world_model, weight: 0.5}, see
            :class:`~mmrl_agents.networks.auxiliary.part.AuxiliaryConfig`.
        auxiliary_args: earlier spelling of its options.
        curriculum: which levels are played: none, always new ones; plr, which replays those that
            there is still something to learn from; robust_plr, which learns from replays alone; or
            accel, which also edits levels; or a mapping such as {kind: plr, score: max_mc}, see
            :class:`~mmrl_agents.curriculum.config.CurriculumConfig`.
        curriculum_args: earlier spelling of its options.
    """

    num_envs: int = 64
    n_steps: int = 32
    batch_size: int | None = None
    n_epochs: int = 4
    learning_rate: float = 7e-4
    final_learning_rate: float = 1e-4
    gamma: float = 0.99
    gae_lambda: float = 0.95
    min_advantage_std: float = 0.0
    clip_range: float = 0.2
    ent_coef: float = 0.01
    final_ent_coef: float | None = None
    vf_coef: float = 0.5
    kl_coef: float = 0.0
    critic_warmup: int = 0
    scale_rewards: bool = True
    max_grad_norm: float = 0.5
    memory: PartOptions = None
    memory_args: dict[str, Any] = field(default_factory=dict)
    auxiliary: PartOptions = None
    auxiliary_args: dict[str, Any] = field(default_factory=dict)
    curriculum: PartOptions = NONE
    curriculum_args: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.batch_size is None:
            whole = is_chosen(self.memory)
            self.batch_size = default_batch_size(self.num_envs, self.n_steps, whole=whole)


def default_batch_size(num_envs: int, n_steps: int, *, whole: bool = False) -> int:
    """The minibatch size that goes with a rollout: the largest divisor of its transitions up to
    512; all of them, where that were less than 64.

    Args:
        num_envs: environments.
        n_steps: steps of each.
        whole: only multiples of ``n_steps``, as a memory needs them.
    """
    collected, unit = num_envs * n_steps, max(n_steps, 1) if whole else 1
    sizes = range(unit, max(unit, _LARGEST) + 1, unit)
    size = max((one for one in sizes if collected % one == 0), default=collected)
    return size if size >= _SMALLEST else collected


@dataclass
class A2CConfig:
    """Hyperparameters of A2C, named as in stable-baselines3.

    Attributes:
        num_envs: environments stepped together.
        n_steps: steps of each environment between updates.
        learning_rate: at the start.
        final_learning_rate: at the end; it decays linearly.
        gamma: discount.
        gae_lambda: of the advantage estimator.
        ent_coef: weight of the entropy bonus.
        vf_coef: weight of the value loss.
        scale_rewards: divide rewards by the running standard deviation of discounted returns,
            where that is above 1; smaller rewards stay as they are.
        max_grad_norm: gradients are scaled down to it.
        normalize_advantage: to mean 0 and variance 1.
    """

    num_envs: int = 64
    n_steps: int = 8
    learning_rate: float = 7e-4
    final_learning_rate: float = 1e-4
    gamma: float = 0.99
    gae_lambda: float = 0.95
    ent_coef: float = 0.01
    vf_coef: float = 0.5
    scale_rewards: bool = True
    max_grad_norm: float = 0.5
    normalize_advantage: bool = True


@dataclass
class ReplayConfig:
    """Hyperparameters of all off-policy algorithms, named as in stable-baselines3.

    Attributes:
        num_envs: environments stepped together.
        buffer_size: transitions in the replay buffer; a frame of 56 × 56 pixels takes 9.4 kB.
        learning_starts: steps before the first update.
        batch_size: transitions in a gradient step.
        train_freq: steps of each environment between updates.
        gradient_steps: in an update.
        learning_rate: at the start.
        final_learning_rate: at the end; it decays linearly.
        gamma: discount.
        tau: how far the target networks follow at once.
    """

    num_envs: int = 8
    buffer_size: int = 50_000
    learning_starts: int = 1_000
    batch_size: int = 128
    train_freq: int = 1
    gradient_steps: int = 2
    learning_rate: float = 7e-4
    final_learning_rate: float = 1e-4
    gamma: float = 0.98
    tau: float = 0.01


@dataclass
class DQNConfig(ReplayConfig):
    """Hyperparameters of DQN: those of every replay, and the exploration.

    Attributes:
        target_update_interval: steps between the times that the target network follows.
        exploration_fraction: of the training, until fewest actions are random.
        exploration_initial_eps: share of random actions at the start.
        exploration_final_eps: at the end.
        max_grad_norm: gradients are scaled down to it.
        hindsight: what relabels failed episodes with an instruction that they did achieve: none;
            oracle, the environment's verifier; learned, a captioner that is trained on the agent's
            own successes; or a run folder of 'mmrl fit captioner'. As a mapping: {kind: oracle}.
    """

    num_envs: int = 16
    learning_starts: int = 2_000
    train_freq: int = 4
    gradient_steps: int = 4
    learning_rate: float = 3e-4
    gamma: float = 0.97
    tau: float = 0.02
    target_update_interval: int = 16
    exploration_fraction: float = 0.3
    exploration_initial_eps: float = 1.0
    exploration_final_eps: float = 0.05
    max_grad_norm: float = 10.0
    hindsight: PartOptions = NONE


@dataclass
class QRDQNConfig(DQNConfig):
    """Hyperparameters of QR-DQN: those of DQN, and the quantiles.

    Attributes:
        n_quantiles: of the return's distribution.
    """

    n_quantiles: int = 50


@dataclass
class SACConfig(ReplayConfig):
    """Hyperparameters of SAC: those of every replay, and the entropy.

    Attributes:
        ent_coef: weight of the entropy: a number, or auto to learn it.
    """

    ent_coef: str | float = "auto"


@dataclass
class TD3Config(ReplayConfig):
    """Hyperparameters of TD3: those of every replay, and what keeps the actor in bounds.

    Attributes:
        policy_delay: updates of the critics to one of the actor.
        action_noise: standard deviation of the noise on actions, where 1 is half their range.
    """

    policy_delay: int = 2
    action_noise: float = 0.2


@dataclass
class ImaginationConfig(PPOConfig):
    """Hyperparameters of the agent that learns in imagination, and of its PPO, which has no
    curriculum: imagined episodes begin at steps of real ones.

    Attributes:
        data: Minari datasets that the world model is fitted to; then no real episode is played, and
            ``steps`` counts imagined steps.
        episodes: real ones that are played in a round, in the first one by a random policy.
        tokenizer: options of 'mmrl fit tokenizer', such as steps.
        world: options of 'mmrl fit world-model'.
        imagined_steps: imagined steps of PPO in a round.
        starts: steps of real episodes at which imagined ones begin in a round.
        horizon: steps of an imagined episode, at most.
        temperature: at which the world model's tokens are sampled.
    """

    final_learning_rate: float = 7e-4
    data: list[str] = field(default_factory=list)
    episodes: int = 300
    tokenizer: dict[str, Any] = field(default_factory=lambda: {"steps": 500})
    world: dict[str, Any] = field(default_factory=lambda: {"steps": 1_000})
    imagined_steps: int = 131_072
    starts: int = 256
    horizon: int = 32
    temperature: float = 1.0


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
        mixture: Gaussians of which the distribution of continuous actions is a mixture.
        chunk_size: actions that are predicted at once, see
            :class:`~mmrl_agents.imitation.chunks.Chunking`.
        action_steps: how many of them are executed before the next prediction; if empty, all.
        temporal_ensemble: instead, the mean of all predictions for a step is executed, that of age
            i with weight exp(-c i), the oldest first, where this is c; 0.01 for example.
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
    mixture: int = 1
    chunk_size: int = 1
    action_steps: int | None = None
    temporal_ensemble: float | None = None
    num_envs: int = 64


@dataclass
class DAggerConfig(BCConfig):
    """Hyperparameters of DAgger (Ross et al., 2011): those of behaviour cloning, and of the rounds
    in which the agent plays and the expert labels.

    Attributes:
        by: datasets of 'mmrl watch --takeover', in which a person corrected an agent: the person's
            steps are learned from, beside demonstrations, in place of rounds (HG-DAgger, Kelly et
            al., 2019). demonstrations may then be 0, and data be given.
        demonstrations: episodes of all rounds together; in the first one, the expert plays.
        rounds: after each, gradient steps follow on the episodes of all rounds so far.
        beta: probability that a step of the second round is the expert's.
        beta_decay: factor of beta from round to round.
    """

    by: list[str] = field(default_factory=list)
    rounds: int = 10
    beta: float = 0.0
    beta_decay: float = 0.5


@dataclass
class OfflineConfig:
    """Hyperparameters of offline reinforcement learning; ``steps`` counts gradient steps.

    Attributes:
        data: Minari datasets that are learned from, by their ids or paths.
        episodes: the first so many of them; 0 for all.
        validation: share of the episodes that is held out to validate with.
        hindsight: what adds failed episodes once more, with an instruction that they did achieve:
            none; or oracle, the environment's verifier, whose records the datasets have.
        batch_size: transitions in a gradient step.
        learning_rate: its peak, after a linear warm-up of 5% of the steps; a cosine decays it to 0.
        max_grad_norm: gradients are scaled down to it.
        gamma: discount.
        tau: how far the target networks follow in a step.
        evaluate_every: gradient steps between validations.
    """

    data: list[str] = field(default_factory=list)
    episodes: int = 0
    validation: float = 0.1
    hindsight: PartOptions = NONE
    batch_size: int = 256
    learning_rate: float = 5e-4
    max_grad_norm: float = 10.0
    gamma: float = 0.98
    tau: float = 0.01
    evaluate_every: int = 500


@dataclass
class IQLConfig(OfflineConfig):
    """Hyperparameters of implicit Q-learning: those of every offline algorithm, and the expectile.

    Attributes:
        expectile: of the values of the dataset's actions that V(s) is; 0.5 is their mean, near 1
            their maximum.
        beta: inverse temperature: how much more probable better actions become; 0 clones all alike.
        max_weight: of an action in the policy's loss, at most.
    """

    expectile: float = 0.8
    beta: float = 3.0
    max_weight: float = 100.0


@dataclass
class CQLConfig(OfflineConfig):
    """Hyperparameters of conservative Q-learning: those of every offline algorithm, and α.

    Attributes:
        alpha: weight of the penalty on values of actions that the dataset does not have.
    """

    alpha: float = 1.0


@dataclass
class TD3BCConfig(OfflineConfig):
    """Hyperparameters of TD3+BC: those of every offline algorithm, and what keeps the actor near.

    Attributes:
        alpha: weight of the value beside the distance to the dataset's actions.
        policy_delay: updates of the critics to one of the actor.
        target_noise: standard deviation of the noise on the target's actions, where 1 is half
            their range.
        target_noise_clip: of that noise, at most.
    """

    alpha: float = 2.5
    policy_delay: int = 2
    target_noise: float = 0.2
    target_noise_clip: float = 0.5

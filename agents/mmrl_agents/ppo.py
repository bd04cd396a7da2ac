"""PPO (Schulman et al., 2017): stable-baselines3's own, on our policy and batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from mmrl.adapters import make_vec_env
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.preprocessing import build_preprocessing
from mmrl.experiment.run import Run
from mmrl.preprocessing.inputs import Preprocessing
from mmrl_agents.acting import SB3Actor
from mmrl_agents.callbacks import StandardCallbacks
from mmrl_agents.policy import MultimodalPolicy
from mmrl_agents.vec_env import MultimodalVecEnv


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


class PPOAgent:
    """Trains and loads PPO for the command line; see :class:`mmrl.experiment.agent.Agent`."""

    Config = PPOConfig

    @staticmethod
    def train(config: TrainConfig, hyper: PPOConfig, run: Run) -> SB3Actor:
        """Train for ``config.steps`` environment steps and save what was learnt.

        Raises:
            UserError: a hyperparameter that cannot be.
            KeyboardInterrupt: the user interrupted; a checkpoint was saved.
        """
        _check(hyper)
        torch.manual_seed(config.seed)
        batch = make_vec_env(config.env, hyper.num_envs, **config.env_args)
        preprocessing = build_preprocessing(config, batch.single_observation_space)
        env = MultimodalVecEnv(batch, preprocessing.tokenizer, preprocessing.speech)
        start, end = hyper.learning_rate, hyper.final_learning_rate
        algorithm = PPO(
            MultimodalPolicy,
            env,
            learning_rate=lambda remaining: end + (start - end) * remaining,
            n_steps=hyper.n_steps,
            batch_size=hyper.batch_size,
            n_epochs=hyper.n_epochs,
            gamma=hyper.gamma,
            gae_lambda=hyper.gae_lambda,
            clip_range=hyper.clip_range,
            ent_coef=hyper.ent_coef,
            vf_coef=hyper.vf_coef,
            max_grad_norm=hyper.max_grad_norm,
            stats_window_size=max(100, 2 * hyper.num_envs),
            policy_kwargs={"model": config.model, "optimizer": config.optimizer},
            seed=config.seed,
            device=config.device,
        )
        algorithm.set_logger(Logger(None, [TensorBoardOutputFormat(str(run.events))]))
        run.save_preprocessing(preprocessing)
        actor = SB3Actor(algorithm, preprocessing)
        callbacks = StandardCallbacks(config, run, actor)
        try:
            algorithm.learn(config.steps, callback=callbacks, log_interval=1)
        finally:
            callbacks.close()
            run.save_checkpoint(algorithm.save, algorithm.num_timesteps)
            env.close()
        return actor

    @staticmethod
    def load(run: Run, device: str = "auto") -> SB3Actor:
        """The agent of a run, from its newest checkpoint.

        Raises:
            UserError: there is no checkpoint, or it cannot be read.
        """
        path: Path = run.newest_checkpoint()
        try:
            algorithm = PPO.load(path, device=device)
        except (ValueError, KeyError, OSError, RuntimeError) as error:
            raise UserError(f"checkpoint {path} cannot be read: {error}") from error
        return SB3Actor(algorithm, Preprocessing.load(run.path))


def _check(hyper: PPOConfig) -> None:
    """Refuse what SB3 would fail on later, or silently do otherwise."""
    for name in ("num_envs", "n_steps", "batch_size", "n_epochs"):
        if getattr(hyper, name) < 1:
            raise UserError(f"ppo.{name}={getattr(hyper, name)}: must be at least 1")
    collected = hyper.num_envs * hyper.n_steps
    if hyper.batch_size > collected or collected % hyper.batch_size:
        raise UserError(
            f"ppo.batch_size={hyper.batch_size} must divide "
            f"num_envs · n_steps = {hyper.num_envs} · {hyper.n_steps} = {collected}"
        )

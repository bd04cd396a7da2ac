"""An agent of your own, no algorithm of stable-baselines3: REINFORCE in plain torch.

    cd examples
    mmrl train --env mmrl/OpenDoorColorStrict-v0 --steps 100000 --out runs/own \
        --agent own_agent.Reinforce --Reinforce.learning-rate 0.002
    mmrl eval runs/own
    mmrl clip runs/own --out own.gif

An agent is a class with Config, train and load (mmrl/experiment/agent.py); what it trains has act.
All else is as with any other: controls, clips, mmrl watch, mmrl.load_agent, --resume (here with new
episodes). REINFORCE (Williams, 1992) raises log π(a | s) of the actions of finished episodes by
their returns, less the mean. Names end with axes: T steps, N environments, B rows.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, distributions, nn

from mmrl.device import find_device
from mmrl.experiment.checkpoint import Checkpoint, put_weights, weights_of
from mmrl.experiment.config import read_config
from mmrl.experiment.env_info import env_info
from mmrl.experiment.preprocessing import build_preprocessing
from mmrl.models.build import build_model
from mmrl.models.inputs import ModelInputs
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.progress import ProgressBar
from mmrl.wrappers.adapters import make_vec_env


@dataclass
class Config:
    """Hyperparameters, each an option such as --Reinforce.num-envs 16."""

    num_envs: int = 32
    n_steps: int = 64
    learning_rate: float = 0.002
    gamma: float = 0.95
    entropy: float = 0.01


class Policy(nn.Module):
    """The configured encoders and fusion with a linear head, for Discrete actions."""

    def __init__(self, config, info, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.space = preprocessing.encoded_space(info.observation_space)
        self.model = build_model(config.model, ModelInputs.from_space(self.space))
        self.head = nn.Linear(self.model.features, int(info.action_space.n))
        self.to(find_device(config.device))

    def encode(self, observation) -> dict[str, Tensor]:
        whole = {**observation, **self.preprocessing.encode_batch(observation)}
        return {key: torch.tensor(whole[key], device=self.head.weight.device) for key in self.space}

    def forward(self, encoded: dict[str, Tensor]) -> distributions.Categorical:
        return distributions.Categorical(logits=self.head(self.model(encoded)))

    @torch.no_grad()
    def act(self, observation, *, deterministic: bool):
        policy = self(self.encode(observation))
        return (policy.probs.argmax(1) if deterministic else policy.sample()).cpu().numpy()


class Reinforce:
    """What --agent own_agent.Reinforce names."""

    Config = Config

    @staticmethod
    def train(config, hyper: Config, run, *, resume: bool = False) -> Policy:
        torch.manual_seed(config.seed)
        info, steps, saved = env_info(run.env_info, config), 0, 0
        policy = Policy(config, info, build_preprocessing(config, info))
        optimizer = torch.optim.Adam(policy.parameters(), hyper.learning_rate)
        if resume:
            checkpoint = run.read_checkpoint()
            put_weights(policy, checkpoint.weights)
            optimizer.load_state_dict(checkpoint.state)
            steps = saved = checkpoint.steps
        run.save_preprocessing(policy.preprocessing)
        env = make_vec_env(config.env, hyper.num_envs, **config.env_args)
        observation, _ = env.reset(seed=config.seed + steps)
        run.begin()
        with ProgressBar("training", config.steps, "steps") as bar:
            while steps < config.steps:
                rollout = []
                for _ in range(hyper.n_steps):
                    encoded = policy.encode(observation)
                    with torch.no_grad():
                        action_N = policy(encoded).sample()
                    observation, reward_N, done_N, cut_N, _ = env.step(action_N.cpu().numpy())
                    rollout.append((encoded, action_N, reward_N, done_N | cut_N))
                update(policy, optimizer, rollout, hyper)
                steps += hyper.n_steps * hyper.num_envs
                bar.set(steps)
                if steps >= min(saved + (config.checkpoint_every or config.steps), config.steps):
                    state = optimizer.state_dict()
                    run.save_checkpoint(Checkpoint(saved := steps, weights_of(policy), state))
        env.close()
        return policy

    @staticmethod
    def load(run, device: str = "auto") -> Policy:
        config, _ = read_config(run.config, Config)
        policy = Policy(config, env_info(run.env_info, config), Preprocessing.load(run.path))
        put_weights(policy, run.read_checkpoint().weights)
        return policy.to(find_device(device))


def update(policy: Policy, optimizer, rollout: list, hyper: Config) -> None:
    seen_T, action_T, reward_T, end_T = zip(*rollout, strict=True)
    return_N, returns_T = np.full(hyper.num_envs, np.nan), []  # NaN: the episode has not ended
    for reward_N, end_N in zip(reward_T[::-1], end_T[::-1], strict=True):
        return_N = reward_N + hyper.gamma * np.where(end_N, 0.0, return_N)
        returns_T.append(return_N)
    return_B = torch.tensor(np.concatenate(returns_T[::-1])).float().to(action_T[0].device)
    if (keep_B := ~return_B.isnan()).sum() < 2:
        return
    return_B, action_B = return_B[keep_B], torch.cat(action_T)[keep_B]
    pi = policy({key: torch.cat([seen[key] for seen in seen_T])[keep_B] for key in seen_T[0]})
    gain_B = (return_B - return_B.mean()) / (return_B.std() + 1e-6)
    optimizer.zero_grad()
    (-(gain_B * pi.log_prob(action_B)).mean() - hyper.entropy * pi.entropy().mean()).backward()
    optimizer.step()

"""A2C (Mnih et al., 2016): stable-baselines3's, on images and instructions."""

from __future__ import annotations

from typing import Any

import stable_baselines3

from mmrl_agents.algorithms.base import SB3Agent
from mmrl_agents.algorithms.checks import check_positive
from mmrl_agents.algorithms.divergence import check_update
from mmrl_agents.algorithms.on_policy import RolloutCollection
from mmrl_agents.algorithms.saving import Saveable
from mmrl_agents.buffers.rollout import MultimodalRolloutBuffer
from mmrl_agents.configs import A2CConfig
from mmrl_agents.networks.policy import MultimodalPolicy


class A2C(Saveable, RolloutCollection, stable_baselines3.A2C):
    """SB3's A2C, with its arguments, callbacks, logs and losses; the optimiser is the policy's.

    Args:
        policy: :class:`~mmrl_agents.networks.policy.MultimodalPolicy`.
        env: a :class:`~mmrl_agents.vec_env.MultimodalVecEnv`.
        scale_rewards: see :class:`~mmrl_agents.algorithms.reward_scale.RewardScale`.
        kwargs: SB3's other arguments.
    """

    policy_aliases = {**stable_baselines3.A2C.policy_aliases, "MultimodalPolicy": MultimodalPolicy}
    default_buffer = MultimodalRolloutBuffer

    def __init__(
        self, policy: Any, env: Any, *, scale_rewards: bool = False, **kwargs: Any
    ) -> None:
        self.scale_rewards = scale_rewards
        ours = {"rollout_buffer_class": MultimodalRolloutBuffer, "use_rms_prop": False}
        super().__init__(policy, env, **{**ours, **kwargs})

    def train(self) -> None:
        """Learn from the rollout.

        Raises:
            DivergedError: a loss or a weight is not finite.
        """
        super().train()
        check_update(self)


class A2CAgent(SB3Agent):
    """A2C for the command line."""

    name = "a2c"
    search = (
        "a2c.learning_rate=1e-4..3e-3:log",
        "a2c.ent_coef=1e-3..1e-1:log",
        "a2c.n_steps=4..32:int",
    )
    masks = True
    Config = A2CConfig
    Algorithm = A2C
    Policy = MultimodalPolicy

    @classmethod
    def check(cls, hyper: A2CConfig) -> None:
        """As :meth:`SB3Agent.check`."""
        check_positive(cls.name, hyper, "num_envs", "n_steps")
        super().check(hyper)

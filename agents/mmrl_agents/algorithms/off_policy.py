"""What the off-policy algorithms share: networks, hyperparameters, the agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from gymnasium import spaces
from stable_baselines3.common import policies
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BaseModel, BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from mmrl.errors import UserError
from mmrl.experiment.config import OptimizerConfig, TrainConfig
from mmrl.machine import total_memory
from mmrl.models.config import ModelConfig
from mmrl_agents.algorithms.base import SB3Agent
from mmrl_agents.algorithms.checks import check_positive
from mmrl_agents.buffers.replay import FrameReplay
from mmrl_agents.networks.policy import multimodal_kwargs
from mmrl_agents.parts import Part
from mmrl_agents.saving.policy import PickleRefusing, SaveablePolicy
from mmrl_agents.vec_env import MultimodalVecEnv

_GIGABYTE = 1e9


class UncastNetwork(PickleRefusing):
    """One of SB3's networks, whose frames stay bytes and whose tokens stay integers."""

    def extract_features(
        self, obs: PyTorchObs, features_extractor: BaseFeaturesExtractor
    ) -> Tensor:
        """Features float [B, F], without SB3's cast of everything to float."""
        features: Tensor = features_extractor(obs)
        return features


class ContinuousCritic(UncastNetwork, policies.ContinuousCritic):
    """Values of an action, by two networks on one model."""


class MultimodalNetworks(SaveablePolicy, BasePolicy):
    """One of SB3's policies on networks around :class:`mmrl.models.model.MultimodalModel`.

    Args:
        model: what the model is made of.
        optimizer: its name, arguments and penalties.
        kwargs: the other arguments of SB3's policy.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *,
        model: ModelConfig | None = None,
        optimizer: OptimizerConfig | None = None,
        **kwargs: Any,
    ) -> None:
        self._made_of = (model or ModelConfig(), optimizer or OptimizerConfig())
        kwargs = {**kwargs, **multimodal_kwargs(*self._made_of)}
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        """The constructor's arguments, which ``save`` stores and ``load`` passes on."""
        data = super()._get_constructor_parameters()
        ours = multimodal_kwargs(*self._made_of)
        model, optimizer = self._made_of
        return {
            **{key: data[key] for key in data if key not in ours},
            "model": model,
            "optimizer": optimizer,
        }


class ContinuousNetworks(MultimodalNetworks):
    """The policy of an algorithm with an actor and critics.

    Attributes:
        Actor: the class of its actors.
    """

    Actor: ClassVar[type[BaseModel]]
    actor_kwargs: dict[str, Any]
    critic_kwargs: dict[str, Any]

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Any:
        """An actor, with a model of its own if none is given."""
        arguments = self._update_features_extractor(self.actor_kwargs, features_extractor)
        return self.Actor(**arguments).to(self.device)

    def make_critic(
        self, features_extractor: BaseFeaturesExtractor | None = None
    ) -> ContinuousCritic:
        """Critics, with a model of their own if none is given."""
        arguments = self._update_features_extractor(self.critic_kwargs, features_extractor)
        return ContinuousCritic(**arguments).to(self.device)


class OffPolicyAgent(SB3Agent):
    """An off-policy algorithm for the command line."""

    training_only = (
        "q_net_target.", "quantile_net_target.", "actor_target.", "critic.", "critic_target.",
    )  # fmt: skip

    @classmethod
    def build(
        cls, config: TrainConfig, hyper: Any, env: MultimodalVecEnv, parts: Sequence[Part]
    ) -> BaseAlgorithm:
        """As :meth:`SB3Agent.build`.

        Raises:
            UserError: a replay buffer that is larger than the machine's memory.
        """
        try:
            algorithm = super().build(config, hyper, env, parts)
        except MemoryError as error:
            raise UserError(
                f"{config.agent}.buffer_size={hyper.buffer_size}: no memory for the replay buffer "
                f"({error}): give less, or smaller images by env_adapter.image_size"
            ) from error
        replay: FrameReplay = algorithm.replay_buffer  # type: ignore[attr-defined]
        there = total_memory()
        if there is not None and replay.nbytes > there:
            raise UserError(
                f"{config.agent}.buffer_size={hyper.buffer_size}: a replay buffer of "
                f"{replay.nbytes / _GIGABYTE:.1f} GB, where there are {there / _GIGABYTE:.1f} GB "
                f"of memory: give {int(hyper.buffer_size * there / replay.nbytes / 2):,} or less"
            )
        return algorithm

    @classmethod
    def data_kwargs(cls, config: TrainConfig, hyper: Any, env: MultimodalVecEnv) -> dict[str, Any]:
        """As :meth:`SB3Agent.data_kwargs`."""
        return {"replay_buffer_class": FrameReplay}

    @classmethod
    def check(cls, hyper: Any) -> None:
        """As :meth:`SB3Agent.check`."""
        names = ("num_envs", "buffer_size", "batch_size", "train_freq", "gradient_steps")
        check_positive(cls.name, hyper, *names)
        if hyper.buffer_size < hyper.num_envs:
            raise UserError(
                f"{cls.name}.buffer_size={hyper.buffer_size}: must hold a step of each of "
                f"num_envs={hyper.num_envs} environments"
            )
        super().check(hyper)

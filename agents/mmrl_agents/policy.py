"""stable-baselines3's actor-critic policy around :class:`mmrl.model.MultimodalModel`."""

from __future__ import annotations

from typing import Any, cast

from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from mmrl.building import ModelConfig, build_model
from mmrl.experiment.config import OptimizerConfig
from mmrl.observation import IMAGE, INSTRUCTION, SPEECH
from mmrl_agents.optimizers import build_optimizer


class MultimodalExtractor(BaseFeaturesExtractor):
    """The model as SB3's feature extractor.

    Args:
        observation_space: Dict of ``image`` uint8 [3, H, W], and ``instruction`` integers [L] or
            ``speech`` floats, or both.
        model: what the model is made of.
    """

    def __init__(self, observation_space: spaces.Dict, model: ModelConfig) -> None:
        super().__init__(observation_space, model.features)
        _, height, width = observation_space[IMAGE].shape or (0, 0, 0)
        tokens: Any = observation_space.spaces.get(INSTRUCTION)
        heard = observation_space.spaces.get(SPEECH)
        words = getattr(tokens, "words", ())
        self.model = build_model(
            model,
            (height, width),
            words or (None if tokens is None else int(tokens.high.max()) + 1),
            None if heard is None else heard.shape,
        )

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """A batch of each of the spaces → float [B, F]."""
        features: Tensor = self.model(observations)
        return features


class MultimodalPolicy(ActorCriticPolicy):
    """Actor and critic on shared multimodal features.

    Use it as any SB3 policy: ``PPO(MultimodalPolicy, env, policy_kwargs={"model": ModelConfig()})``
    with a :class:`mmrl_agents.vec_env.MultimodalVecEnv`. Frames stay uint8 until the model, and
    SB3's orthogonal initialisation, which would overwrite pretrained weights, is off.

    Args:
        model: what the model is made of.
        optimizer: its name, arguments and penalties.
        kwargs: the other arguments of ``ActorCriticPolicy``.
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
        kwargs = {
            "ortho_init": False,
            "net_arch": {"pi": [64], "vf": [64]},
            **kwargs,
            "features_extractor_class": MultimodalExtractor,
            "features_extractor_kwargs": {"model": model or ModelConfig()},
            "normalize_images": False,
            "optimizer_class": build_optimizer,
            "optimizer_kwargs": {"config": optimizer or OptimizerConfig()},
        }
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def extract_features(
        self,
        obs: PyTorchObs,
        features_extractor: BaseFeaturesExtractor | None = None,
    ) -> Tensor:
        """Features of a batch of observations, without SB3's cast of everything to float."""
        features: Tensor = (features_extractor or self.features_extractor)(obs)
        return features

    def predict_values(self, obs: PyTorchObs) -> Tensor:
        """The critic's estimate for a batch of observations, float [B, 1]."""
        latent = self.mlp_extractor.forward_critic(self.extract_features(obs))
        return cast("Tensor", self.value_net(latent))

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """The actor's distribution over actions for a batch of observations."""
        latent = self.mlp_extractor.forward_actor(self.extract_features(obs))
        return self._get_action_dist_from_latent(latent)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        """What ``save`` writes down of this policy, and ``load`` hands to the constructor."""
        data: dict[str, Any] = super()._get_constructor_parameters()
        kwargs = data.pop("features_extractor_kwargs")
        optimizer = data.pop("optimizer_kwargs")
        for fixed in ("features_extractor_class", "normalize_images", "optimizer_class"):
            data.pop(fixed)
        return {**data, "model": kwargs["model"], "optimizer": optimizer["config"]}

"""stable-baselines3's actor-critic policy around :class:`mmrl.models.model.MultimodalModel`."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from mmrl.contract import ACTION_MASK
from mmrl.experiment.config import OptimizerConfig
from mmrl.models.build import build_model
from mmrl.models.config import ModelConfig
from mmrl.models.inputs import ModelInputs
from mmrl_agents.buffers.rollout import MultimodalRolloutBuffer, Transitions
from mmrl_agents.networks.auxiliary.base import AuxiliaryLoss
from mmrl_agents.networks.auxiliary.part import build_auxiliary
from mmrl_agents.networks.masking import mask_logits, masked_sizes
from mmrl_agents.networks.memory import Memory, build_memory
from mmrl_agents.networks.optimizers import build_optimizer
from mmrl_agents.saving.policy import SaveablePolicy
from mmrl_agents.team import ALONE, Team


class MultimodalExtractor(BaseFeaturesExtractor):
    """The model as SB3's feature extractor.

    Args:
        observation_space: Dict of any number, one at least, of images uint8 [H, W, 3], or [3, H, W]
            as ``VecTransposeImage`` has them, stacks of images uint8 [F, H, W, 3], vectors float
            [K], and token ids, integers [L] wider than a byte; ``speech`` is floats of any shape.
            The model does not see an ``action_mask``.
        model: what the model is made of.
    """

    def __init__(self, observation_space: spaces.Dict, model: ModelConfig) -> None:
        built = build_model(model, ModelInputs.from_space(observation_space))
        super().__init__(observation_space, built.features)
        self.model = built
        self._has_masks = ACTION_MASK in observation_space.spaces

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """A batch of each of the spaces → float [B, F]."""
        if self._has_masks:
            observations = {k: one for k, one in observations.items() if k != ACTION_MASK}
        features: Tensor = self.model(observations)
        return features


def multimodal_kwargs(model: ModelConfig, optimizer: OptimizerConfig) -> dict[str, Any]:
    """The arguments of one of SB3's policies for a multimodal model and an optimiser of ours."""
    return {
        "features_extractor_class": MultimodalExtractor,
        "features_extractor_kwargs": {"model": model},
        "normalize_images": False,
        "optimizer_class": build_optimizer,
        "optimizer_kwargs": {"config": optimizer},
    }


class ActionEvaluation(NamedTuple):
    """A policy's evaluation of N actions.

    Attributes:
        values, log_probs: float [N].
        entropies: float [N]; None where the distribution has no closed form of it.
        features: float [N, F].
    """

    values: Tensor
    log_probs: Tensor
    entropies: Tensor | None
    features: Tensor


class MultimodalPolicy(SaveablePolicy, ActorCriticPolicy):
    """Actor and critic on shared multimodal features, with or without a memory.

    Use it as any SB3 policy: ``PPO(MultimodalPolicy, env, policy_kwargs={"model": ModelConfig()})``
    with a :class:`mmrl_agents.vec_env.MultimodalVecEnv`. Frames stay uint8 until the model, and
    SB3's orthogonal initialisation, which would overwrite pretrained weights, is off.

    SB3's own methods, which know of no state, see every observation as the beginning of an episode;
    :meth:`act`, :meth:`values`, :meth:`evaluate` and :meth:`predict` hand the state on.

    Where observations have an ``action_mask`` int8 [N, n], invalid actions have probability 0 in
    all of them (Huang & Ontañón, 2022).

    Args:
        model: what the model is made of.
        optimizer: its name, arguments and penalties.
        memory: lstm, gru, frame_stack, transformer, or None.
        memory_args: its arguments, see :mod:`mmrl_agents.networks.memory`.
        auxiliary: reward_prediction or world_model, an auxiliary loss on the features; or None.
        auxiliary_args: its arguments, see :mod:`mmrl_agents.networks.auxiliary`.
        kwargs: the other arguments of ``ActorCriticPolicy``.

    Attributes:
        predicts_chunks: whether several actions are predicted at once.
    """

    predicts_chunks = False
    memory: Memory | None
    auxiliary: AuxiliaryLoss | None

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *,
        model: ModelConfig | None = None,
        optimizer: OptimizerConfig | None = None,
        memory: str | None = None,
        memory_args: dict[str, Any] | None = None,
        auxiliary: str | None = None,
        auxiliary_args: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._memory_choice = (memory, memory_args or {})
        self._auxiliary_choice = (auxiliary, auxiliary_args or {})
        self._mask_sizes = masked_sizes(observation_space, action_space)
        kwargs = {
            "ortho_init": False,
            "net_arch": {"pi": [64], "vf": [64]},
            **kwargs,
            **multimodal_kwargs(model or ModelConfig(), optimizer or OptimizerConfig()),
        }
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def _build_mlp_extractor(self) -> None:
        """The heads' layers and the auxiliary loss, on the memory's features where there is one."""
        name, args = self._memory_choice
        width = self.features_dim
        self.memory = None if name is None else build_memory(name, width, args)
        if self.memory is not None:
            self.features_dim = self.memory.features
        super()._build_mlp_extractor()
        self.auxiliary = self._build_auxiliary(width)
        self.features_dim = width

    def _build_auxiliary(self, encoded: int) -> AuxiliaryLoss | None:
        name, args = self._auxiliary_choice
        if name is None:
            return None
        observation = cast("spaces.Dict", self.observation_space)
        return build_auxiliary(
            name, self.features_dim, observation, self.action_space, args, encoded=encoded
        )

    def begin(self, count: int) -> Tensor:
        """The state of ``count`` episodes that begin, [count, S]; S = 0 without a memory."""
        if self.memory is None:
            return torch.zeros(count, 0, device=self.device)
        return self.memory.begin(count)

    def act(
        self,
        obs: PyTorchObs,
        state: Tensor,
        starts: Tensor,
        *,
        deterministic: bool = False,
        team: Team = ALONE,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One step.

        Args:
            obs: tensors [N, …].
            state: as :meth:`begin` or the last step gave it, float [N, S].
            starts: whether an episode begins here, bool [N].
            deterministic: take the most probable action.
            team: of workers with as many environments each, whose actions are drawn together.

        Returns:
            Actions [N] or [N, A], values and log-probabilities [N], and the next state.
        """
        features, state = self._recall(self._encode(obs), state, starts)
        actor, critic = self.mlp_extractor(features)
        # drawn for all environments: each worker's random generator advances as it would alone
        distribution = self._distribution(actor, obs, team)
        actions = distribution.get_actions(deterministic=deterministic)
        own = team.rows(len(actor))
        log_probs = distribution.log_prob(actions)[own]
        return actions[own], self.value_net(critic).flatten(), log_probs, state

    def values(self, obs: PyTorchObs, state: Tensor, starts: Tensor) -> Tensor:
        """The critic's estimates, float [N]; arguments as of :meth:`act`."""
        features, _ = self._recall(self._encode(obs), state, starts)
        latent = self.mlp_extractor.forward_critic(features)
        return cast("Tensor", self.value_net(latent)).flatten()

    @torch.no_grad()
    def rescale_values(self, factor: float, shift: float) -> None:
        """Multiply the critic's estimates by a factor, and add a number, as PopArt does (van
        Hasselt et al., 2016).
        """
        self.value_net.weight.mul_(factor)
        self.value_net.bias.mul_(factor).add_(shift)

    def distribution(self, obs: PyTorchObs, state: Tensor, starts: Tensor) -> Distribution:
        """The actor's distribution over actions; arguments as of :meth:`act`."""
        features, _ = self._recall(self._encode(obs), state, starts)
        return self._distribution(self.mlp_extractor.forward_actor(features), obs)

    def values_and_distribution(
        self, obs: PyTorchObs, state: Tensor, starts: Tensor
    ) -> tuple[Tensor, Distribution]:
        """The critic's estimates, float [N], and the actor's distribution over actions; arguments
        as of :meth:`act`.
        """
        features, _ = self._recall(self._encode(obs), state, starts)
        return self._heads(features, obs)

    def evaluate(
        self,
        obs: PyTorchObs,
        actions: Tensor,
        state: Tensor | None = None,
        starts: Tensor | None = None,
    ) -> ActionEvaluation:
        """Evaluate actions as SB3's ``evaluate_actions``, with the features; with a memory,
        sequences of T steps of N environments.

        Args:
            obs: tensors [T · N, …], all environments of a step side by side.
            actions: that were taken, [T · N] or [T · N, A].
            state: of the memory before the first step, float [N, S]; None without a memory.
            starts: whether an episode begins there, bool [T, N]; None without a memory.
        """
        features = self._encode_sequences(obs, state, starts)
        values, distribution = self._heads(features, obs)
        log_probs, entropies = distribution.log_prob(actions), distribution.entropy()
        return ActionEvaluation(values, log_probs, entropies, features)

    def distributions(
        self, obs: PyTorchObs, state: Tensor | None = None, starts: Tensor | None = None
    ) -> Distribution:
        """The actor's distribution over actions; arguments as of :meth:`evaluate`."""
        features = self._encode_sequences(obs, state, starts)
        return self._distribution(self.mlp_extractor.forward_actor(features), obs)

    def unroll(self, obs: PyTorchObs, state: Tensor, starts: Tensor) -> tuple[Distribution, Tensor]:
        """As :meth:`distributions`, step by step, and the state of the memory after the last one,
        float [N, S].
        """
        features = self._encode(obs)
        if self.memory is not None:
            steps = []
            for now, begins in zip(features.unflatten(0, starts.shape), starts, strict=True):
                after, state = self.memory(now, state, begins)
                steps.append(after)
            features = torch.cat(steps)
        return self._distribution(self.mlp_extractor.forward_actor(features), obs), state

    def evaluate_actions(
        self, obs: PyTorchObs, actions: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """As in SB3: values [N, 1], log-probabilities and entropies [N]."""
        values, distribution = self._heads(self.extract_features(obs), obs)
        return values[:, None], distribution.log_prob(actions), distribution.entropy()

    def forward(
        self, obs: PyTorchObs, deterministic: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As in SB3: actions [N, …], values [N, 1] and log-probabilities [N]."""
        values, distribution = self._heads(self.extract_features(obs), obs)
        actions = distribution.get_actions(deterministic=deterministic)
        shaped = actions.reshape(-1, *(self.action_space.shape or ()))
        return shaped, values[:, None], distribution.log_prob(actions)

    def auxiliary_loss(
        self, rollout: MultimodalRolloutBuffer, batch: Transitions, features: Tensor
    ) -> Tensor:
        """The auxiliary loss beside a minibatch; see :meth:`AuxiliaryLoss.on_batch`."""
        assert self.auxiliary is not None
        with cast("MultimodalExtractor", self.features_extractor).model.autocast(features.device):
            return self.auxiliary.on_batch(self._encode, rollout, batch, features)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], Any]:
        """As in SB3: actions [N], and the state where there is a memory, as a tuple of one array.

        Args:
            observation: arrays [N, …].
            state: of the last call; None at the beginning.
            episode_start: whether an episode begins here, bool [N]; nowhere, if None.
            deterministic: take the most probable action.
        """
        if self.memory is None:
            return super().predict(observation, state, episode_start, deterministic)
        self.set_training_mode(False)
        obs, is_batch = self.obs_to_tensor(observation)
        count = len(next(iter(obs.values())))
        before = self.begin(count) if state is None else torch.as_tensor(state[0])
        starts = np.zeros(count, np.bool_) if episode_start is None else np.asarray(episode_start)
        with torch.no_grad():
            actions, _, _, after = self.act(
                obs,
                before.to(self.device),
                torch.as_tensor(starts, device=self.device),
                deterministic=deterministic,
            )
        chosen = actions.cpu().numpy()
        if isinstance(self.action_space, spaces.Box):
            chosen = np.clip(chosen, self.action_space.low, self.action_space.high)
        return chosen if is_batch else chosen[0], (after.cpu().numpy(),)

    def extract_features(
        self,
        obs: PyTorchObs,
        features_extractor: BaseFeaturesExtractor | None = None,
    ) -> Tensor:
        """Features of observations as if each began an episode, without SB3's cast of everything
        to float.
        """
        features = self._encode(obs)
        starts = torch.ones(len(features), dtype=torch.bool, device=features.device)
        return self._recall(features, self.begin(len(features)), starts)[0]

    def predict_values(self, obs: PyTorchObs) -> Tensor:
        """The critic's estimate for a batch of observations, float [B, 1]."""
        latent = self.mlp_extractor.forward_critic(self.extract_features(obs))
        return cast("Tensor", self.value_net(latent))

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """The actor's distribution over actions for a batch of observations."""
        return self._distribution(self.mlp_extractor.forward_actor(self.extract_features(obs)), obs)

    def _encode(self, obs: PyTorchObs) -> Tensor:
        features: Tensor = self.features_extractor(obs)
        return features

    def _encode_sequences(
        self, obs: PyTorchObs, state: Tensor | None, starts: Tensor | None
    ) -> Tensor:
        """Features [T · N, F]; arguments as of :meth:`evaluate`."""
        features = self._encode(obs)
        if state is None or starts is None:
            return features
        assert self.memory is not None
        sequences = features.unflatten(0, starts.shape)
        return self.memory.sequences(sequences, state, starts).flatten(0, 1)

    def _recall(self, features: Tensor, state: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        if self.memory is None:
            return features, state
        after: tuple[Tensor, Tensor] = self.memory(features, state, starts)
        return after

    def _heads(self, features: Tensor, obs: PyTorchObs) -> tuple[Tensor, Distribution]:
        actor, critic = self.mlp_extractor(features)
        return self.value_net(critic).flatten(), self._distribution(actor, obs)

    def _distribution(self, actor: Tensor, obs: PyTorchObs, team: Team = ALONE) -> Distribution:
        """The distribution over valid actions, of all workers' rows in a team."""
        latent = team.among_all(actor)
        mask = None if self._mask_sizes is None else cast("Any", obs).get(ACTION_MASK)
        if mask is None or self._mask_sizes is None:
            return self._get_action_dist_from_latent(latent)
        logits = mask_logits(self.action_net(latent), team.among_all(mask), self._mask_sizes)
        return cast("Any", self.action_dist).proba_distribution(action_logits=logits)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        """The constructor's arguments, which ``save`` stores and ``load`` passes on."""
        data: dict[str, Any] = super()._get_constructor_parameters()
        kwargs = data.pop("features_extractor_kwargs")
        optimizer = data.pop("optimizer_kwargs")
        for fixed in ("features_extractor_class", "normalize_images", "optimizer_class"):
            data.pop(fixed)
        name, args = self._memory_choice
        memory = {"memory": name, "memory_args": args}
        auxiliary = dict(zip(("auxiliary", "auxiliary_args"), self._auxiliary_choice, strict=True))
        built = {"model": kwargs["model"], "optimizer": optimizer["config"]}
        return {**data, **built, **memory, **auxiliary}

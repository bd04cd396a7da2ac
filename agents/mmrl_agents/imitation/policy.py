"""The policy of behaviour cloning: an actor-critic that may predict chunks of actions.

Shapes: N environments or steps, K actions of a chunk, W numbers of an action, H of the latent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.distributions import CategoricalDistribution, Distribution
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor, nn

from mmrl.errors import UserError
from mmrl_agents.imitation.chunks import ChunkExecution, Chunking, OpenLoop, TemporalEnsemble
from mmrl_agents.networks.mixture import MixtureDistribution
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.team import ALONE, Team


class CloningPolicy(MultimodalPolicy):
    """A :class:`MultimodalPolicy` with action chunks (Zhao et al., 2023) and Gaussian mixtures.

    Of its chunk, the first action's distribution is the policy's wherever one is asked for. By
    :meth:`predict`, chunks are executed as :class:`Chunking` says.

    Args:
        observation_space, action_space, lr_schedule: as of :class:`MultimodalPolicy`.
        chunking: how many actions are predicted at once, and how they are executed.
        mixture: Gaussians for continuous actions; 1 for a single one.
        kwargs: the other arguments of :class:`MultimodalPolicy`.

    Raises:
        UserError: actions that have no mixture, or no mean over predictions.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *,
        chunking: Chunking | None = None,
        mixture: int = 1,
        **kwargs: Any,
    ) -> None:
        self.chunking, self._mixture = chunking or Chunking(), mixture
        self._execution = make_execution(self.chunking, action_space)
        self.predicts_chunks = self._execution is not None
        if mixture > 1 and not isinstance(action_space, spaces.Box):
            raise UserError(
                f"mixture={mixture}: a mixture of Gaussians is for continuous actions, and these "
                f"are {action_space}: leave it out"
            )
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        if self._mixture > 1:
            self.action_dist = MixtureDistribution(get_action_dim(self.action_space), self._mixture)
        super()._build(lr_schedule)

    def _build_mlp_extractor(self) -> None:
        """As in the parent, and the layer that makes a latent for each action of a chunk."""
        super()._build_mlp_extractor()
        width = self.mlp_extractor.latent_dim_pi
        size = self.chunking.size
        self.chunk_layer = None if size == 1 else nn.Linear(width, size * width)

    def log_probs(
        self, obs: PyTorchObs, actions: Tensor, state: Tensor | None, starts: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Log-probabilities and entropies of chunks of actions, float [N, K] each.

        Args:
            obs: tensors [N, …].
            actions: [N, K] or [N, K, W].
            state, starts: as of :meth:`MultimodalPolicy.evaluate`.

        Returns:
            Log-probabilities; entropies, None where they have no closed form.
        """
        latent = self.mlp_extractor.forward_actor(self._encode_sequences(obs, state, starts))
        distribution = self._chunk_distribution(latent)
        shape = (len(latent), self.chunking.size)
        entropies = distribution.entropy()
        return (
            distribution.log_prob(actions.flatten(0, 1)).unflatten(0, shape),
            None if entropies is None else entropies.unflatten(0, shape),
        )

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], Any]:
        """As :meth:`MultimodalPolicy.predict`; the state is the memory's and that of the chunks."""
        if self._execution is None:
            return super().predict(observation, state, episode_start, deterministic)
        self.set_training_mode(False)
        obs, is_batch = self.obs_to_tensor(observation)
        count = len(next(iter(obs.values())))
        width = self._memory_size + self._execution.state_size
        before = torch.zeros(count, width) if state is None else torch.as_tensor(state[0])
        if episode_start is not None:
            before = before * ~torch.as_tensor(np.asarray(episode_start))[:, None]
        with torch.no_grad():
            chosen, after = self._execute(
                self._execution, obs, before.to(self.device), deterministic=deterministic
            )
        actions = self._as_actions(chosen)
        return actions if is_batch else actions[0], (after.cpu().numpy(),)

    def _execute(
        self, execution: ChunkExecution, obs: PyTorchObs, state: Tensor, *, deterministic: bool
    ) -> tuple[Tensor, Tensor]:
        """What is done now, float [N, W], and the next state."""
        memory, chunks = state[:, : self._memory_size], state[:, self._memory_size :]
        starts = torch.zeros(len(state), dtype=torch.bool, device=state.device)
        features, memory = self._recall(self._encode(obs), memory, starts)
        distribution = self._chunk_distribution(self.mlp_extractor.forward_actor(features))
        if isinstance(execution, TemporalEnsemble) and isinstance(
            distribution, CategoricalDistribution
        ):
            probabilities = distribution.distribution.probs.unflatten(0, (len(state), -1))
            mean, chunks = execution.step(probabilities, chunks)
            drawn = mean.argmax(1) if deterministic else mean.multinomial(1).squeeze(1)
            return drawn[:, None].float(), torch.cat([memory, chunks], 1)
        actions = distribution.get_actions(deterministic=deterministic).float()
        now, chunks = execution.step(actions.view(len(state), self.chunking.size, -1), chunks)
        return now, torch.cat([memory, chunks], 1)

    def _as_actions(self, chosen: Tensor) -> NDArray[Any]:
        """Float [N, W] → actions of the space, [N, …]."""
        space = self.action_space
        actions = chosen.cpu().numpy().reshape(len(chosen), *(space.shape or ()))
        if isinstance(space, spaces.Box):
            return np.clip(actions, space.low, space.high)
        return actions.astype(space.dtype)

    def _recall(self, features: Tensor, state: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        return super()._recall(features, state[:, : self._memory_size], starts)

    @property
    def _memory_size(self) -> int:
        return 0 if self.memory is None else self.memory.state_size

    def _chunk_latents(self, actor: Tensor) -> Tensor:
        """Float [N, H] → a latent for each action of the chunk, [N, K, H]."""
        if self.chunk_layer is None:
            return actor[:, None]
        return torch.relu(self.chunk_layer(actor)).unflatten(1, (self.chunking.size, -1))

    def _chunk_distribution(self, actor: Tensor) -> Distribution:
        """The distribution of all actions of all chunks, [N · K]."""
        return self._get_action_dist_from_latent(self._chunk_latents(actor).flatten(0, 1))

    def _distribution(self, actor: Tensor, obs: PyTorchObs, team: Team = ALONE) -> Distribution:
        return super()._distribution(self._chunk_latents(actor)[:, 0], obs, team)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        own = {"chunking": self.chunking, "mixture": self._mixture}
        return {**super()._get_constructor_parameters(), **own}


def make_execution(chunking: Chunking, space: spaces.Space[Any]) -> ChunkExecution | None:
    """How chunks of a space's actions are executed; None for single actions.

    Raises:
        UserError: an ensemble of actions that have no mean.
    """
    if chunking.size == 1:
        return None
    width = int(np.prod(space.shape or (1,)))
    if chunking.temporal_ensemble is None:
        return OpenLoop(chunking.size, width, chunking.action_steps or chunking.size)
    if isinstance(space, spaces.Discrete):
        return TemporalEnsemble(chunking.size, int(space.n), chunking.temporal_ensemble)
    if isinstance(space, spaces.Box):
        return TemporalEnsemble(chunking.size, width, chunking.temporal_ensemble)
    raise UserError(
        f"temporal_ensemble={chunking.temporal_ensemble}: takes means of Discrete or Box actions, "
        f"and these are {space}: give action_steps instead"
    )

"""An actor: a policy of SB3 on the environments' own observations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy

from mmrl.agent import PolicyOutputs
from mmrl.contract import ACTION_MASK, rows_of
from mmrl.errors import UserError
from mmrl.preprocessing.image import size_of
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.sharing.onnx import PolicyGraph
from mmrl_agents.networks.graph import make_policy_graph
from mmrl_agents.networks.outputs import compute_outputs


class SB3Actor:
    """Chooses actions for observations of the contract; entries that the policy was not trained on
    are left out.

    The state of the policy's memory, one of each row, is carried from call to call until
    :meth:`begin`.

    Args:
        policy: of any SB3 algorithm, for images and encoded instructions.
        preprocessing: the one it was trained with.
    """

    def __init__(self, policy: BasePolicy, preprocessing: Preprocessing) -> None:
        self.policy = policy
        self.preprocessing = preprocessing
        self._state: tuple[NDArray[np.float32]] | None = None

    def begin(self, count: int) -> None:
        """Episodes begin everywhere: the memory's state is reset."""
        self._state = None

    def act(self, observation: Mapping[str, Any], *, deterministic: bool) -> NDArray[Any]:
        """A batch of observations → actions [B], see :class:`mmrl.agent.Actor`.

        Raises:
            UserError: images of another size than the agent was trained on, or no speech.
        """
        state = self._state if self._fits(observation) else None
        actions, after = self.policy.predict(
            self._encode(observation), cast("Any", state), deterministic=deterministic
        )
        self._state = cast("tuple[NDArray[np.float32]] | None", after)
        return np.asarray(actions)

    def probabilities(self, observation: Mapping[str, Any]) -> NDArray[np.float32] | None:
        """A batch of observations → probability of each action, float32 [B, A]; None where the
        policy has no distribution over discrete actions. The memory's state stays as it is.

        Raises:
            UserError: as :meth:`act`.
        """
        if not isinstance(self.policy.action_space, spaces.Discrete):
            return None
        return self.policy_outputs(observation).numbers.get("probabilities")

    def policy_outputs(self, observation: Mapping[str, Any]) -> PolicyOutputs:
        """As :func:`mmrl.agent.policy_outputs`. The memory's state stays as it is.

        Raises:
            UserError: as :meth:`act`.
        """
        policy = self.policy
        policy.set_training_mode(False)
        encoded, _ = policy.obs_to_tensor(self._encode(observation))
        state = None
        if self._state is not None and self._fits(observation):
            state = torch.from_numpy(self._state[0]).to(policy.device)
        tokens = self.preprocessing.tokenizer
        return compute_outputs(policy, cast("Any", encoded), state, tokenizer=tokens)

    def policy_graph(self) -> PolicyGraph:
        """The policy as a function of tensors, for :mod:`mmrl.sharing.onnx`.

        Raises:
            UserError: it cannot be one.
        """
        return make_policy_graph(self.policy, self.preprocessing)

    def _fits(self, observation: Mapping[str, Any]) -> bool:
        """Whether the memory's state is of as many episodes."""
        return self._state is None or len(self._state[0]) == rows_of(observation)

    def _encode(self, observation: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        parts = self.preprocessing.spaces
        seen = {key: self._checked(key, observation) for key in self._sensors if key not in parts}
        return {**seen, **self.preprocessing.encode_batch(observation)}

    @property
    def _sensors(self) -> dict[str, spaces.Space[Any]]:
        return cast("spaces.Dict", self.policy.observation_space).spaces

    def _checked(self, key: str, observation: Mapping[str, Any]) -> NDArray[Any]:
        """The images or vectors of a batch.

        Raises:
            UserError: they are not there, or of another size than the agent was trained on.
        """
        if key == ACTION_MASK and key not in observation:  # all are valid
            return np.ones((rows_of(observation), *(self._sensors[key].shape or ())), np.int8)
        if key not in observation:
            raise UserError(
                f"this agent was trained with {key!r}, and observations have "
                f"{', '.join(observation)} only"
            )
        values: NDArray[Any] = observation[key]
        trained = tuple(self._sensors[key].shape or ())
        if values.dtype == np.uint8 and values.ndim == 4 and len(trained) == 3:
            if values.shape[1:3] != size_of(trained):
                raise UserError(
                    f"images of {list(values.shape[1:3])} pixels: "
                    f"this agent was trained on {list(size_of(trained))}"
                )
        elif values.shape[1:] != trained:
            raise UserError(
                f"{key!r} has shape {list(values.shape[1:])}: this agent was trained on "
                f"{list(trained)}"
            )
        return values

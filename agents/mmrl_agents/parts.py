"""Parts that an agent is composed of: a memory, an auxiliary loss, a curriculum, hindsight.

A part is configured by one hyperparameter, see :func:`mmrl_agents.choices.read_choice`, and gives
the arguments that the environments, the policy and the algorithm need for it. Agents name their
parts in :attr:`mmrl_agents.algorithms.base.SB3Agent.parts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self

from gymnasium.vector import VectorEnv

from mmrl.errors import unknown
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo
from mmrl_agents.choices import KIND, PartOptions, read_choice
from mmrl_agents.vec_env import MultimodalVecEnv


class Part:
    """A part of an agent, with neutral defaults: a subclass defines the methods that it needs.

    Args:
        key: of its hyperparameter, such as "ppo.memory".
        config: an instance of :attr:`Config`.

    Attributes:
        Config: dataclass of ``kind`` and the options.
        kinds: that there are, for error messages.
        info: what is known of the environment; None where it is to be asked.
    """

    info: EnvInfo | None = None
    Config: ClassVar[type[Any]]
    kinds: ClassVar[tuple[str, ...]]

    def __init__(self, key: str, config: Any) -> None:
        self.key, self.config = key, config

    @classmethod
    def read(
        cls, key: str, value: PartOptions, args: Mapping[str, Any] | None = None
    ) -> Self | None:
        """The part that a hyperparameter chooses; None where it chooses none.

        Args:
            key: of the hyperparameter.
            value: of the hyperparameter.
            args: of the hyperparameter ``…_args`` beside it.

        Raises:
            UserError: options without a kind, an unknown option, or a value that cannot be.
        """
        choice = read_choice(key, value, args, cls.kinds)
        if choice is None:
            return None
        known = [one.name for one in fields(cls.Config) if one.name != KIND]
        for name in choice.options:
            if name not in known:
                raise unknown(f"option of {key}", name, known)
        return cls(key, cls.Config(choice.kind, **choice.options))

    @property
    def name(self) -> str:
        """Of the hyperparameter, without the agent's."""
        return self.key.rpartition(".")[2]

    def check(self, hyper: Any) -> None:
        """Refuse what does not go together with the agent's other hyperparameters.

        Raises:
            UserError: something does not.
        """

    def check_together(self) -> None:
        """Refuse what many workers cannot do.

        Raises:
            UserError: this part needs one process.
        """

    def env_args(self, config: TrainConfig) -> dict[str, Any]:
        """Arguments of the environments, beside those of the configuration."""
        return {}

    def make_batch(
        self, batch: VectorEnv[Any, Any, Any], config: TrainConfig
    ) -> VectorEnv[Any, Any, Any]:
        """The batch of environments, wrapped where the part needs it."""
        return batch

    def policy_kwargs(self) -> dict[str, Any]:
        """Arguments of the policy."""
        return {}

    def data_kwargs(self, config: TrainConfig, env: MultimodalVecEnv) -> dict[str, Any]:
        """Arguments of the algorithm: its buffer, and how that is made."""
        return {}

    def get_state(self) -> Any | None:
        """The state for a checkpoint, as plain data; None where there is none."""
        return None

    def set_state(self, state: Any) -> None:
        """Resume from what :meth:`get_state` gave."""

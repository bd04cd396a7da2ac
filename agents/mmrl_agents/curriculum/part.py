"""The curriculum as a part of an on-policy agent."""

from __future__ import annotations

from typing import Any

from gymnasium.vector import VectorEnv

from mmrl.env_sets import names_several
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl_agents.curriculum.config import CURRICULA, CurriculumConfig
from mmrl_agents.curriculum.curriculum import Curriculum
from mmrl_agents.curriculum.rollout import CurriculumRolloutBuffer
from mmrl_agents.curriculum.vector_env import EDITS, CurriculumVector, edits_levels
from mmrl_agents.parts import Part
from mmrl_agents.vec_env import MultimodalVecEnv


class CurriculumPart(Part):
    """A curriculum that chooses the level of every episode.

    Attributes:
        curriculum: None before :meth:`make_batch`.
    """

    Config = CurriculumConfig
    kinds = tuple(CURRICULA)
    curriculum: Curriculum | None = None

    def check_together(self) -> None:
        """As :meth:`Part.check_together`."""
        raise UserError(
            f"{self.key}={self.config.kind}: one process knows all levels: train without --workers"
        )

    def make_batch(
        self, batch: VectorEnv[Any, Any, Any], config: TrainConfig
    ) -> VectorEnv[Any, Any, Any]:
        """As :meth:`Part.make_batch`.

        Raises:
            UserError: levels are to be edited, and the environment cannot; there is a split; or
                there are several environments.
        """
        if names_several(config.env):
            batch.close()
            raise UserError(
                f"{self.key}={self.config.kind}: knows the scenes of one environment by their "
                "seeds, and env names several; give no curriculum, or one environment"
            )
        if config.split:
            batch.close()
            raise UserError(
                f"split={config.split}: {self.key}={self.config.kind} chooses the levels itself, "
                "and does not know the split; give no curriculum"
            )
        if self.config.properties.edits and not edits_levels(batch):
            batch.close()
            raise UserError(
                f"{self.key}={self.config.kind}: {config.env} cannot begin from edited "
                f"scenes (metadata['{EDITS}'] and reset(options={{'{EDITS}': …}})); plr and "
                "robust_plr need nothing but its seeds"
            )
        self.curriculum = Curriculum(batch.num_envs, self.config, config.seed)
        return CurriculumVector(batch, self.curriculum)

    def data_kwargs(self, config: TrainConfig, env: MultimodalVecEnv) -> dict[str, Any]:
        """As :meth:`Part.data_kwargs`."""
        return {
            "rollout_buffer_class": CurriculumRolloutBuffer,
            "rollout_buffer_kwargs": {"curriculum": self.curriculum},
        }

    def get_state(self) -> dict[str, Any] | None:
        """As :meth:`Part.get_state`."""
        return None if self.curriculum is None else self.curriculum.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """As :meth:`Part.set_state`."""
        assert self.curriculum is not None
        self.curriculum.set_state(state)

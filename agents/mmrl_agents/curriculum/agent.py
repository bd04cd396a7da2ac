"""A curriculum for the command line: one switch of PPO."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from gymnasium.vector import VectorEnv

from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl_agents.algorithms.base import SB3Agent
from mmrl_agents.curriculum.curriculum import Curriculum
from mmrl_agents.curriculum.rollout import CurriculumRollout
from mmrl_agents.curriculum.settings import CURRICULA, NOBODY, Settings, find_kind
from mmrl_agents.curriculum.vector_env import EDITS, CurriculumVector, edits_levels
from mmrl_agents.vec_env import MultimodalVecEnv


class CurriculumAgent(SB3Agent):
    """An on-policy algorithm whose hyperparameter ``curriculum`` names who chooses its levels."""

    elsewhere: ClassVar[tuple[str, ...]] = ("num_envs", "curriculum", "curriculum_args")

    @classmethod
    def make_batch(cls, config: TrainConfig, hyper: Any, num_envs: int) -> VectorEnv[Any, Any, Any]:
        """As :meth:`SB3Agent.make_batch`; with a curriculum, of the levels that it wants.

        Raises:
            UserError: levels are to be edited, and the environment cannot.
        """
        batch = super().make_batch(config, hyper, num_envs)
        if hyper.curriculum == NOBODY:
            return batch
        kind = find_kind(hyper.curriculum)
        settings = Settings.read(hyper.curriculum_args, kind)
        if kind.edits and not edits_levels(batch):
            batch.close()
            raise UserError(
                f"{cls.name}.curriculum={hyper.curriculum}: {config.env} cannot begin from edited "
                f"scenes (metadata['{EDITS}'] and reset(options={{'{EDITS}': …}})); plr and "
                "robust_plr need nothing but its seeds"
            )
        return CurriculumVector(batch, Curriculum(num_envs, kind, settings, config.seed))

    @classmethod
    def data_kwargs(cls, config: TrainConfig, hyper: Any, env: MultimodalVecEnv) -> dict[str, Any]:
        """As :meth:`SB3Agent.data_kwargs`."""
        if hyper.curriculum == NOBODY:
            return super().data_kwargs(config, hyper, env)
        curriculum = cast("CurriculumVector", env.env).curriculum
        return {
            "rollout_buffer_class": CurriculumRollout,
            "rollout_buffer_kwargs": {"curriculum": curriculum},
        }

    @classmethod
    def check(cls, hyper: Any) -> None:
        """As :meth:`SB3Agent.check`."""
        if hyper.curriculum != NOBODY:
            Settings.read(hyper.curriculum_args, find_kind(hyper.curriculum))
        elif hyper.curriculum_args:
            raise UserError(
                f"{cls.name}.curriculum_args={hyper.curriculum_args}: of which "
                f"{cls.name}.curriculum? There are {', '.join(CURRICULA)}"
            )

    @classmethod
    def check_together(cls, hyper: Any) -> None:
        """As :meth:`SB3Agent.check_together`."""
        super().check_together(hyper)
        if hyper.curriculum != NOBODY:
            raise UserError(
                f"{cls.name}.curriculum={hyper.curriculum}: one process knows all levels: train "
                "without --workers"
            )

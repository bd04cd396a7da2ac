"""Gymnasium environments with an image and an instruction; importing this registers them.

``gym.make("mmrl/GoToLocal-v0")`` makes one environment,
``gym.make_vec("mmrl/GoToLocal-v0", num_envs=64)`` the native batch.
"""

from __future__ import annotations

import gymnasium as gym

from mmrl_envs.grid.generation.levels import LEVELS

NAMESPACE = "mmrl"


def register_envs() -> None:
    """Make every level known to Gymnasium as ``mmrl/<Level>-v0``, and as ``mmrl/<Level>Strict-v0``,
    where a wrong act ends the episode; calling it again does nothing.
    """
    for name in LEVELS:
        for suffix, options in (("", {}), ("Strict", {"strict": True})):
            env_id = f"{NAMESPACE}/{name}{suffix}-v0"
            if env_id not in gym.registry:
                gym.register(
                    env_id,
                    entry_point="mmrl_envs.grid.env:GridEnv",
                    vector_entry_point="mmrl_envs.grid.vector_env:GridVectorEnv",
                    kwargs={"level": name, **options},
                )


register_envs()

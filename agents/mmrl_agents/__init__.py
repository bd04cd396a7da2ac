"""Agents on stable-baselines3.

``RolloutRecorder``, a callback that records episodes of any SB3 run, is loaded when it is first
used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmrl_agents.loop.recorder import RolloutRecorder

__all__ = ["RolloutRecorder"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """The callback, from its module (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module 'mmrl_agents' has no attribute {name!r}")
        from mmrl_agents.loop.recorder import RolloutRecorder

        return RolloutRecorder

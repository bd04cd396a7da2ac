"""Rollouts to learn from: collected in any environment, kept as Minari datasets, read back."""

from mmrl.rollouts.collecting import Collection, Request, collect
from mmrl.rollouts.kinds import instruction_kind
from mmrl.rollouts.places import Place, find_place
from mmrl.rollouts.playing import Source
from mmrl.rollouts.reading import Columns, Rollouts, open_rollouts
from mmrl.rollouts.rollout import Rollout
from mmrl.rollouts.sources import ActorSource, ExpertSource, RandomSource
from mmrl.rollouts.spaces import Spaces

__all__ = [
    "ActorSource",
    "Collection",
    "Columns",
    "ExpertSource",
    "Place",
    "RandomSource",
    "Request",
    "Rollout",
    "Rollouts",
    "Source",
    "Spaces",
    "collect",
    "find_place",
    "instruction_kind",
    "open_rollouts",
]

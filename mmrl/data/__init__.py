"""Rollouts to learn from: collected in any environment, kept as Minari datasets, read back."""

from mmrl.data.collection import Collection, Request, collect
from mmrl.data.dataset import EpisodeDataset, open_dataset
from mmrl.data.episode import Columns, Demonstration, Episode, Trajectory
from mmrl.data.location import Place, find_place
from mmrl.data.play import (
    ActorSource,
    ExpertLabelledSource,
    ExpertSource,
    RandomSource,
    Source,
)
from mmrl.data.spaces import Spaces

__all__ = [
    "ActorSource",
    "Collection",
    "Columns",
    "Demonstration",
    "Episode",
    "EpisodeDataset",
    "ExpertLabelledSource",
    "ExpertSource",
    "Place",
    "RandomSource",
    "Request",
    "Source",
    "Spaces",
    "Trajectory",
    "collect",
    "find_place",
    "open_dataset",
]

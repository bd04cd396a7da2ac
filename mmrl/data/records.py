"""Episodes of a dataset as episode records, for people to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from mmrl.action_labels import action_label, action_names
from mmrl.contract import IMAGE
from mmrl.data.dataset import EpisodeDataset
from mmrl.data.episode import Episode
from mmrl.language import known_kind
from mmrl.records import EpisodeRecord
from mmrl.wrappers.adapters import make_env

COLLECTION: Final = "collection"
"""The source of these records."""


def dataset_records(dataset: EpisodeDataset, numbers: range) -> Iterator[EpisodeRecord]:
    """The records of some episodes of a dataset with images.

    Args:
        dataset: it.
        numbers: of the episodes.

    Raises:
        UserError: it has no images, or an episode cannot be read.
    """
    _ = dataset.image_space
    labels = _Labels(dataset)
    for number in numbers:
        yield _record(dataset, dataset[number], number, labels)


def _record(
    dataset: EpisodeDataset, episode: Episode, number: int, labels: _Labels
) -> EpisodeRecord:
    return EpisodeRecord(
        source=COLLECTION,
        env=dataset.env_id or dataset.place.name,
        env_args=dataset.env_args,
        seed=episode.seed if episode.seed >= 0 else None,
        instruction_kind=known_kind(dataset.language, episode.instruction),
        success=episode.success,
        frames={IMAGE: episode.images},
        instructions=[episode.instruction] * len(episode.images) if episode.instruction else [],
        rewards=episode.rewards.tolist(),
        actions=episode.actions,
        action_names=[labels.of(action) for action in episode.actions],
        infos=[{"achieved": list(one)} if one else {} for one in episode.achieved],
        about={"dataset": dataset.place.name, "episode": number, "by": dataset.by},
    )


class _Labels:
    """The names of a dataset's actions; of an environment that is not installed, their numbers."""

    def __init__(self, dataset: EpisodeDataset) -> None:
        self._space: Any = dataset.spaces.action
        self._names: dict[int, Any] = {}
        with suppress(Exception):
            env = make_env(dataset.env_id, **dataset.env_args)
            self._names = action_names(env)
            env.close()

    def of(self, action: Any) -> str:
        return action_label(action, self._space, self._names)

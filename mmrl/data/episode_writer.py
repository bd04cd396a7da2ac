"""Writes a dataset episode by episode, such as those that a person plays."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Final

import gymnasium as gym

from mmrl.data.collection import REQUEST, Request, Workshop, check_same, read_request
from mmrl.data.location import Place
from mmrl.data.recorder import Recording
from mmrl.errors import UserError
from mmrl.files import make_folder, write_json

HUMAN: Final = "human"
"""The name of a person as the source of actions."""


class EpisodeWriter:
    """Adds episodes to a dataset. Each is on the disk at once; :meth:`finish` joins them.

    A later call with the same place and environment adds to what an interrupted one has left.

    Args:
        place: where to keep it.
        env_id, env_args: of the environment.
        spaces: the environment's observation and action spaces.
        by: name of the source of actions.

    Attributes:
        episodes: how many there are.
        path: of the dataset.

    Raises:
        UserError: there is a dataset already, or an unfinished one of another environment.
    """

    def __init__(
        self,
        place: Place,
        env_id: str,
        env_args: dict[str, object],
        spaces: tuple[gym.Space[object], gym.Space[object]],
        by: str = HUMAN,
    ) -> None:
        if place.metadata.is_file():
            raise UserError(f"dataset {place.name!r} exists already: {place.path}; give another")
        self._place, self._spaces = place, spaces
        self.path = place.path
        self._request = Request(env_id, 0, by, env_args=dict(env_args), num_envs=1)
        saved = place.collecting / REQUEST
        if saved.is_file():
            check_same(read_request(saved), self._request, place)
        make_folder(place.collecting)
        write_json(saved, asdict(self._request))
        self.episodes = 0
        while self._workshop(self.episodes + 1).has_part(self.episodes):
            self.episodes += 1

    def add(self, recording: Recording) -> None:
        """Write an episode of at least one step.

        Raises:
            WriteError: it cannot be written; those before it are kept.
        """
        self._workshop(self.episodes + 1).write(self.episodes, [recording], self._spaces)
        self.episodes += 1

    def finish(self) -> None:
        """Join the episodes to a dataset, if there are any.

        Raises:
            UserError: the disk is full; the episodes are kept.
        """
        if self.episodes:
            self._workshop(self.episodes).finish()

    def _workshop(self, episodes: int) -> Workshop:
        return Workshop(self._place, replace(self._request, episodes=episodes))

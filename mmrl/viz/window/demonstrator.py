"""What a person does in a session, recorded as demonstrations."""

from __future__ import annotations

from typing import Any

from mmrl.contract import ACHIEVED, DESCRIPTION
from mmrl.data.episode_writer import EpisodeWriter
from mmrl.data.recorder import Recording
from mmrl.viz.window.session import Session


class Demonstrator:
    """Records the episodes of a session that is played by hand.

    An episode is kept once it has ended, or the person marks it as a success; one that is left
    before is not.

    Args:
        session: what is played.
        writer: of the dataset.
    """

    def __init__(self, session: Session, writer: EpisodeWriter) -> None:
        self._session, self._writer = session, writer
        self.begin()

    @property
    def episodes(self) -> int:
        """How many were kept."""
        return self._writer.episodes

    def begin(self) -> None:
        """An episode begins: what was recorded of the one before is forgotten."""
        self._recording = Recording(self._session.seed)
        self._observe()

    def record(self, acted_by: str | None = None) -> None:
        """Record the step that was just taken.

        Args:
            acted_by: who took it, where a person corrects an agent.
        """
        session, recording = self._session, self._recording
        if acted_by is not None:
            recording.acted_by.append(acted_by)
        recording.actions.append(session.action)
        recording.rewards.append(session.last_reward)
        recording.terminated.append(session.terminated)
        recording.truncated.append(session.truncated)
        recording.achieved.append(tuple(session.info.get(ACHIEVED, ())))
        recording.success = session.success
        self._observe()

    def undo(self) -> bool:
        """Take the last step back, by playing all others again from the beginning; whether there
        was one.
        """
        actions = self._recording.actions[:-1]
        if len(self._recording.actions) == 0:
            return False
        self._session.restart()
        self.begin()
        for action in actions:
            self._session.step(action)
            self.record()
        return True

    def keep(self, *, is_success: bool = False) -> bool:
        """Keep the episode, if it has ended or is marked as a success; whether it was.

        Args:
            is_success: end it here, as one.
        """
        recording = self._recording
        if not recording.actions or not (is_success or recording.is_over):
            return False
        if is_success:
            recording.success = True
            recording.truncated[-1] = not recording.terminated[-1]
        self._writer.add(recording)
        return True

    def _observe(self) -> None:
        info: dict[str, Any] = self._session.info
        self._recording.add_observation(
            self._session.observation, str(info.get(DESCRIPTION, "") or "")
        )

"""An agent that a person corrects: who takes the keys in the middle of an episode, and gives them
back, as HG-DAgger needs it (Kelly et al., 2019).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from mmrl.agent import Actor
from mmrl.data.episode_writer import EpisodeWriter
from mmrl.data.recorder import AGENT, PERSON
from mmrl.viz.window.demonstrator import Demonstrator
from mmrl.viz.window.drawing import Scene
from mmrl.viz.window.player import DISCARD, SUCCESS, cap, keys_of
from mmrl.viz.window.session import Session
from mmrl.viz.window.watcher import Watcher

CORRECTED: Final = "agent corrected by human"
"""The name of the source of actions in datasets."""
TOGGLE: Final = "t"
"""The key that takes the keys, or gives them back."""
_KEYS: Final = [
    (SUCCESS, "success"), (DISCARD, "discard"), ("n", "next"), ("tab", "map"), ("esc", "quit"),
]  # fmt: skip


class Takeover(Watcher):
    """A session that an agent plays until a person takes the keys; who took each step is recorded.

    The agent sees the person's steps, so that its memory is as if they were its own.

    Args:
        session: where it acts.
        actor: the agent.
        writer: of the dataset.
        how: of :class:`~mmrl.viz.window.watcher.Watcher`.

    Attributes:
        is_person: whether the person has the keys.
    """

    def __init__(self, session: Session, actor: Actor, writer: EpisodeWriter, **how: Any) -> None:
        super().__init__(session, actor, **how)
        self._writer, self._demonstrator = writer, Demonstrator(session, writer)
        self._action_keys = keys_of(session.choices)
        self.is_person = False

    def press(self, key: str) -> bool:
        """Do what a key means; whether there is something new to be seen."""
        if key == TOGGLE:
            self.is_person = not self.is_person
            return True
        if key in (SUCCESS, DISCARD):
            return self._close(is_success=key == SUCCESS)
        if key in self._action_keys:
            return self._take(self._action_keys[key])
        return super().press(key)

    def advance(self) -> bool:
        """As :meth:`Watcher.advance`; while the person has the keys, the agent waits."""
        if self.is_person and not self.session.is_over:
            return False
        return super().advance()

    def scene(self) -> Scene:
        """The present scene: the agent's probabilities, or the keys that the person has."""
        scene = super().scene()
        keys = [(TOGGLE, "give back" if self.is_person else "take over"), *_KEYS]
        who = "you" if self.is_person else "the agent"
        recorded = f"{self._writer.episodes} episodes"
        status = [*scene.status, ("keys", who), ("recorded", recorded)]
        if not self.is_person:
            return replace(scene, keys=keys, status=status)
        actions = [(cap(key), self.session.choices[k]) for key, k in self._action_keys.items()]
        notice = f"you have the keys; {TOGGLE} gives them back"
        return replace(scene, keys=[*actions, *keys], status=status, bars=(), notice=notice)

    def finish(self) -> None:
        """Keep the last episode, if it has ended, and join all to a dataset.

        Raises:
            UserError: the disk is full; the episodes are kept.
        """
        self._demonstrator.keep()
        self._writer.finish()

    def _close(self, *, is_success: bool) -> bool:
        """Mark the episode as a success, or discard it; then the next one begins."""
        if is_success and not self._demonstrator.keep(is_success=True):
            return False
        self._demonstrator.begin()  # without a step: there is nothing to keep any more
        self._begin()
        return True

    def _take(self, number: int) -> bool:
        """Take an action in the agent's place, if it is valid now."""
        if self.session.is_over or not self.session.allows(number):
            return False
        self.is_person = True
        self._act(self.session.choice(number))
        return True

    def _act(self, instead: Any = None) -> None:
        super()._act(instead)
        self._demonstrator.record(AGENT if instead is None else PERSON)

    def _begin(self) -> None:
        self._demonstrator.keep()
        super()._begin()
        self._demonstrator.begin()
        self.is_person = False

"""Watching an agent act, with its action probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.action_labels import first_action
from mmrl.agent import (
    Actor,
    PolicyOutputs,
    action_probabilities,
    begin_episodes,
    policy_outputs,
)
from mmrl.contract import batch_of_one
from mmrl.language import kind_of
from mmrl.records import EpisodeBuilder, EpisodeRecord
from mmrl.viz.window.drawing import Scene, draw
from mmrl.viz.window.player import scene_of
from mmrl.viz.window.recording import Recording
from mmrl.viz.window.session import Session
from mmrl.viz.window.window import CLOSED, Window

WATCH: Final = "watch"
"""The source of records."""
_KEYS: Final = [
    ("space", "pause"),
    ("→", "one step"),
    ("+", "faster"),
    ("-", "slower"),
    ("tab", "map"),
    ("n", "next"),
    ("esc", "quit"),
]
_FASTEST: Final = 60.0
_SLOWEST: Final = 0.25
_REST: Final = 6  # images that an episode's end stays


class Watcher:
    """A session that an agent plays.

    Args:
        session: where it acts.
        actor: the agent.
        episodes: after so many it is over; 0 for no end.
        deterministic: take the most probable action instead of sampling.
        on_episode: takes the record of each episode that has ended.
        checkpoint: environment steps that the agent was trained for.
    """

    def __init__(
        self,
        session: Session,
        actor: Actor,
        *,
        episodes: int = 0,
        deterministic: bool = False,
        on_episode: Callable[[EpisodeRecord], None] | None = None,
        checkpoint: int | None = None,
    ) -> None:
        self.session = session
        self.shows_map = True
        self.is_over = False
        self.is_paused = False
        self.speed = 1.0
        self._actor = actor
        self._left = episodes
        self._deterministic = deterministic
        self._rest = 0
        self._chosen: int | None = None
        self._on_episode, self._checkpoint = on_episode, checkpoint
        self._begin_record()
        self._probabilities = self._action_probabilities()

    def press(self, key: str) -> bool:
        """Do what a key means; whether there is something new to be seen."""
        if key in ("escape", "q", CLOSED):
            self.is_over = True
        elif key == "space":
            self.is_paused = not self.is_paused
        elif key == "right":
            self.is_paused = True
            return self.advance()
        elif key in ("+", "=", "[+]"):
            self.speed = min(self.speed * 2, _FASTEST)
        elif key in ("-", "[-]"):
            self.speed = max(self.speed / 2, _SLOWEST)
        elif key == "tab":
            self.shows_map = not self.shows_map
            return True
        elif key == "n":
            self._begin()
            return True
        return False

    def advance(self) -> bool:
        """One step of the agent, or the next episode once the last one's end was shown;
        whether there is something new to be seen.
        """
        if self.session.is_over:
            return self._wait()
        self._act()
        return True

    def _wait(self) -> bool:
        """Show an episode's end for a while, then begin the next one; whether it has begun."""
        self._rest += 1
        if self._rest < _REST:
            return False
        self._left -= 1
        if self._left == 0:
            self.is_over = True
            return False
        self._begin()
        return True

    def _act(self, instead: Any = None) -> None:
        """Take the agent's step, or another one that it sees.

        Args:
            instead: the action of somebody else.
        """
        if self._chosen is not None:
            self._probabilities = self._action_probabilities()
        observation = batch_of_one(self.session.observation)
        outputs = PolicyOutputs()
        if self._on_episode is not None:
            outputs = policy_outputs(self._actor, observation)
        actions = self._actor.act(observation, deterministic=self._deterministic)
        action = instead
        if instead is None:
            action = first_action(actions, self.session.action_space)
        self._chosen = self.session.number(action)
        before = self.session.reward
        self.session.step(action)
        self._record(action, self.session.reward - before, outputs)

    def scene(self) -> Scene:
        """The present scene: the bars are the probabilities that led to the last action."""
        bars = None
        if self._probabilities is not None and self.session.actions:
            shares = zip(self.session.actions, self._probabilities.tolist(), strict=True)
            bars = [(name, share, k == self._chosen) for k, (name, share) in enumerate(shares)]
        return scene_of(self.session, self.shows_map, _KEYS, "the next one follows", bars)

    def _begin(self) -> None:
        self.session.next_episode()
        begin_episodes(self._actor, 1)
        self._rest, self._chosen = 0, None
        self._begin_record()
        self._probabilities = self._action_probabilities()

    def _begin_record(self) -> None:
        session = self.session
        self._builder = EpisodeBuilder(
            WATCH, session.env_id, env_args=session.env_args, seed=session.seed,
            checkpoint=self._checkpoint,
        )  # fmt: skip
        self._builder.actions = session.actions
        self._builder.add_observation(session.observation, session.overview)

    def _record(self, action: Any, reward: float, outputs: PolicyOutputs) -> None:
        """Record a step, and hand the record over where it was the last one."""
        session = self.session
        if self._on_episode is None:
            return
        self._builder.add_step(action, reward, label=session.last_action, info=session.info)
        self._builder.add_outputs(outputs, [0])
        self._builder.add_observation(session.observation, session.overview)
        if session.is_over:
            kind = kind_of(session.metadata, self._builder.instruction)
            self._on_episode(self._builder.build(session.success, instruction_kind=kind))

    def _action_probabilities(self) -> NDArray[np.float32] | None:
        probabilities = action_probabilities(self._actor, batch_of_one(self.session.observation))
        return None if probabilities is None else probabilities[0]


def watch(watcher: Watcher, window: Window, recording: Recording, fps: float) -> None:
    """Show the agent until the window is closed or its episodes are over.

    Args:
        fps: steps a second to begin with.
    """
    image = draw(watcher.scene())
    recording.add(image)
    while not watcher.is_over:
        window.show(image)
        window.fps = fps * watcher.speed
        is_new = False
        for key in window.pressed():
            is_new = watcher.press(key) or is_new
        if not watcher.is_paused and not watcher.is_over:
            is_new = watcher.advance() or is_new
        if is_new:
            image = draw(watcher.scene())
            recording.add(image, pause=watcher.session.is_over)

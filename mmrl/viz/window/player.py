"""Playing by hand: keys become actions."""

from __future__ import annotations

from typing import Final

from mmrl.viz.clip_frame import outcome
from mmrl.viz.window.demonstrator import Demonstrator
from mmrl.viz.window.drawing import Scene, draw
from mmrl.viz.window.recording import Recording
from mmrl.viz.window.session import Session
from mmrl.viz.window.window import CLOSED, Window

ACTION_KEYS: Final = {
    "left": "left",
    "right": "right",
    "forward": "up",
    "pickup": "p",
    "drop": "d",
    "toggle": "space",
    "done": "return",
}
"""The key of an action by its name; other actions get 1, 2, 3, …, 0 in their order."""
_DIGITS: Final = "1234567890"
_CAPS: Final = {
    "left": "←",
    "right": "→",
    "up": "↑",
    "return": "enter",
    "escape": "esc",
    "backspace": "⌫",
}
_RESTART, _NEXT, _MAP, _QUIT = "r", "n", "tab", ("escape", "q", CLOSED)
_UNDO: Final = "backspace"
SUCCESS: Final = "m"
DISCARD: Final = "x"
"""Of what is recorded: the episode is marked as a success, or discarded."""


def keys_of(actions: list[str]) -> dict[str, int]:
    """Which key takes which action, by the key's name."""
    keys: dict[str, int] = {}
    for k, name in enumerate(actions):
        key = ACTION_KEYS.get(name)
        if key is None and k < len(_DIGITS):
            key = _DIGITS[k]
        if key is not None:
            keys[key] = k
    return keys


def cap(key: str) -> str:
    """What is written on a key."""
    return _CAPS.get(key, key)


class Player:
    """A session that is played by hand.

    Args:
        session: what is played.
        shows_map: begin with the whole scene in large.
        demonstrator: records the episodes, if given; then one key takes a step back, one marks the
            episode as a success, and one discards it.
    """

    def __init__(
        self,
        session: Session,
        *,
        shows_map: bool = False,
        demonstrator: Demonstrator | None = None,
    ) -> None:
        self.session = session
        self._demonstrator = demonstrator
        self.shows_map = shows_map
        self.is_over = False
        self._keys = keys_of(session.choices)

    def press(self, key: str) -> bool:
        """Do what a key means; whether there is something new to be seen."""
        if key in _QUIT:
            self.is_over = True
            self._keep()
            return False
        if key == _MAP:
            self.shows_map = not self.shows_map
        elif key == _RESTART:
            self.session.restart()
            self._begin()
        elif key == _NEXT or (self.session.is_over and key == "return"):
            self._keep()
            self._next()
        elif self._demonstrator is not None and key in (_UNDO, SUCCESS, DISCARD):
            return self._demonstrate(key)
        else:
            return self._act(key)
        return True

    def _demonstrate(self, key: str) -> bool:
        """Take a step back, mark the episode as a success, or discard it."""
        assert self._demonstrator is not None
        if key == _UNDO:
            return self._demonstrator.undo()
        if key == SUCCESS and not self._demonstrator.keep(is_success=True):
            return False
        self._next()
        return True

    def _keep(self) -> None:
        if self._demonstrator is not None:
            self._demonstrator.keep()

    def _next(self) -> None:
        self.session.next_episode()
        self._begin()

    def _begin(self) -> None:
        if self._demonstrator is not None:
            self._demonstrator.begin()

    def _act(self, key: str) -> bool:
        """Take the action of a key, where there is one that is valid now."""
        if key not in self._keys or self.session.is_over:
            return False
        if not self.session.allows(self._keys[key]):
            return False
        self.session.act(self._keys[key])
        if self._demonstrator is not None:
            self._demonstrator.record()
        return True

    def scene(self) -> Scene:
        """The present scene."""
        keys = [(cap(key), self.session.choices[k]) for key, k in self._keys.items()
                if self.session.allows(k)]  # fmt: skip
        if self.session.overview is not None:
            keys.append((_MAP, "map"))
        keys += [(_RESTART, "restart"), (_NEXT, "next"), ("esc", "quit")]
        recorded = None
        if self._demonstrator is not None:
            keys += [(cap(_UNDO), "undo"), (SUCCESS, "success"), (DISCARD, "discard")]
            recorded = f"{self._demonstrator.episodes} episodes"
        hint = "enter: next episode"
        return scene_of(self.session, self.shows_map, keys, hint, recorded=recorded)


def scene_of(
    session: Session,
    shows_map: bool,
    keys: list[tuple[str, str]],
    hint: str,
    bars: list[tuple[str, float, bool]] | None = None,
    recorded: str | None = None,
) -> Scene:
    """The scene of a session.

    Args:
        session: what is played.
        shows_map: the whole scene in large, and what the agent sees in small.
        keys: the legend.
        hint: what to do at an episode's end.
        bars: of the actions.
        recorded: how much was recorded so far.
    """
    images = [(session.view, "what the agent sees")]
    if session.overview is not None:
        images.append((session.overview, "the whole scene"))
    if shows_map:
        images.reverse()
    (image, caption), inset = images[0], images[1] if len(images) > 1 else (None, "")
    limit = f" of {session.limit}" if session.limit else ""
    status = [("step", f"{session.steps}{limit}")]
    if not bars:
        status.append(("last action", session.last_action or "–"))
    if session.clauses_done is not None:
        status.append(("clauses done", str(session.clauses_done)))
    status += [("reward", f"{session.reward:.3f}"), ("seed", str(session.seed))]
    if recorded is not None:
        status.append(("recorded", recorded))
    banner = None
    if session.is_over:
        banner = (f"{outcome(session.success)} · {hint}", session.success is not False)
    return Scene(
        session.env_id,
        session.instruction,
        image,
        caption,
        inset[0],
        inset[1],
        status,
        keys,
        bars or (),
        banner,
    )


def play(player: Player, window: Window, recording: Recording) -> None:
    """Play until the window is closed."""
    image = draw(player.scene())
    recording.add(image)
    while not player.is_over:
        window.show(image)
        for key in window.pressed():
            if player.press(key):
                image = draw(player.scene())
                recording.add(image, pause=player.session.is_over)

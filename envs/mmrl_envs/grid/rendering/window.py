"""A pygame window that shows an image with a sentence under it."""

from __future__ import annotations

import os
import platform

import numpy as np
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray

_FOOTER = 48
_MARGIN = 12
_PAPER = (250, 250, 247)
_INK = (30, 30, 34)


class Window:
    """A window; opened at the first image.

    Where there is no screen (no DISPLAY on Linux), SDL's dummy driver is used, so that the same
    program runs on a server.

    Args:
        title: of the window.
        fps: images a second at most.

    Raises:
        DependencyNotInstalled: pygame is missing.
    """

    def __init__(self, title: str, fps: int) -> None:
        has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if platform.system() == "Linux" and not has_screen:
            os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        try:
            import pygame
        except ImportError as error:
            raise DependencyNotInstalled(
                "render_mode='human' needs pygame: pip install 'multimodal-rl[play]'"
            ) from error
        self._pygame = pygame
        pygame.display.init()
        pygame.font.init()
        self._title = title
        self._fps = fps
        self._clock = pygame.time.Clock()
        self._screen: pygame.Surface | None = None

    def show(self, image: NDArray[np.uint8], sentence: str) -> None:
        """Show an image, uint8 [H, W, 3], with ``sentence`` under it, at the window's pace."""
        pygame = self._pygame
        height, width = image.shape[:2]
        if self._screen is None or self._screen.get_size() != (width, height + _FOOTER):
            self._screen = pygame.display.set_mode((width, height + _FOOTER))
            pygame.display.set_caption(self._title)
        self._screen.fill(_PAPER)
        self._screen.blit(pygame.surfarray.make_surface(image.swapaxes(0, 1)), (0, 0))
        font = pygame.font.Font(None, 24)
        text = font.render(sentence, True, _INK)
        if text.get_width() > width - 2 * _MARGIN:
            scale = (width - 2 * _MARGIN) / text.get_width()
            text = pygame.transform.smoothscale_by(text, scale)
        self._screen.blit(text, (_MARGIN, height + (_FOOTER - text.get_height()) // 2))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(self._fps)

    def close(self) -> None:
        """Close the window."""
        self._pygame.display.quit()
        self._screen = None

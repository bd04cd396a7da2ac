"""A pygame window: shows images, and reports which keys were pressed."""

from __future__ import annotations

import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.display import use_headless_rendering
from mmrl.optional_packages import needed_for

CLOSED: Final = "close"
"""The name of the key that stands for the window's own closing."""


class Window:
    """A window, opened at the first image.

    Where there is no screen (Linux without DISPLAY), SDL's dummy driver is used: the same program
    runs on a server, and can record.

    Args:
        title: of the window.
        fps: images a second at most.

    Raises:
        UserError: pygame is missing.
    """

    def __init__(self, title: str, fps: float) -> None:
        use_headless_rendering()
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        with needed_for("a window", "play"):
            import pygame
        self._pygame: Any = pygame
        pygame.display.init()
        self._title = title
        self.fps = fps
        self._clock = pygame.time.Clock()
        self._screen: Any = None

    def show(self, image: NDArray[np.uint8]) -> None:
        """Show an image, uint8 [H, W, 3]."""
        pygame = self._pygame
        height, width = image.shape[:2]
        if self._screen is None:
            self._screen = pygame.display.set_mode((width, height), pygame.RESIZABLE)
            pygame.display.set_caption(self._title)
        surface = pygame.surfarray.make_surface(image.swapaxes(0, 1))
        if self._screen.get_size() != (width, height):
            surface = pygame.transform.smoothscale(surface, self._screen.get_size())
        self._screen.blit(surface, (0, 0))
        pygame.display.flip()

    def pressed(self) -> list[str]:
        """Wait for the next image's time; the names of the keys pressed meanwhile, as pygame
        calls them ("left", "space", "p"), :data:`CLOSED` among them if the window was closed.
        """
        pygame = self._pygame
        self._clock.tick(self.fps)
        keys = []
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                keys.append(CLOSED)
            elif event.type == pygame.KEYDOWN:
                keys.append(pygame.key.name(event.key))
        return keys

    def close(self) -> None:
        """Close the window."""
        self._pygame.display.quit()

"""Environments that cannot be rendered as they declare."""

from room import register

RGB = {"metadata": {"render_modes": ["rgb_array"]}}


def takes_mode(self, render_mode=None):
    """Keep the mode."""
    self.render_mode = render_mode


def no_context(self):
    """As on a server without a display."""
    raise RuntimeError("could not create a GL context")


for name, more in {
    "Skeleton": {},
    "Headless": {**RGB, "render": no_context},
    "Human": {"metadata": {"render_modes": ["human"]}},
    "Nothing": {**RGB, "render": lambda self: None},
    "Several": {**RGB, "render": lambda self: [self.image()] * 2},
}.items():
    register(name, __init__=takes_mode, **more)

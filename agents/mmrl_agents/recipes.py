"""The folder of our recipes: in a wheel beside this module, in a checkout ``configs``."""

from pathlib import Path
from typing import Final

_INSTALLED: Final = Path(__file__).with_name("configs")
FOLDER: Final = (
    _INSTALLED if _INSTALLED.is_dir() else Path(__file__).resolve().parents[2] / "configs"
)
"""For the entry point in the group ``mmrl.recipes``."""

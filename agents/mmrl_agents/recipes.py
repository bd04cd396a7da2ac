"""The folder of our recipes: ``configs`` in a checkout, and beside this module in a wheel."""

from pathlib import Path
from typing import Final

_INSTALLED: Final = Path(__file__).with_name("recipe_files")
_CHECKOUT: Final = Path(__file__).resolve().parents[2] / "configs"
FOLDER: Final = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
"""For the entry point in the group ``mmrl.recipes``."""

"""The folders of our recipes and suites: ``configs`` and ``benchmarks/suites`` in a checkout, and
beside this module in a wheel.
"""

from pathlib import Path
from typing import Final

_CHECKOUT: Final = Path(__file__).resolve().parents[2]


def _folder(installed: str, in_checkout: str) -> Path:
    beside = Path(__file__).with_name(installed)
    return beside if beside.is_dir() else _CHECKOUT / in_checkout


FOLDER: Final = _folder("recipe_files", "configs")
"""For the entry point in the group ``mmrl.recipes``."""
SUITES: Final = _folder("suite_files", "benchmarks/suites")
"""For the entry point in the group ``mmrl.suites``."""

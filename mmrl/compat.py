"""Imports torchvision where its compiled part does not fit the installed torch.

torchvision from PyPI beside a CPU build of torch fails at import, because its compiled operators
do not load and ``torchvision::nms`` is then unknown. Models and transforms need none of them, so
the two operators are declared (not implemented) and the import is tried again.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from torch import library

_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[library.Library] = []


def import_torchvision() -> ModuleType:
    """torchvision, with its operators declared where the plain import fails.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    operators = library.Library("torchvision", "DEF")
    for operator in _OPERATORS:
        operators.define(operator + _SIGNATURE)
    _declared.append(operators)  # a library's operators go when it is collected
    return importlib.import_module("torchvision")


def import_transformers() -> ModuleType:
    """transformers, which imports torchvision itself where there is one; without its progress bar
    for weights that are there already.
    """
    import_torchvision()
    transformers = importlib.import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    return transformers

"""Encoders that are not in our tables: classes of other packages and of the user's own modules.

They are named by an entry point in the group ``mmrl.encoders``, or by a dotted path. What an
encoder of each kind is called with is that of our own:

- image: ``make(image_size, resize=…, **args)`` gives an
  :class:`~mmrl.models.encoders.image_base.ImageEncoder`; ``resize`` says whether images of any size
  are resized to it;
- text: ``make(vocabulary, length=…, **args)`` gives a
  :class:`~mmrl.models.encoders.base.TextEncoder`, which reads the environment's words;
- speech: ``make(shape, **args)`` gives a :class:`~mmrl.models.encoders.speech.SpeechEncoder`;
- vector: ``make(size, **args)`` gives any :class:`~mmrl.models.encoders.base.Encoder`.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from typing import Any

from mmrl.errors import UserError
from mmrl.models.tokens import TokensShape
from mmrl.registry import ENCODERS, find_offered, is_offered
from mmrl.text_output import shortened


def is_of_others(name: str) -> bool:
    """Whether an encoder is named by an entry point or a dotted path, and not by that of a file;
    nothing is imported.
    """
    return is_offered(ENCODERS, name) and not os.path.exists(name)


def build_other(
    kind: str, name: str, base: Any, ours: Iterable[str], args: Mapping[str, Any],
    *given: Any, **fixed: Any,
) -> Any:  # fmt: skip
    """An encoder of others.

    Args:
        kind: of the encoder, such as "text".
        name: of an entry point, or a dotted path to a class, or to a function whose annotation
            names the class that it returns. Nothing else is called: a file may name it.
        base: the class of which an encoder of this kind is a subclass.
        ours: names of our encoders of this kind, for errors.
        args: the user's arguments, as of ``model.text_args``.
        given, fixed: the others.

    Raises:
        UserError: it cannot be imported, is no such encoder, or does not take the arguments.
    """
    make = find_offered(ENCODERS, name, f"{kind} encoder", ours)
    if not _makes(make, base):
        raise UserError(
            f"{kind} encoder {name!r} is no {base.__name__}: give a subclass of {base.__module__}."
            f"{base.__name__}, or a function that is annotated to return one"
        )
    try:
        inspect.signature(make).bind(*given, **fixed, **args)
        encoder = make(*given, **fixed, **args)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"model.{kind}_args {dict(args)} do not fit {name}: {shortened(error)}"
        ) from error
    if not isinstance(getattr(encoder, "shape", None), TokensShape):
        raise UserError(
            f"{kind} encoder {name!r} has no shape: set self.shape = TokensShape(width, grid)"
        )
    return encoder


def _makes(make: Any, base: type[Any]) -> bool:
    """Whether something is a subclass, or a function that is annotated to return one."""
    if not isinstance(make, type):
        names = getattr(make, "__globals__", {})
        make = getattr(make, "__annotations__", {}).get("return")
        if isinstance(make, str):  # after "from __future__ import annotations"
            make = names.get(make)
    return isinstance(make, type) and issubclass(make, base)

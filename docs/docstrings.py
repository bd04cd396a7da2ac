"""A Griffe extension: docstrings in reStructuredText's notation become Markdown.

``:class:`~mmrl.agent.Actor``` becomes a link to where the reference describes it, or code where it
does not; a paragraph that ends with two colons ends with one.
"""

from __future__ import annotations

import re
from typing import Any, Final

from griffe import Extension, Object

_ROLE: Final = re.compile(r":(?:class|func|mod|meth|attr|data|exc):`(~?)([\w.]+)`")
_LITERAL: Final = re.compile(r"::$", re.MULTILINE)


def as_markdown(docstring: str, scope: str) -> str:
    """A docstring with links in place of roles.

    Args:
        docstring: in reStructuredText's notation.
        scope: the module that names without a dot are of.
    """

    def link(match: re.Match[str]) -> str:
        is_short, path = match[1] == "~", match[2]
        shown = path.rpartition(".")[2] if is_short else path
        target = path if "." in path else f"{scope}.{path}"
        return f'<autoref optional identifier="{target}"><code>{shown}</code></autoref>'

    return _LITERAL.sub(":", _ROLE.sub(link, docstring))


class Markdown(Extension):
    """Rewrites every docstring that Griffe has read."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value, obj.module.path)

"""Templates for packages of a user's own: ``mmrl new-env`` copies them.

``template/`` holds the files of a package, each with ``.txt`` after its name. ``NAME`` stands for
the name of the package, in the files and in their paths.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from typing import Final

from mmrl.errors import UserError
from mmrl.files import WriteError, atomic_folder

_TEMPLATE: Final = Path(__file__).parent / "template"
_PLACEHOLDER: Final = "NAME"
_SUFFIX: Final = ".txt"
_NAME: Final = re.compile(r"[a-z](?:\w*[a-z0-9])?", re.ASCII | re.IGNORECASE)
"""Python's identifiers that are also names of packages, see PyPA's "Names and normalization"."""


def write_package(name: str, folder: Path) -> list[Path]:
    """Write a package with an environment, all of it or nothing.

    Args:
        name: of the package.
        folder: which does not exist yet; its parents are made.

    Returns:
        The files in it, relative to it, sorted.

    Raises:
        UserError: it is no name of a package, or that of an installed one; or there is such a
            folder.
        WriteError: it cannot be written.
    """
    check_name(name)
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} exists already; nothing was overwritten. Give another --out")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(folder, error) from error
    files = package_files(name)
    with atomic_folder(folder) as draft:
        for path, text in files.items():
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_text(text, encoding="utf-8")
    return sorted(files)


def package_files(name: str) -> dict[Path, str]:
    """The texts of a package's files by their paths within it."""
    return {
        Path(str(path.relative_to(_TEMPLATE)).removesuffix(_SUFFIX).replace(_PLACEHOLDER, name)):
        path.read_text(encoding="utf-8").replace(_PLACEHOLDER, name)
        for path in sorted(_TEMPLATE.rglob(f"*{_SUFFIX}"))
    }  # fmt: skip


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a new package.

    Raises:
        UserError: with the fix.
    """
    if not _NAME.fullmatch(name) or iskeyword(name):
        near = (
            f"{name}_env"
            if iskeyword(name)
            else re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_0123456789") or "my_env"
        )
        raise UserError(
            f"{name!r} is no name of a Python package: use letters, digits and _, such as {near}"
        )
    if name == "tests" or _is_taken(name):
        raise UserError(
            f"{name!r} is the name of another module, which would be imported instead: take "
            f"another one, such as {name}_env"
        )


def _is_taken(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # one that is being imported, without a specification
        return True

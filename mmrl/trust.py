"""Trust: which code a file may name, and which it may not.

A run folder, a model, a dataset and a YAML file may name code: an environment as ``module:Id``, an
agent, an encoder, a fusion or a task by its dotted path. Opening somebody else's file must run
nothing, so such a module is imported only if it

- is part of mmrl, or installed as a package is,
- was named by the user on this command line,
- was signed: whoever trains signs what he writes, with a key of his own
  (``~/.config/mmrl/key``), so that his own runs ask nothing,
- or if the user says so: ``--trust-code``, in Python ``trust_code=True``.

The checks look at files and import nothing. What a user passes to a function in Python is trusted.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module, invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, distributions
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from mmrl.errors import UserError
from mmrl.files import write_json
from mmrl.known_packages import known_module

SIGNATURE: Final = "code.json"
"""The file in a folder that tells where its code was found, signed by whoever wrote it."""

_OURS: Final = ("mmrl", "mmrl_envs", "mmrl_agents")
_IDS: Final = ("env", "env_id", "language")
"""Keys of a configuration whose value may be ``module:Id`` or ``module:Class``."""
_PATHS: Final = ("agent", "fusion", "logger", "task")
"""Keys of a configuration whose value may be a dotted path to a class."""
_ENCODERS: Final = ("image", "text", "speech", "vector")
"""The same, but for the arguments of environments, which may have such keys, too."""
_ROW: Final = re.compile(r"(?:^|\.)encoders\..+\.name$")
"""The same, in a table of encoders by observation key."""
_TAKE_PATHS: Final = ("fit", "--over", "--agent", "--logger", "--model.encoders")
"""What stands before a dotted path on the command line, beside the options of these keys."""
_OF_ENVIRONMENTS: Final = re.compile(r"(?:^|\.)env_(?:args|adapter)\.")
_MODULE: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_ID: Final = re.compile(rf"({_MODULE}):\S+")
_PATH: Final = re.compile(rf"({_MODULE})[.:]([^\W\d]\w*)")


@dataclass
class _Signature:
    """What :data:`SIGNATURE` holds: where each module was found, and the signature of that."""

    modules: dict[str, str]
    signature: str


class UntrustedCodeError(UserError):
    """A file names code that nobody has trusted."""


@dataclass
class _CommandLine:
    """What the user has said on this command line.

    Attributes:
        modules: that he has named.
        trusts_all: whether ``--trust-code`` is there.
    """

    modules: frozenset[str] = frozenset()
    trusts_all: bool = False


_command_line = _CommandLine()
_searched: list[str] = []


def read_command_line(arguments: Sequence[str]) -> None:
    """Trust what a user has typed: the modules that it names, or everything by ``--trust-code``.

    Args:
        arguments: of the command, its name first.
    """
    _command_line.modules = frozenset(_named(arguments))
    _command_line.trusts_all = bool({"--trust-code", "--trust_code"} & set(arguments))


def split_path(name: str) -> tuple[str, str] | None:
    """The module and the attribute of a dotted path, ``module.Class`` or ``module:Class``; None
    where a name is none.
    """
    found = _PATH.fullmatch(name)
    return None if found is None else (found[1], found[2])


def modules_named(tree: Any) -> dict[str, str]:
    """The modules that a configuration would have imported, each with the entry that names it.

    Args:
        tree: plain data, such as a run's configuration or a model's recipe.
    """
    return {
        module: f"{key.rpartition('.')[2]}: {value}"
        for key, value in _entries(tree)
        if (module := _module_of(key, value)) is not None
    }


def check(
    tree: Any, file: Path, *, trust_code: bool = False, signature: Path | None = None
) -> None:
    """Make sure that all code that a file names may be imported, and can be found.

    Args:
        tree: what the file says, as plain data.
        file: it; named in the error.
        trust_code: whether the user trusts it.
        signature: folder with a :data:`SIGNATURE`; that of the file, if None.

    Raises:
        UntrustedCodeError: it names a module that is not trusted: which, and from where it would be
            imported; or one that there is not.
    """
    named = {
        module: entry
        for module, entry in modules_named(tree).items()
        if module not in sys.modules and not is_installed(module)  # nothing of it would run again
    }
    if not named:
        return
    signed = _signed(signature or file.parent)
    for module, entry in named.items():
        if not re.fullmatch(_MODULE, module):
            raise UntrustedCodeError(f"{file}: {entry}: {module!r} is no name of a module")
        top = _top(module)
        place = signed.get(top)
        if place is not None and _origin(top, str(Path(place).parent)) == place:
            _search(str(Path(place).parent))
        elif not (trust_code or _command_line.trusts_all or module in _command_line.modules):
            place = _origin(top, _working_directory())
            if place is None:
                known = known_module(module)
                hint = "" if known is None else f": pip install {known.pip}"
                raise UntrustedCodeError(f"{file}: {entry}: there is no module {top!r} here{hint}")
            raise UntrustedCodeError(
                f"{file} names code that is not installed: {entry} would import {module} from "
                f"{place}. Code that a file names runs only if you say so: add --trust-code (in "
                "Python trust_code=True) if you know the file and that code, or name it on the "
                "command line"
            )


def is_trusted(tree: Any, file: Path) -> bool:
    """Whether :func:`check` has nothing against a file."""
    try:
        check(tree, file)
    except UntrustedCodeError:
        return False
    return True


def sign(tree: Any, folder: Path) -> None:
    """Write down where the code that a configuration names is found now, signed by the user's key.

    Nothing is written where no such code is named, or where no key can be had.

    Args:
        tree: the configuration.
        folder: where it is kept.

    Raises:
        WriteError: the folder cannot be written.
    """
    tops = sorted({_top(module) for module in modules_named(tree) if not is_installed(module)})
    found = {
        top: place for top in tops if (place := _origin(top, _working_directory())) is not None
    }
    key = _key(create=True) if found else None
    if key is not None:
        write_json(folder / SIGNATURE, {"modules": found, "signature": _mac(key, found)})


def import_trusted(module: str) -> ModuleType:
    """Import a module that is trusted; the working directory is looked at last.

    Raises:
        ImportError: as ``importlib.import_module``.
    """
    top = _top(module)
    here = _working_directory()
    if here and top not in sys.modules and _spec(top) is None and _spec(top, [here]) is not None:
        _search(here)
    return import_module(module)


def is_installed(module: str) -> bool:
    """Whether a module is part of mmrl or of an installed package."""
    top = _top(module)
    if top in _OURS:
        return True
    place = _origin(top)
    if place is None:
        return False
    if str(Path(place).parent) in _site_folders():
        return True
    return any(
        Path(place).is_relative_to(project) and top in names for project, names in _editable()
    )


def leave_working_directory_out() -> None:
    """Take the working directory from the modules' search path where it comes before installed
    packages, as ``python -m`` and an empty entry of ``PYTHONPATH`` put it.
    """
    sites, here = _site_folders(), _working_directory()
    installed = [k for k, place in enumerate(sys.path) if os.path.realpath(place) in sites]
    first = installed[0] if installed else len(sys.path)
    sys.path[:] = [
        place
        for k, place in enumerate(sys.path)
        if k > first or (place and os.path.abspath(place) != here)
    ]


def packages_path() -> list[str]:
    """The folders that packages are looked for in: without those that only a module is from."""
    return [place for place in sys.path if place not in ("", os.curdir, *_searched)]


def _entries(tree: Any, within: str = "") -> Iterator[tuple[str, str]]:
    """All text values by their dotted keys, at any depth."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if key in _IDS and (isinstance(value, Mapping) or _is_several(value)):
                yield from _of_several(f"{within}{key}", value)
            elif isinstance(value, str):
                yield f"{within}{key}", value
            elif isinstance(value, list | tuple):
                yield from _listed(f"{within}{key}", value)
            else:
                yield from _entries(value, f"{within}{key}.")
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _entries(value, within)


def _is_several(value: Any) -> bool:
    """Whether a text is that of several environments, see :mod:`mmrl.env_sets`."""
    return isinstance(value, str) and value.lstrip()[:1] in ("[", "{")


def _of_several(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """The ids of several environments, which may be the keys of a mapping, and what is within."""
    from mmrl.schema import FileError, parse_yaml  # here: as in _signed

    try:
        tree = parse_yaml(value, key) if isinstance(value, str) else value
    except FileError:  # whoever reads it refuses it, too
        tree = {}
    if isinstance(tree, Mapping):
        yield from ((key, one) for one in tree if isinstance(one, str))
        yield from _entries(tree, f"{key}.")
    elif isinstance(tree, list):
        yield from _listed(key, tree)


def _listed(key: str, values: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """All text values of a list; those that it holds itself by the list's key."""
    for value in values:
        if isinstance(value, str):
            yield key, value
        else:
            yield from _entries(value, f"{key}.")


def _module_of(key: str, value: str) -> str | None:
    name = key.rpartition(".")[2]
    if name in _IDS:
        return value.rpartition(":")[0] or None
    if name in _PATHS:
        return value.rpartition(":")[0] or value.rpartition(".")[0] or None
    if (name in _ENCODERS or _ROW.search(key)) and not _OF_ENVIRONMENTS.search(key):
        path = split_path(value)
        return None if path is None or os.path.exists(value) else path[0]
    return None


def _named(arguments: Sequence[str]) -> Iterator[str]:
    """Modules of ``module:Id`` anywhere, and of dotted paths where one belongs: after ``fit``,
    ``--agent``, ``--model.fusion``, ``--model.text``, ``--model.encoders`` and ``--over``. What is
    a file or folder names no module.
    """
    before = ""
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if not (equals and option.startswith("--")):
            option, value = before, argument
        before = argument
        if os.path.exists(value):
            continue
        dotted = option.startswith(_TAKE_PATHS) or option.rpartition(".")[2] in (
            *_PATHS,
            *_ENCODERS,
        )
        is_list = option in ("--over", "--logger", "--env") or ".encoders" in option
        for piece in re.split(r"[,={}\[\]\s\"']|: ", value) if is_list else [value]:
            if found := _ID.fullmatch(piece) or (dotted and _PATH.fullmatch(piece)):
                yield found[1]


def _top(module: str) -> str:
    return module.partition(".")[0]


def _spec(top: str, places: list[str] | None = None) -> ModuleSpec | None:
    """Where a module would be found; nothing is imported."""
    invalidate_caches()
    return PathFinder.find_spec(top, places)


def _origin(top: str, last: str | None = None) -> str | None:
    """The file or folder that a top-level module would be imported from; None where there is none.

    Args:
        top: its name.
        last: a folder to look in where it is nowhere else.
    """
    spec = _spec(top) or (None if last is None else _spec(top, [last]))
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or ())
    return os.path.realpath(folders[0] if folders else str(spec.origin))


def _working_directory() -> str | None:
    """None where it was removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _search(place: str) -> None:
    """Look for modules in a folder, too, after all others."""
    if place not in sys.path:
        sys.path.append(place)
        _searched.append(place)
        invalidate_caches()


@cache
def _site_folders() -> frozenset[str]:
    """Where packages are installed."""
    paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    paths += [*site.getsitepackages(), site.getusersitepackages()]
    return frozenset(os.path.realpath(path) for path in paths)


@cache
def _editable() -> tuple[tuple[Path, frozenset[str]], ...]:
    """The folders of packages that are installed to be edited, and the modules that they offer."""
    found = []
    for one in distributions(path=sorted(_site_folders())):
        url = json.loads(one.read_text("direct_url.json") or "{}")
        if url.get("dir_info", {}).get("editable") and url["url"].startswith("file://"):
            place = Path(os.path.realpath(url["url"].removeprefix("file://")))
            found.append((place, frozenset(_offered(one))))
    return tuple(found)


def _offered(distribution: Distribution) -> Iterator[str]:
    yield from (distribution.read_text("top_level.txt") or "").split()
    for entry in distribution.entry_points:
        yield _top(entry.module)


def _signed(folder: Path) -> dict[str, str]:
    """Where a folder's code was found when it was signed; nothing where the signature is not the
    user's.
    """
    from mmrl.schema import FileError, read_json  # here: 'mmrl doctor' works where YAML is broken

    try:
        read = read_json(folder / SIGNATURE, _Signature)
    except FileError:
        return {}
    key = _key()
    if key is None or not hmac.compare_digest(
        _mac(key, read.modules).encode(), read.signature.encode(errors="replace")
    ):
        return {}
    return read.modules


def _mac(key: bytes, modules: dict[str, str]) -> str:
    return hmac.new(key, json.dumps(modules, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def _key(*, create: bool = False) -> bytes | None:
    """The user's key; None where there is none, and none can be made."""
    try:
        base = os.environ.get("XDG_CONFIG_HOME")
        file = (Path(base) if base else Path.home() / ".config") / "mmrl" / "key"
        if create and not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = file.with_name(f".key-{secrets.token_hex(8)}")
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as content:
                content.write(secrets.token_hex(32))
            try:
                os.link(draft, file)  # the first of several processes makes it
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return bytes.fromhex(file.read_text("ascii"))
    except (OSError, ValueError, RuntimeError):  # no home, or one that cannot be written
        return None

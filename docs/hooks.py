"""Brings files outside of docs/ that pages link to into the site, rewrites the links, and fills in
the help of the commands.

In the repository pages link to source files, results and the pages at its root by relative paths,
as GitHub shows them. In the site these are pages and files under ``source/``, and the root's own
pages under ``project/``. A link that leads nowhere is left alone: MkDocs reports it.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from command_help import all_commands
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parent.parent
PROJECT: Final = {
    "README.md": "project/readme.md",
    "README.zh-CN.md": "project/readme.zh-CN.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "AGENTS.md": "project/agents.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changelog.md",
}
"""Pages at the repository's root, by their place in the site."""

HELP: Final = "<!-- help of all commands -->"
_LINK: Final = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#\s])")
_FENCE: Final = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_CODE: Final = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".txt": "text"}
_HIDDEN: Final = "---\nsearch:\n  exclude: true\n---\n"

_origins: dict[str, str] = {}
"""Where a page of the site is in the repository, by its path in the site."""
_places: dict[str, str] = {}
"""The reverse."""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what pages link to."""
    _origins.clear()
    _places.clear()
    for file in files:
        _origins[file.src_uri] = f"docs/{file.src_uri}"
    for path, place in PROJECT.items():
        _add(files, config, path, place)
    _places.update({path: place for place, path in _origins.items()})
    waiting = [place for place in _origins if place.endswith(".md")]
    while waiting:
        origin = _origins[waiting.pop()]
        for target in _targets(origin):
            if target not in _places and (ROOT / target).exists():
                place = _add(files, config, target)
                _places[target] = place
                if target.endswith(".md"):
                    waiting.append(place)
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Rewrite links to what is elsewhere in the site than in the repository."""
    place = page.file.src_uri
    if page.is_homepage:
        page.meta["hide"] = ["navigation", "toc"]
    if HELP in markdown:
        markdown = markdown.replace(HELP, all_commands())
    here = posixpath.dirname(_origins[place])

    def rewritten(match: re.Match[str]) -> str:
        target = _resolve(here, match[1])
        if target is None or target not in _places:
            return match[0]
        return posixpath.relpath(_places[target], posixpath.dirname(place) or ".")

    return _outside_of_code(markdown, lambda text: _LINK.sub(rewritten, text))


def _targets(origin: str) -> list[str]:
    """The repository's files and folders that a page links to."""
    text = "".join(_FENCE.split((ROOT / origin).read_text(encoding="utf-8"))[::2])
    here = posixpath.dirname(origin)
    found = [_resolve(here, link) for link in _LINK.findall(text)]
    return [target for target in found if target is not None]


def _resolve(here: str, link: str) -> str | None:
    """A link as a path from the repository's root; None if it leads out of it."""
    if link.startswith(("http://", "https://", "mailto:", "/")):
        return None
    target = posixpath.normpath(posixpath.join(here, unquote(link)))
    return None if target.startswith("..") else target


def _outside_of_code(markdown: str, change: Callable[[str], str]) -> str:
    """A page with everything changed but its fenced code."""
    parts = _FENCE.split(markdown)
    parts[::2] = [change(part) for part in parts[::2]]
    return "".join(parts)


def _add(files: Files, config: MkDocsConfig, path: str, place: str = "") -> str:
    """Add a file or folder of the repository; its place in the site."""
    source = ROOT / path
    if source.is_dir():
        place, content = f"source/{path}/index.md", _listing(source)
    elif source.suffix in _CODE:
        place, content = f"source/{path}.md", _listed(source)
    elif source.suffix == ".md":
        place = place or f"source/{path}"
        content = source.read_text(encoding="utf-8")
    else:
        place = f"source/{path}"
        files.append(File.generated(config, place, abs_src_path=str(source)))
        return place
    files.append(File.generated(config, place, content=content))
    _origins[place] = path
    return place


def _listed(source: Path) -> str:
    """A source file as a page."""
    text = source.read_text(encoding="utf-8")
    fence = "````" if "```" in text else "```"
    name = source.relative_to(ROOT).as_posix()
    return f"{_HIDDEN}# {name}\n\n{fence}{_CODE[source.suffix]}\n{text}{fence}\n"


def _listing(folder: Path) -> str:
    """A folder as a page: its files with what they hold."""
    lines = [f"{_HIDDEN}# {folder.relative_to(ROOT).as_posix()}", ""]
    lines += [
        f"- `{path.name}` {_summary(path)}".rstrip()
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]
    return "\n".join([*lines, ""])


def _summary(path: Path) -> str:
    """The first sentence of a module."""
    if path.suffix != ".py":
        return ""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ")

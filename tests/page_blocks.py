"""The fenced blocks of the pages, and which of them are marked as not run."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (
        *(ROOT / f"{name}.md" for name in ("README", "README.zh-CN", "CONTRIBUTING", "AGENTS")),
        *sorted(ROOT.glob("docs/**/*.md")),
    )
}
_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<why>[^>]+) -->\s*\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_PROGRAMS = {
    "apptainer", "apt-get", "brew", "cd", "conda", "curl", "docker", "export", "git", "hf",
    "jupyter", "make", "mmrl", "pip", "pipx", "podman", "pytest", "python", "ray", "ssh", "sudo",
    "tensorboard", "uv", "uvx",
}  # fmt: skip
_SHELLS = ("", "bash", "console", "sh", "shell")


class Block(NamedTuple):
    """A fenced block: its page, what is behind the fence, its text, and why it is not run."""

    page: str
    kind: str
    text: str
    why: str | None

    @property
    def is_shell(self) -> bool:
        """Whether it holds commands, and no output."""
        return self.kind in _SHELLS and self.text.split(maxsplit=1)[0] in _PROGRAMS

    def commands(self) -> list[list[str]]:
        """The commands of a shell block, a list of words each."""
        joined = self.text.replace("\\\n", " ")
        lines = [part for line in joined.splitlines() for part in line.split(" && ")]
        return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def blocks() -> list[Block]:
    """All blocks of all pages."""
    return [
        Block(page, match["kind"], match["text"], match["why"])
        for page, text in PAGES.items()
        for match in _BLOCK.finditer(text)
    ]

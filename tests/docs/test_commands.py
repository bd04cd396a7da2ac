"""Every command in a page is one that its parser takes; every block is run, or says why not."""

import importlib
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from page_blocks import PAGES, ROOT, Block, blocks

from mmrl.arguments import request
from mmrl.arguments.parser import Parser
from mmrl.cli import COMMANDS, fit
from mmrl.errors import UserError
from mmrl.training import TASKS
from mmrl.wrappers.adapt.config import ADAPTER
from mmrl.wrappers.making import adapter_config

BLOCKS = blocks()
SHELL = [one for one in BLOCKS if one.is_shell and one.why is None]
NEEDED = {"train": ["--env=Any-v0", "--out=any"], "fit": ["--out=any", "--data=any"]}
"""What a run that is resumed already has."""
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


class ParsedError(Exception):
    """The arguments were taken."""


@pytest.fixture
def parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands end once their arguments are parsed; a run that is resumed need not exist."""
    original = Parser.parse_args

    def parse(self: Parser, *args: Any, **kwargs: Any) -> Any:
        original(self, *args, **kwargs)
        raise ParsedError

    monkeypatch.setattr(Parser, "parse_args", parse)
    for module in (request, fit):
        monkeypatch.setattr(module, "named_run", lambda arguments: None)
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT / "examples"))


def parsed(words: list[str]) -> None:
    """Parse the arguments of an ``mmrl`` command, without running it."""
    name, *rest = words
    assert name in COMMANDS, name
    if "--resume" in rest:
        rest = [*rest, *NEEDED[name]]
    if ">" in rest:
        rest = rest[: rest.index(">")]
    module = importlib.import_module(f"mmrl.cli.{name.replace('-', '_')}")
    if hasattr(module, "make_parser"):
        module.make_parser().parse_args(rest)
        return
    with pytest.raises(ParsedError):
        module.run(rest)


@pytest.mark.parametrize("page", sorted({one.page for one in SHELL}))
def test_commands_are_those_of_the_parsers(page: str, parsing: None) -> None:
    for words in (words for one in SHELL if one.page == page for words in one.commands()):
        try:
            _check(words)
        except (AssertionError, UserError) as error:
            pytest.fail(f"{' '.join(words)}: {error}")


def _check(words: list[str]) -> None:
    program, *rest = words
    if program == "mmrl":
        parsed(rest)
    elif program == "make":
        targets = (ROOT / "Makefile").read_text()
        assert all(f"\n{target}:" in targets for target in rest if not target.startswith("#"))
    elif program == "python" and rest[0].endswith(".py"):
        assert (ROOT / rest[0]).is_file() or (ROOT / "examples" / rest[0]).is_file()
    elif program == "pip":
        named = [word.partition("[")[2].rstrip("]") for word in rest if "[" in word]
        assert all(extra in EXTRAS for one in named for extra in one.split(","))
    elif program == "cd":
        assert (ROOT / rest[0]).is_dir() or rest[0] in ("kitchen", "mmrl")
    else:
        assert program in ("docker", "git", "hf", "python", "tensorboard")


def test_a_wrong_option_is_found(parsing: None) -> None:
    with pytest.raises(UserError, match="nosuch"):
        parsed(["train", "--env", "A-v0", "--out", "a", "--nosuch", "1"])
    with pytest.raises(AssertionError):
        parsed(["trian"])
    with pytest.raises(UserError):
        parsed(["eval"])


def test_tasks_of_fit_exist() -> None:
    named = {
        words[2]
        for one in SHELL
        for words in one.commands()
        if words[:2] == ["mmrl", "fit"] and words[2].islower()
    }
    assert named <= set(TASKS)


def test_configurations_in_pages_are_read(tmp_path: Path, parsing: None) -> None:
    found = [one.text for one in BLOCKS if one.kind == "yaml" and "env" in yaml.safe_load(one.text)]
    assert found
    for text in found:
        file = tmp_path / "page.yaml"
        file.write_text(text)
        parsed(["train", "--config", str(file), "--out", "any"])
        assert adapter_config({ADAPTER: yaml.safe_load(text)["env_adapter"]})[0] is not None
    assert all(tomllib.loads(one.text) for one in BLOCKS if one.kind == "toml")


def test_kinds_of_blocks() -> None:
    """A block has a known kind; marks are only above what would run."""
    known = {"", "bash", "console", "dockerfile", "json", "python", "sh", "text", "toml", "yaml"}
    assert {one.kind for one in BLOCKS} <= known
    marked = [one for one in BLOCKS if one.why is not None]
    assert all(one.is_shell or one.kind == "python" for one in marked)
    assert all(len(str(one.why)) > 10 for one in marked)
    text = "".join(PAGES.values())
    assert text.count("<!-- not run: ") == len(marked) + text.count("`<!-- not run: ")


def test_commands_and_output_are_distinguished() -> None:
    shell = Block("a.md", "", "mmrl train --env A \\\n  --out b  # why\ncd c && make d\n", None)
    assert shell.is_shell
    assert shell.commands() == [
        ["mmrl", "train", "--env", "A", "--out", "b"], ["cd", "c"], ["make", "d"],
    ]  # fmt: skip
    assert not Block("a.md", "", "success 98% of 512\n", None).is_shell

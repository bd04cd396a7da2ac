"""The tutorial from its first command to its last, with few steps; the Chinese one is the same."""

from pathlib import Path
from typing import Any

import pytest
from page_blocks import ROOT, Block, blocks

from mmrl.cli import main

PAGE, CHINESE = "docs/tutorial.md", "docs/tutorial.zh-CN.md"
SMALL = (
    "--steps=128", "--eval_episodes=4", "--clip_every=0", "--model.features=16",
    "--model.text=bag_of_words", "--ppo.auxiliary=none", "--ppo.num_envs=8", "--ppo.n_steps=8",
    "--ppo.batch_size=32",
)  # fmt: skip


def of(page: str) -> list[Block]:
    """The blocks of a page that are run."""
    return [one for one in blocks() if one.page == page and one.why is None]


def shortened(words: list[str]) -> list[str]:
    """A command with few steps and episodes."""
    if words[1] == "train":
        return [*words, *SMALL]
    if words[1] == "eval":
        return ["4" if word == "100" else word for word in words]
    return words


def test_from_zero_to_an_agent_in_your_own_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    scope: dict[str, Any] = {"__name__": "tutorial"}
    for one in of(PAGE):
        if "class Buttons" in one.text:
            (tmp_path / "buttons.py").write_text(one.text)
        elif one.kind == "python":
            exec(one.text, scope)
        elif one.is_shell:
            for words in one.commands():
                assert main(shortened(words)[1:]) == 0, words
    assert scope["observation"]["image"].shape == (32, 64, 3)
    assert scope["action"] in (0, 1)
    for made in ("runs/demo/result.json", "runs/buttons/result.json", "buttons.gif"):
        assert (tmp_path / made).is_file(), made
    printed = capsys.readouterr().out
    assert "agents can be trained in it" in printed
    assert "swapped instructions" in printed


def test_its_environment_is_the_example_s() -> None:
    (text,) = (one.text for one in of(PAGE) if "class Buttons" in one.text)
    example = (ROOT / "examples" / "buttons.py").read_text()
    assert example.partition('"""\n\n')[2] == text


def test_the_chinese_one_has_the_same_commands() -> None:
    both = ([one.commands() for one in of(page) if one.is_shell] for page in (PAGE, CHINESE))
    assert next(both) == next(both)

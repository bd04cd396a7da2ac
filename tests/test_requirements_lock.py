"""``requirements.lock``: the versions of ``constraints.txt``, with hashes, and no place."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
LOCKED = {
    canonicalize_name(name): (version, hashes)
    for name, version, hashes in re.findall(
        r"^([\w.-]+)==([\w.]+)[^\n]*\\\n((?: +--hash=sha256:[0-9a-f]{64}[ \\]*\n)+)",
        LOCK,
        re.MULTILINE,
    )
}
LEFT_OUT = {"torch", "torchvision"}  # which file is right depends on the device


def test_every_line_is_a_version_with_hashes() -> None:
    lines = [line for line in LOCK.splitlines() if line and line[0] not in "# "]
    assert len(lines) == len(LOCKED)


def test_the_versions_are_those_that_were_tested_together() -> None:
    text = (ROOT / "constraints.txt").read_text("utf-8")
    pins = {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([\w.-]+)==(.+)$", text, re.MULTILINE)
    }
    both = LOCKED.keys() & pins.keys()
    assert {name: LOCKED[name][0] for name in both} == {name: pins[name] for name in both}


def test_it_has_the_core_and_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    for_developers = ("bench", "dev", "docs", "notebooks")
    chosen = [one for name in extras.keys() - set(for_developers) for one in extras[name]]
    wanted = {
        canonicalize_name(Requirement(line).name) for line in project["dependencies"] + chosen
    }
    assert wanted - LEFT_OUT - {"multimodal-rl"} <= LOCKED.keys()
    assert not LEFT_OUT & LOCKED.keys()


def test_it_names_no_place() -> None:
    assert not re.findall(r"https?://|file:|^-|/opt", LOCK, re.MULTILINE)

"""The pages: links resolve, options are spelt as the parser has them, levels are up to date."""

import importlib.util
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from mmrl_envs.grid.generation.levels import FAMILIES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PRIVATE = re.compile(
    r"\b(told|judged|judgement|dreamt|foretold|foretell|goes on|go on|by chance|pictures?|"
    r"carried out|ears shut|learnt state)\b",
    re.IGNORECASE,
)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    lines = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.fixture(scope="module")
def pages():
    """The module ``docs/make_pages.py``."""
    spec = importlib.util.spec_from_file_location("make_pages", DOCS / "make_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(CODE.sub("", page.read_text())):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        exists = target.exists() and target.is_relative_to(ROOT)
        if not exists or (anchor and anchor not in headings(target)):
            broken.append(link)
    assert not broken


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    for page in DOCS.glob("*.md"):
        assert page.name == "README.md" or f"({page.name}" in index, page.name


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 220


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_options_have_dashes_and_flags_no_value(page: Path) -> None:
    text = page.read_text()
    assert not re.findall(r"(?<!\S)`?--[\w.-]*_[\w.-]*", text)
    assert not re.findall(r"--[\w.-]+ true\b", text)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_use_the_words_of_the_field(page: Path) -> None:
    text = LINK.sub("]", page.read_text())
    lines = [line for line in text.splitlines() if PRIVATE.search(line)]
    if page.parent.name == "levels":  # tables of the levels' own docstrings
        lines = [line for line in lines if not line.startswith("|")]
    assert not lines


@pytest.mark.parametrize("family", FAMILIES)
def test_page_of_a_family_is_up_to_date(pages, family):
    text = (DOCS / "levels" / f"{pages.slug(family)}.md").read_text()
    assert text == pages.page(family)
    for level in FAMILIES[family]:
        assert f"`mmrl/{level}-v0`" in text
    with Image.open(DOCS / "levels" / f"{pages.slug(family)}.png") as image:
        assert len(image.convert("RGB").getcolors(1 << 24)) > 20


def test_the_first_page_leads_to_all(pages):
    text = (DOCS / "levels" / "README.md").read_text()
    assert text == pages.overview()
    assert all(f"({pages.slug(family)}.md)" in text for family in FAMILIES)

"""The site is built without a warning, and a reader finds the way through it in a browser."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from page_blocks import ROOT

pytest.importorskip("mkdocs", reason="mkdocs is not installed")
from docstrings import as_markdown
from screenshots import DESKTOP, PHONE, serve, small

WAY = (
    ("Tutorial", "tutorial.html", "Tutorial: from zero"),
    ("Your own environment", "your_environment.html", "Your own environment"),
    ("Dashboard", "howto/dashboard.html", "Dashboard"),
)
"""What a reader clicks on, from the first page on: link, address, heading."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as by ``make docs``."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


def test_it_has_all_pages_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 80
    for page in pages:
        text = page.read_text()
        assert not re.findall(r"<(?:script|img|iframe)[^>]+src=\"?https?:", text), page
        assert not re.findall(r"<link[^>]+stylesheet[^>]+href=\"?https?:", text), page


def links_of(page: Path) -> list[str]:
    """The files that the text of a page links to or shows."""
    article = page.read_text().partition("<article")[2].partition("</article>")[0]
    return [unquote(one) for one in re.findall(r'(?:href|src)="([^"#:]+)["#]', article)]


def test_every_link_within_it_leads_somewhere(site: Path) -> None:
    pages = [one for one in site.rglob("*.html") if one.name != "404.html"]
    links = [(page, link) for page in pages for link in links_of(page)]
    assert len(links) > 400
    assert not [f"{page}: {link}" for page, link in links if not (page.parent / link).exists()]


def test_files_of_the_repository_and_help_are_in_it(site: Path) -> None:
    assert "class FilmFusion" in re.sub(
        r"<[^>]+>", "", (site / "source/mmrl/models/fusion/film.py.html").read_text()
    )
    assert (site / "source/benchmarks/results/learning-demo.json").is_file()
    commands = (site / "reference/commands.html").read_text()
    assert "--alternatives ALTERNATIVES" in commands
    assert 'href="../source/mmrl/contract.py.html"' in (site / "concepts/contract.html").read_text()


def test_a_broken_link_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    settings = (ROOT / "mkdocs.yml").read_text()
    head = settings.partition("\nnav:")[0].replace("hooks: [docs/hooks.py]\n", "")
    head = head.replace("docs/docstrings.py", str(ROOT / "docs/docstrings.py"))
    (tmp_path / "mkdocs.yml").write_text(f"{head}\nnav: [index.md]\n")
    (tmp_path / "docs" / "site.css").write_text("")
    (tmp_path / "docs" / "index.md").write_text("# A\n\n[b](b.md) [c](#nowhere)\n")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert built.returncode == 1
    assert "b.md" in built.stderr
    assert "#nowhere" in built.stderr


def test_docstrings_become_markdown() -> None:
    text = as_markdown("See :class:`~a.b.C`, :func:`f`, `x`. So::\n\n    code", "a.b")
    assert '<autoref optional identifier="a.b.C"><code>C</code></autoref>' in text
    assert 'identifier="a.b.f"' in text
    assert text.endswith("`x`. So:\n\n    code")


FOCUSABLE = """() => [...document.querySelectorAll("pre > code")].every(
    one => one.scrollWidth <= one.clientWidth || one.hasAttribute("tabindex"))"""


class Reader:
    """A reader's page, with what went wrong and what was asked of other machines."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.page, self.address = browser.new_page(**options), address
        self.problems: list[str] = []
        self.page.set_default_timeout(20_000)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)
        self.page.on("console", self._wrote)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.problems.append(f"asked for {request.url}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")

    def _wrote(self, line: Any) -> None:
        if line.type == "error":
            self.problems.append(line.text)

    def open(self, place: str) -> None:
        """Open a page of the site, and wait until its scripts have done their part."""
        self.page.goto(f"{self.address}{place}", wait_until="networkidle")
        self.page.locator(".md-search[aria-label]").wait_for(state="attached")
        self.page.wait_for_function(FOCUSABLE)

    def follow(self, name: str) -> None:
        """Click on a link within the text."""
        self.page.locator("article").get_by_role("link", name=name, exact=True).first.click()

    def heading(self) -> str:
        """The heading of the page."""
        return str(self.page.locator("article h1").inner_text())


def test_a_reader_finds_the_way(site: Path, browser: Any) -> None:
    """README, tutorial, own environment, dashboard; then a search, and the dark colours."""
    with serve(site) as address:
        reader = Reader(browser, address, viewport=DESKTOP, color_scheme="light")
        reader.open("project/readme.html")
        assert reader.heading().startswith("mmrl")
        for name, place, heading in WAY:
            reader.follow(name)
            reader.page.wait_for_url(f"**/{place}")
            assert reader.heading().startswith(heading)
        reader.page.get_by_placeholder("Search").click()
        reader.page.keyboard.type("hindsight")
        reader.page.locator(".md-search-result__item").first.wait_for()
        reader.page.keyboard.press("Escape")
        before = reader.page.evaluate("getComputedStyle(document.body).backgroundColor")
        reader.page.locator("label[title=Dark]").click()
        reader.page.wait_for_function(
            "before => getComputedStyle(document.body).backgroundColor != before", arg=before
        )
        assert not reader.problems


def test_it_fits_a_phone(site: Path, browser: Any) -> None:
    with serve(site) as address:
        reader = Reader(browser, address, viewport=PHONE, color_scheme="dark")
        for place in ("index.html", "tutorial.html", "measured.html", "reference/mmrl.html"):
            reader.open(place)
            assert reader.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        screenshot = small(reader.page.screenshot())
        assert screenshot.startswith(b"\x89PNG")
        assert len(screenshot) < 150_000
        assert not reader.problems


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_without_a_mouse_or_colours(site: Path, browser: Any, scheme: str) -> None:
    """axe-core finds nothing serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with serve(site) as address:
        reader = Reader(browser, address, viewport=DESKTOP, color_scheme=scheme)
        reader.open("tutorial.html")
        found = axe.run(reader.page).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert not [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in serious]

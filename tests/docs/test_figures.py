"""Figures of the pages are those of the result files; what is not checked is listed."""

from collections import Counter

import pytest
from figure_check import PAGES, UNCHECKED, figures, flat, listing, unchecked
from figures.reading import percent, rounded, span
from figures.statements import ALL
from figures.tables import names, refreshed, table


@pytest.mark.parametrize("made", ALL, ids=lambda one: f"{one.__module__[13:]}-{one.__name__}")
def test_sentences_have_the_figures_of_the_files(made) -> None:
    missing = [
        f"{page}: {text}"
        for page, text in made()
        if flat(text) not in flat(PAGES[page].read_text())
    ]
    assert not missing


@pytest.mark.parametrize("page", [one for one in PAGES if names(PAGES[one].read_text())])
def test_tables_are_those_of_the_files(page: str) -> None:
    text = PAGES[page].read_text()
    assert text == refreshed(text), "run: python docs/make_results.py"


def test_what_is_not_checked_is_listed_and_gets_less() -> None:
    """A new figure gets a statement; what got one leaves the list, see figure_check.py."""
    assert unchecked() == UNCHECKED.read_text()


def test_a_figure_that_is_not_the_file_s_is_found() -> None:
    text = "Success is 98.7%, as the file says ([file](../benchmarks/results/a.json)), of 512."
    assert figures("docs/a.md", text, ["Success is 98.7%"]) == ["512"]
    assert figures("docs/a.md", text, ["Success is 98.8%"]) == ["512", "98.7%"]
    assert figures("docs/a.md", "Nothing to check: 12 pages.", []) == []
    assert figures("docs/a.md", "`--steps 5` and 7 ([figures](measured.md#a-7))", []) == ["7"]
    assert listing({"a.md": ["1", "1", "2"]}) == "a.md (3): 1×2 2\n"


def test_a_table_that_was_edited_by_hand_is_written_anew() -> None:
    page = "Before\n<!-- table: workers -->\n| x |\n<!-- end of table -->\nafter"
    assert names(page) == ["workers"]
    assert f"-->\n\n{table('workers')}\n\n<!--" in refreshed(page)
    assert refreshed(refreshed(page)) == refreshed(page)
    with pytest.raises(KeyError):
        table("_minutes")
    with pytest.raises(ValueError, match="holds text"):
        refreshed("<!-- table: workers -->\n| x |\n\nA sentence.\n\n<!-- end of table -->\n")


def test_how_numbers_are_written() -> None:
    assert percent(0.16406) == "16.4%"
    assert span((-0.01, 1.2)) == "0.0% to 100.0%"
    assert rounded(48_708.6) == "48,700"
    assert Counter(figures("docs/measured.md", "1,990,350 and 7.5 of x7y", [])) == Counter(
        ["1,990,350", "7.5"]
    )

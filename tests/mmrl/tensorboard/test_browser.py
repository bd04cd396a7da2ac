"""The page in a browser, within the real TensorBoard: one server and one page for all tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_episodes import episode, write

from mmrl.records import read_record
from mmrl.tensorboard.server import start

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

MARKUP = "<img src=x onerror=\"document.title='run'\"><b>reach</b> & stop"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1300, "height": 900}


@pytest.fixture(scope="module")
def address(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """TensorBoard's address; among the records is one whose instruction is markup."""
    folder = tmp_path_factory.mktemp("browser") / "runs"
    shutil.copytree(runs, folder)
    markup = episode(99, instructions=[MARKUP] * 13, kind="markup", checkpoint=20_000)
    write(folder / "planner", "markup", markup)
    return start([folder], 0).removesuffix("#rollouts")


class Tab:
    """TensorBoard's tab Rollouts in a page."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on(
            "console",
            lambda line: self.problems.append(line.text) if line.type == "error" else None,
        )
        page.set_default_timeout(20_000)

    def open(self, view: str = "") -> Any:
        """Load TensorBoard; the frame of the tab."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}#rollouts{view}")
        self.frame = self.page.locator("iframe").element_handle().content_frame()
        self.frame.locator("tbody tr[data-id]").first.wait_for()
        return self.frame

    def show(self, view: str = "") -> Any:
        """Show another view by the address, as a link does."""
        self.page.set_viewport_size(DESKTOP)
        self.page.evaluate("view => { location.hash = view }", f"rollouts{view}")
        playing = "playing" if "episode=" in view else None
        if playing:
            self.frame.locator(".controls").wait_for()
        else:
            self.frame.locator(".rollouts:not(.playing)").wait_for()
        return self.frame

    def status(self, text: str) -> None:
        """Wait until the line above the list says something."""
        self.frame.locator(".status", has_text=text).wait_for()

    def step(self, counter: str) -> None:
        """Wait until the player is at a step."""
        self.frame.locator(".counter", has_text=counter).wait_for()

    def findings(self) -> list[str]:
        """What axe-core finds that is serious or critical."""
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        return [
            f"{one['id']}: {one['nodes'][0]['html'][:200]}"
            for one in axe.run(self.frame).response["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    def is_too_wide(self) -> bool:
        return self.frame.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.fixture(scope="module")
def tab(browser: Any, address: str) -> Iterator[Tab]:
    page = browser.new_page(viewport=DESKTOP, reduced_motion="reduce")  # colours stay still
    tab = Tab(page, address)
    tab.open()
    yield tab
    page.close()


@pytest.fixture(autouse=True)
def no_errors(tab: Tab) -> Iterator[None]:
    """No test leaves an error in the console."""
    yield
    problems, tab.problems[:] = tab.problems[:], []
    assert not problems


def test_the_list_counts_what_is_damaged(tab):
    tab.show()
    tab.status("1–25 of 73 episodes · 1 damaged, left out · 1 of a newer version, left out")
    assert tab.frame.locator("tbody tr[data-id]").count() == 25
    assert not tab.findings()


def test_filters_order_and_pages(tab):
    frame = tab.show()
    frame.get_by_role("button", name="next page").click()
    tab.status("26–50 of 73")
    frame.get_by_label("outcome").select_option("false")
    frame.get_by_label("run", exact=True).select_option("=arm/first")
    frame.get_by_label("words of the instruction").fill("TRAY")
    frame.locator(".status", has_text="73 in all").wait_for()
    frame.wait_for_function("[...document.querySelectorAll('.words')].every("
                            "one => one.textContent.includes('the tray'))")  # fmt: skip
    assert "q=TRAY" in tab.page.url
    frame.get_by_role("button", name="clear").click()
    tab.status("of 73")
    frame.get_by_role("button", name="steps", exact=True).click()
    frame.locator("th[aria-sort=descending]", has_text="steps").wait_for()
    lengths = frame.locator("td[data-label=steps]").all_inner_texts()
    assert lengths == sorted(lengths, key=int, reverse=True)


def test_a_cell_of_the_heat_map_selects_its_episodes(tab):
    frame = tab.show()
    cell = frame.get_by_role("button", name="push, 36,667 to")
    assert "3 episodes, success unknown" in cell.get_attribute("aria-label")
    cell.click()
    frame.locator("[aria-pressed=true].cell").wait_for()
    tab.status("1–3 of 3")
    assert set(frame.locator("td[data-label=after]").all_inner_texts()) == {"40,000"}
    frame.locator("[aria-pressed=true].cell").click()
    tab.status("of 73")


def test_the_player_shows_the_frames_of_the_record(tab, runs):
    frame = tab.show("&p.rollouts.episode=arm%2Fsecond%2F0003.episode")
    record = read_record(runs / "arm/second/episodes/0003.episode")
    tab.step("0 / 9")
    page = tab.page
    frame.locator(".play").focus()
    for key, at in [("ArrowRight", 1), ("ArrowRight", 2), ("End", 9), ("ArrowLeft", 8),
                    ("Home", 0)]:  # fmt: skip
        page.keyboard.press(key)
        tab.step(f"{at} / 9")
    frame.get_by_role("slider").fill("4")
    tab.step("4 / 9")
    canvas = frame.get_by_role("img", name="what the agent sees")
    frame.locator("canvas[data-step='4']").nth(1).wait_for()
    pixels = canvas.evaluate(
        "one => [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data]"
    )
    shown = np.array(pixels, np.uint8).reshape(64, 64, 4)[..., :3]
    assert (shown == record.frames["image"][4]).all()
    action = frame.locator(".action strong").inner_text()
    assert action == record.action_names[4]
    chosen = frame.locator(".bar.chosen .bar-value").inner_text()
    assert chosen == f"{round(100 * record.numbers['probabilities'][4].max())}%"
    assert frame.locator(".clause.done").count() == 0
    page.keyboard.press("End")
    tab.step("9 / 9")
    assert frame.locator(".clause.done").count() == sum(record.infos[-1]["clauses_done"])
    assert not tab.findings()


def test_playing_ends_at_the_end(tab):
    frame = tab.show("&p.rollouts.episode=arm%2Ffirst%2F0000.episode&p.rollouts.speed=8")
    frame.get_by_label("speed").select_option("8")
    frame.get_by_role("heading", level=2).first.click()
    tab.page.keyboard.press(" ")
    tab.step("6 / 6")
    frame.locator(".play[aria-pressed=false]").wait_for()


def test_the_keys_j_and_k_go_through_the_list(tab):
    frame = tab.show("&p.rollouts.run=planner")
    tab.status("of 25")
    frame.locator(".open-episode").first.click()
    frame.locator("tr.open").wait_for()
    ids = frame.locator("tr[data-id]").evaluate_all("rows => rows.map(one => one.dataset.id)")
    for key, k in (("j", 1), ("j", 2), ("k", 1)):
        tab.page.keyboard.press(key)
        frame.locator(f"tr.open[data-id='{ids[k]}']").wait_for()
    tab.page.keyboard.press("?")
    frame.get_by_role("dialog").wait_for()
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("Escape")
    frame.locator(".rollouts:not(.playing)").wait_for()


def test_two_episodes_in_step(tab):
    frame = tab.show("&p.rollouts.episode=planner%2F0002.episode")
    compare = frame.get_by_label("compare with another episode")
    same = frame.locator("[label='the same seed, 2'] option", has_text="arm/second").first
    same = same.get_attribute("value")
    compare.select_option(same)
    frame.locator(".two .episode").nth(1).wait_for()
    frame.get_by_role("slider").fill("5")
    tab.step("5 / ")
    frame.wait_for_function("document.querySelectorAll(\"canvas[data-step='5']\").length === 5")
    assert frame.locator("figcaption").all_inner_texts().count("imagined") == 1
    compare.select_option("choose")
    frame.locator(".picking-note").wait_for()
    frame.locator("tr[data-id='planner/markup.episode'] button").click()
    frame.locator(".two .instruction", has_text=MARKUP).wait_for()
    assert not tab.findings()


def test_a_link_opens_the_view_again(tab, browser, address):
    tab.show("&p.rollouts.run=arm%2Fsecond&p.rollouts.episode=arm%2Fsecond%2F0009.episode")
    tab.step("0 / ")  # of this episode: it may load while another one is shown
    tab.frame.get_by_role("slider").fill("3")
    tab.page.wait_for_url("**step=3*")
    link = tab.page.url
    other = Tab(browser.new_page(viewport=DESKTOP), address)
    frame = other.open(link.partition("#rollouts")[2])
    other.step("3 / ")
    other.status("of 24")
    assert frame.locator("tr.open").get_attribute("data-id") == "arm/second/0009.episode"
    assert (other.page.url, other.problems) == (link, [])
    other.page.close()


def test_markup_is_shown_as_text(tab):
    frame = tab.show("&p.rollouts.episode=planner%2Fmarkup.episode")
    frame.locator(".instruction", has_text="onerror").wait_for()
    assert frame.locator(".instruction").inner_text() == MARKUP
    assert frame.locator("tr.open .open-episode").inner_text() == MARKUP
    assert frame.locator("img[src=x], b").count() == 0


def test_dark_as_tensorboard(tab):
    frame = tab.show("&p.rollouts.episode=arm%2Fsecond%2F0003.episode")
    color = "getComputedStyle(document.body).backgroundColor"
    assert frame.evaluate(color) == "rgb(255, 255, 255)"
    tab.page.evaluate("document.body.classList.add('dark-mode')")
    frame.wait_for_function(f"{color} !== 'rgb(255, 255, 255)'")
    assert not tab.findings()
    tab.page.evaluate("document.body.classList.remove('dark-mode')")


def test_nothing_is_wider_than_a_phone(tab):
    for view in (
        "",
        "&p.rollouts.episode=planner%2F0002.episode",
        "&p.rollouts.episode=planner%2F0002.episode&p.rollouts.with=arm%2Fsecond%2F0002.episode",
    ):
        tab.show(view)
        tab.page.set_viewport_size(PHONE)
        assert not tab.is_too_wide()
        assert not tab.findings()
    tab.page.set_viewport_size(DESKTOP)


def test_without_records_it_is_said_how_to_record(tab):
    empty = {"episodes": [], "total": 0, "all": 0, "facets": {}, "damaged": 0, "newer": 0,
             "left_out": 0, "formats": []}  # fmt: skip
    tab.page.route("**/rollouts/episodes?*", lambda route: route.fulfill(json=empty))
    frame = tab.show("&p.rollouts.sort=run")
    frame.get_by_text("mmrl record RUN").wait_for()
    assert "RolloutRecorder" in frame.locator(".nothing").inner_text()
    tab.page.unroute("**/rollouts/episodes?*")

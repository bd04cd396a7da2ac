"""Screenshots of TensorBoard's tab Rollouts, by a headless Chromium.

    python benchmarks/rollouts_screenshots.py OUT                  synthetic episodes
    python benchmarks/rollouts_screenshots.py OUT --logdir runs    real ones

OUT gets ``list.png``, ``light.png``, ``dark.png``, ``phone.png``, and, where the episodes allow it,
``comparison.png`` (two episodes of the same seed) and ``imagination.png`` (a world model's frames
beside the true ones). It needs playwright and a Chromium, see CONTRIBUTING.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode
from urllib.request import urlopen

from playwright.sync_api import Browser, sync_playwright

from mmrl.tensorboard.server import start

TESTS: Final = Path(__file__).parent.parent / "tests"
_DESKTOP: Final = {"width": 1360, "height": 860}
_PHONE: Final = {"width": 390, "height": 844}
_PAGE: Final = 200
_SETTLED_MS: Final = 700


def all_episodes(address: str) -> list[dict[str, Any]]:
    """The summaries of all episodes, the latest of training first."""

    def pages() -> Iterator[list[dict[str, Any]]]:
        offset, total = 0, 1
        while offset < total:
            query = urlencode({"sort": "step", "limit": _PAGE, "offset": offset})
            with urlopen(f"{address}data/plugin/rollouts/episodes?{query}") as answer:
                found = json.load(answer)
            yield found["episodes"]
            total, offset = found["total"], offset + _PAGE

    return [one for page in pages() for one in page]


def views(episodes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is shown, by the name of the image: parts of the address."""
    long = max(episodes, key=lambda one: (one["success"] is True, min(one["steps"], 12)))
    shown = {"episode": long["id"], "step": long["steps"] // 2}
    found: dict[str, dict[str, Any]] = {
        "list": {}, "light": shown, "dark": shown, "phone": shown,
    }  # fmt: skip
    same = defaultdict(list)
    for one in episodes:
        if one["seed"] is not None and "imagined" not in one["cameras"]:
            same[one["env"], one["seed"]].append(one)
    pairs = [
        (first, other)
        for group in same.values()
        for first in group
        for other in group
        if first["success"] and first["checkpoint"] != other["checkpoint"]
    ]
    if pairs:
        first, other = min(pairs, key=lambda pair: bool(pair[1]["success"]))
        found["comparison"] = {"episode": other["id"], "with": first["id"], "step": 3}
    imagined = [one for one in episodes if "imagined" in one["cameras"]]
    if imagined:
        one = max(imagined, key=lambda one: one["steps"])
        found["imagination"] = {"episode": one["id"], "step": one["steps"] - 2}
    return found


def screenshot(browser: Browser, address: str, name: str, view: dict[str, Any], out: Path) -> None:
    """Take one of them."""
    size = _PHONE if name == "phone" else _DESKTOP
    scheme: Any = "dark" if name == "dark" else "light"
    page = browser.new_page(viewport=size, color_scheme=scheme, device_scale_factor=1.5)
    parts = "".join(f"&p.rollouts.{key}={quote(str(one), '')}" for key, one in view.items())
    page.goto(f"{address}#rollouts{parts}")
    frame = page.frame_locator("iframe").first
    frame.locator("tr[data-id]").first.wait_for(state="attached")
    if "episode" in view:
        frame.locator(f"canvas[data-step='{view['step']}']").first.wait_for()
    page.wait_for_timeout(_SETTLED_MS)
    page.screenshot(path=out / f"{name}.png")
    page.close()


def main() -> None:
    """Start TensorBoard and take all screenshots."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of the images")
    parser.add_argument("--logdir", type=Path, default=None, help="of real episodes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        logdir = options.logdir
        if logdir is None:
            sys.path.insert(0, str(TESTS))
            from synthetic_episodes import write_runs

            logdir = Path(folder) / "runs"
            write_runs(logdir)
        address = start([logdir], 0).removesuffix("#rollouts")
        episodes = all_episodes(address)
        if not episodes:
            raise SystemExit(f"{logdir} has no episode records")
        options.out.mkdir(parents=True, exist_ok=True)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, view in views(episodes).items():
            screenshot(browser, address, name, view, options.out)
            print(options.out / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()

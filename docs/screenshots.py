"""Screenshots of the documentation site, by a headless Chromium.

    make docs && python docs/screenshots.py docs

The folder gets ``site_light.png``, ``site_dark.png`` and ``site_phone.png``. It needs playwright
and a Chromium, see CONTRIBUTING.md.
"""

from __future__ import annotations

import argparse
import io
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from PIL import Image

SITE: Final = Path(__file__).parent.parent / "site"
DESKTOP: Final = {"width": 1280, "height": 800}
PHONE: Final = {"width": 390, "height": 844}
VIEWS: Final = {
    "site_light": ("index.html", "light", DESKTOP),
    "site_dark": ("reference/mmrl.html", "dark", DESKTOP),
    "site_phone": ("tutorial.html", "light", PHONE),
}
"""By name: the page, the colours and the size of the window."""
_COLORS: Final = 128


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """A server of a folder on 127.0.0.1; its address, which ends with a slash."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def small(png: bytes) -> bytes:
    """A screenshot with fewer colours, as a PNG."""
    with Image.open(io.BytesIO(png)) as image:
        buffer = io.BytesIO()
        image.convert("RGB").quantize(_COLORS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main() -> None:
    """Take all screenshots."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of the images")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with serve(SITE) as address, sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, (page, scheme, size) in VIEWS.items():
            colors: Any = scheme
            window: Any = size
            view = browser.new_page(viewport=window, color_scheme=colors)
            view.goto(f"{address}{page}", wait_until="networkidle")
            (out / f"{name}.png").write_bytes(small(view.screenshot()))
            print(out / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()

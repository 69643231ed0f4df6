"""Takes every page at three widths and in both themes, to be looked at.

Run by `make screenshots`: starts Virtuoso on the simulator, waits for scores, and writes PNG files.
"""

import argparse
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.pages import CHROMIUM_FLAGS  # noqa: E402 - its folder is named above
from support.processes import Running, running, wait_for  # noqa: E402 - its folder is named above

WIDTHS = (1600, 1100, 390)
HEIGHT = 1000
PHONE = 480
"""Up to this width the phone's page is taken."""
SETTLE_MS = 4_000
EXTRA = (
    "/s/BTCUSDT",
    "/?open=ETHUSDT",
    "/overview?area=root",
    "/movers?window=15m&min=50000000",
    "/beta?sort=-correlation&pick=ETHUSDT",
    "/health?late=1",
    "/alerts?tab=rules&edit=confluence-strong-buying",
    "/config?all=1",
    "/?at=@minute",
)
"""Places that no line of the rail names as they are; `@minute` is the last one that is over."""
NARROW = (
    "/",
    "/s/BTCUSDT",
    "/overview",
    "/movers",
    "/alerts",
    "/alerts?tab=rules",
    "/beta",
    "/health",
)
"""Pages of the desktop that hold at the phone's width too."""


def places() -> list[str]:
    """Every page of the rail, as the desktop lists them, and the places of EXTRA."""
    listed = (ROOT / "web/src/desktop/pages.ts").read_text("utf-8")
    found = re.findall(r'\{ path: "([^"]+)"', listed)
    return [each for each in found if each != "/s/"] + list(EXTRA)


def name_of(place: str) -> str:
    """Name a place's file."""
    return re.sub(r"\W+", "-", place).strip("-") or "board"


def take(live: Running, folder: Path) -> None:
    """Take all pictures from a running system."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        for width in WIDTHS:
            phone = width <= PHONE
            for theme in ("dark", "light"):
                context = browser.new_context(
                    viewport={"width": width, "height": HEIGHT}, has_touch=phone
                )
                context.add_init_script(f"localStorage.setItem('virtuoso.theme', '{theme}')")
                page = context.new_page()
                wanted = ["/mobile#/", "/mobile#/s/BTCUSDT"] if phone else []
                wanted += [f"/#{each}" for each in (NARROW if phone else places())]
                for place in wanted:
                    minute = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(time.time() - 30))
                    page.goto(f"{live.url}{place.replace('@minute', minute)}")
                    page.reload()
                    page.wait_for_timeout(SETTLE_MS)
                    page.screenshot(path=folder / f"{name_of(place)}-{width}-{theme}.png")
                context.close()
        browser.close()


def main() -> None:
    """Take the pictures into the folder named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("/tmp/virtuoso-screenshots"))  # noqa: S108 - pictures, to be looked at
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state, running(Path(state)) as live:

        def scored() -> bool:
            return sum(each["confluence_score"] is not None for each in live.symbols()) > 0

        wait_for("scores", scored, 120)
        take(live, folder)
    sys.stdout.write(f"{len(list(folder.glob('*.png')))} pictures in {folder}\n")


if __name__ == "__main__":
    main()

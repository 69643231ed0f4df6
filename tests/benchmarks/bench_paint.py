"""What a painted update of the board costs the main thread, in turns with a page that only writes.

500 symbols, all changing 20 times a second. Further folders of built dashboards may be named, which
take their turns too; not part of `make bench`: python -m benchmarks.bench_paint [FOLDER ...].
"""

import argparse
import shutil
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from support.mock_board import MockBoard, mock_board
from support.pages import CHROMIUM_FLAGS, COUNT_PAINTS
from virtuoso.web.pages import STATIC

NAMES = [f"COIN{number:03}USDT" for number in range(500)]
HZ = 20.0
SETTLE_MS = 700
PARTS = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")


@dataclass
class Arm:
    """One page that takes its turns; `found`: of each turn ms a paint by PARTS, paints a second."""

    name: str
    mock: MockBoard
    page: Page
    devtools: CDPSession
    found: list[list[float]] = field(default_factory=list)

    def busy(self) -> list[float]:
        """Seconds of the main thread so far, by PARTS."""
        metrics = self.devtools.send("Performance.getMetrics")["metrics"]
        by_name = {each["name"]: float(each["value"]) for each in metrics}
        return [by_name[part] for part in PARTS]

    def turn(self, seconds: float, *, keep: bool) -> None:
        """Let it paint for so long while the others rest."""
        self.mock.hz = HZ
        self.page.wait_for_timeout(SETTLE_MS)
        before, painted = self.busy(), self.page.evaluate("window.paints")
        self.page.wait_for_timeout(1_000 * seconds)
        after, count = self.busy(), self.page.evaluate("window.paints") - painted
        self.mock.hz = 0.0
        self.page.wait_for_timeout(SETTLE_MS / 2)
        if keep and count:
            spent = [1_000 * (b - a) / count for a, b in zip(before, after, strict=True)]
            self.found.append([*spent, count / seconds])


def opened(stack: ExitStack, browser: Browser, folder: Path, width: int) -> Arm:
    """Serve a folder of dashboards, and open its board."""
    mock = stack.enter_context(mock_board(NAMES, static=folder))
    context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.add_init_script(COUNT_PAINTS)
    page.goto(mock.url)
    page.wait_for_selector("[role=row]")
    devtools = context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    return Arm(folder.name, mock, page, devtools)


def main() -> None:
    """Take the turns and print medians, and ratios to the reference of the same round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--width", type=int, default=1_440)
    parser.add_argument("--pointer", action="store_true", help="leave the pointer in the rows")
    given = parser.parse_args()
    folders = [Path(__file__).parent / "board_reference", STATIC, *given.folders]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        arms = [opened(stack, browser, folder, given.width) for folder in folders]
        for arm in arms:
            if given.pointer:
                arm.page.mouse.move(700, 400)
            arm.turn(given.seconds, keep=False)
        for turn in range(given.rounds):
            for arm in arms if turn % 2 == 0 else arms[::-1]:
                arm.turn(given.seconds, keep=True)
        browser.close()
    sys.stdout.write(f"{'ms a paint':16} all  script  layout  style  paints/s  of the reference\n")
    for arm in arms:
        middle = [statistics.median(each) for each in zip(*arm.found, strict=True)]
        pairs = zip(arm.found, arms[0].found, strict=False)
        ratios = sorted(mine[0] / reference[0] for mine, reference in pairs)
        sys.stdout.write(
            f"{arm.name:14}{middle[0]:6.1f}{middle[1]:8.1f}{middle[2]:8.1f}{middle[3]:7.1f}"
            f"{middle[4]:10.1f}  {statistics.median(ratios):.2f}"
            f" ({ratios[0]:.2f} to {ratios[-1]:.2f})\n"
        )


if __name__ == "__main__":
    main()

"""Pages that fail the test on any error they were not expected to have."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from support.pages import CHROMIUM_FLAGS, Opener
from support.slack import SLACK

CHROMIUMS = (
    os.environ.get("CHROMIUM") or "chromium-headless-shell",
    os.environ.get("CHROMIUM") or "chromium",
    "chromium-browser",
    "google-chrome",
)
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}

# what no promise gives a time is waited for as long as a machine that others use may take
expect.set_options(timeout=5_000 * SLACK)


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Drive the system's Chromium; rather the one without a window, which takes half of the work.

    For one module only: Playwright keeps an event loop running as long as it lives.
    A module with `WITH_WINDOW` gets the one that people have.
    """
    names = CHROMIUMS[1:] if hasattr(request.module, "WITH_WINDOW") else CHROMIUMS
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(CHROMIUMS)} on PATH: install one, or set CHROMIUM")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, headless=True, args=CHROMIUM_FLAGS
        )
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opener]:
    """Give a function that opens a URL in a fresh context; no console error is tolerated."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def note_console(said: ConsoleMessage) -> None:
        if said.type == "error":
            errors.append(f"console: {said.text}")

    def opener(url: str, *, phone: bool = False, expect_errors: bool = False) -> Page:
        context = browser.new_context(
            viewport=PHONE if phone else DESKTOP,  # type: ignore[arg-type]
            has_touch=phone,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        if not expect_errors:
            page.on("pageerror", lambda error: errors.append(f"page error: {error}"))
            page.on("console", note_console)
        page.goto(url)
        return page

    yield opener
    for context in contexts:
        context.close()
    assert errors == []

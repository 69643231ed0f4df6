"""Pages that fail the test on any error they were not expected to have."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}

Opener = Callable[..., Page]


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

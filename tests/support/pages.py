"""What the browser tests share."""

from collections.abc import Callable

from playwright.sync_api import Page

Opener = Callable[..., Page]
"""Opens a URL in a fresh context: `opener(url, phone=False, expect_errors=False)`."""

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

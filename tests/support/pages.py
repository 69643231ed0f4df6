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

COUNT_PAINTS = """
window.paints = 0
const ask = window.requestAnimationFrame.bind(window)
window.requestAnimationFrame = work => ask(at => { window.paints += 1; work(at) })
"""
"""For a page before it loads: `window.paints` counts the frames in which something was drawn."""

"""A browser that is signed in, without the page of it."""

import json

from playwright.sync_api import Page

from support.guarded import WRITE_TOKEN


def sign_in(page: Page, url: str) -> None:
    """Give the page's browser a session that may change things, and load the page again."""
    answer = page.context.request.post(
        f"{url}/api/session",
        data=json.dumps({"secret": WRITE_TOKEN}),
        headers={"content-type": "application/json", "x-virtuoso": "1"},
    )
    assert answer.ok, answer.text()
    page.reload()

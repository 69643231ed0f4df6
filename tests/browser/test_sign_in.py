"""The sign-in in front of both pages, as a person meets it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from support.guarded import READ_TOKEN
from support.pages import Opener
from support.processes import Running, running, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.process]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Virtuoso that shows nothing without its token."""
    folder = tmp_path_factory.mktemp("sign-in")
    with running(folder, "--symbols", "6", env={"VIRTUOSO_READ_TOKEN": READ_TOKEN}) as process:
        process.client.headers["authorization"] = f"Bearer {READ_TOKEN}"
        wait_for("six symbols", lambda: len(process.symbols()) == 6)
        yield process


@pytest.mark.parametrize(("path", "phone"), [("/", False), ("/mobile", True)])
def test_a_person_signs_in_and_sees_the_board(
    live: Running, open_page: Opener, path: str, *, phone: bool
) -> None:
    """Wrong first, then right; the secret is in no storage of the page, nor in its address."""
    page = open_page(f"{live.url}{path}", phone=phone, expect_errors=True)
    dialog = page.get_by_test_id("sign-in")
    expect(dialog).to_be_visible()
    assert page.get_by_text("BTCUSDT").count() == 0
    box = page.get_by_label("Password or token")
    expect(box).to_be_focused()
    box.fill("not-the-token")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("neither a token nor the password")
    box.fill(READ_TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("BTC").first).to_be_visible()
    expect(dialog).to_have_count(0)
    held = page.evaluate(
        "[document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage), "
        "location.href].join(' ')"
    )
    assert READ_TOKEN not in held
    assert "virtuoso_session" not in held

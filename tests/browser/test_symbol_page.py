"""The page of one symbol on a running system: what is drawn is what the API says, to the digit."""

import gzip
import re
import signal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from support.axe import violations
from support.pages import Opener
from support.processes import Running, running, wait_for
from virtuoso.web.pages import STATIC

pytestmark = [pytest.mark.browser, pytest.mark.process]

SYMBOL = "BTCUSDT"
SPACES = str.maketrans({"\u202f": None, "\u2212": "-", "+": None, " ": None})


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Virtuoso on the simulator with a few symbols, scored."""
    with running(tmp_path_factory.mktemp("symbol"), "--symbols", "4") as process:

        def scored() -> bool:
            found = process.symbols()
            return bool(found) and all(each["confluence_score"] is not None for each in found)

        wait_for("scores", scored, 90)
        yield process


def number(text: str) -> Decimal:
    """Read a number as the page writes it."""
    return Decimal(text.translate(SPACES))


def opened(live: Running, open_page: Opener, tail: str = "") -> Page:
    """Open the symbol's page and wait until its score is there."""
    page = open_page(f"{live.url}/#/s/{SYMBOL}{tail}")
    expect(page.get_by_test_id("contributions")).to_be_visible()
    return page


def test_the_score_is_the_sum_of_what_is_shown(live: Running, open_page: Opener) -> None:
    """50 and the contributions make the score to the last digit; each is weight x pressure."""
    page = opened(live, open_page)
    shown: dict[str, Any] = page.evaluate(
        """() => ({
            parts: [...document.querySelectorAll('[data-contribution]')].map(
                each => each.textContent),
            sum: document.querySelector('[data-testid=sum] b').textContent,
            score: document.querySelector('[data-testid=score] [data-cell=score]').textContent,
        })"""
    )
    assert Decimal(50) + sum(map(number, shown["parts"])) == number(shown["sum"])
    assert shown["sum"] == shown["score"]
    present = "[data-component]:not([data-state=absent]) button"
    page.get_by_test_id("contributions").locator(present).first.click()
    product = page.get_by_test_id("product").first.inner_text()
    weight, pressure, points = re.findall(r"[+\u2212]?\d+\.\d+", product)
    assert abs(number(weight) * number(pressure) - number(points)) <= Decimal("0.02")


def test_the_chart_is_one_axis_and_comes_on_demand(live: Running, open_page: Opener) -> None:
    """Candles, score, flow and open interest in four panes; the timeframe is in the address."""
    page = opened(live, open_page)
    chart = page.get_by_test_id("chart")
    expect(chart.locator("canvas").first).to_be_visible()
    expect(page.get_by_test_id("told")).to_contain_text("O")
    expect(chart).to_contain_text("TradingView")
    assert chart.locator("table").first.locator("tr").count() >= 4
    page.keyboard.press("1")
    expect(page).to_have_url(re.compile(r"tf=1m"))
    expect(chart.locator("[data-timeframe='1m']")).to_have_attribute("aria-pressed", "true")
    other = opened(live, open_page, "?tf=4h")
    pressed = other.get_by_test_id("chart").locator("[data-timeframe='4h']")
    expect(pressed).to_have_attribute("aria-pressed", "true")


def test_the_chart_is_whole_on_a_narrow_screen(live: Running, open_page: Opener) -> None:
    """At the width of a phone both of its switches are in sight, as wide as their words."""
    page = opened(live, open_page)
    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("Volume profile", "Liquidations"):
        switch = page.get_by_test_id("chart").get_by_role("button", name=name)
        switch.scroll_into_view_if_needed()
        box = switch.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_the_chart_is_within_its_bytes() -> None:
    """65 KB of gzip for the chart, fetched when a symbol is opened."""
    sizes = [
        len(gzip.compress(file.read_bytes(), 9, mtime=0))
        for file in STATIC.glob("assets/chart-*.js")
    ]
    assert sizes
    assert max(sizes) <= 65 * 1_024


def test_the_book_has_ten_levels_a_side(live: Running, open_page: Opener) -> None:
    """Asks over bids, prices falling, and since when it is whole."""
    page = opened(live, open_page)
    book = page.get_by_test_id("orderbook")
    expect(book.locator("tr.bid")).to_have_count(10)
    expect(book).to_contain_text("synced since")
    expect(book).to_have_attribute("data-state", re.compile("live|delayed"))
    levels: list[list[str]] = book.locator("tr.ask, tr.bid").evaluate_all(
        "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"
    )
    prices = [number(price) for price, _, _ in levels]
    assert len(prices) == 20
    assert prices == sorted(prices, reverse=True)
    expect(book.locator("svg path")).to_have_count(2)


def test_the_tape_has_a_threshold_in_the_address(live: Running, open_page: Opener) -> None:
    """Trades of the chosen size only, or the sentence that there are none; liquidations beside."""
    page = opened(live, open_page)
    tape = page.get_by_test_id("tape")
    expect(tape.locator("tbody tr").first).to_be_visible()
    page.get_by_test_id("tape-size").select_option("1000000")
    expect(page).to_have_url(re.compile("min=1000000"))
    expect(tape).to_contain_text(re.compile(r"None of the last \d+|\d M|\dM"))
    tape.get_by_role("button", name="Liquidations", exact=True).click()
    expect(page).to_have_url(re.compile("tape=liquidations"))


def test_derivatives_are_those_of_the_api(live: Running, open_page: Opener) -> None:
    """Each figure with its age; the record says plainly that nothing is proven."""
    page = opened(live, open_page)
    strip = page.get_by_test_id("derivatives")
    shown = strip.locator("[data-figure=funding_yearly] b")
    expect(shown).to_be_visible()
    said: dict[str, Any] = live.get(f"/api/symbols/{SYMBOL}/derivatives")["funding_yearly"]  # type: ignore[assignment]
    assert float(number(shown.inner_text())) == pytest.approx(said["value"], abs=2.0)
    expect(page.get_by_test_id("record")).to_contain_text("No outcome of such scores")
    expect(page.get_by_test_id("lenses").locator("[data-lens]")).to_have_count(6)


def test_the_keyboard_goes_from_symbol_to_symbol(live: Running, open_page: Opener) -> None:
    """J goes on, the back button returns, Escape goes to the board."""
    page = opened(live, open_page)
    page.keyboard.press("j")
    expect(page.get_by_test_id("symbol-page")).not_to_have_attribute("data-symbol", SYMBOL)
    page.go_back()
    expect(page.get_by_test_id("symbol-page")).to_have_attribute("data-symbol", SYMBOL)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("board")).to_be_visible()


def test_an_unknown_symbol_is_said(live: Running, open_page: Opener) -> None:
    """In words, its hostile name as text, with the way back."""
    page = open_page(f"{live.url}/#/s/%3Cimg%20src%3Dx%3E", expect_errors=True)
    message = page.get_by_test_id("unknown-symbol")
    expect(message).to_contain_text("<img src=x>")
    assert page.locator("img[src=x]").count() == 0
    page.goto(f"{live.url}/#/s/BTCUSD")
    expect(message).to_contain_text("BTCUSDT")


def test_who_may_not_read_is_told(live: Running, open_page: Opener) -> None:
    """A 401 is no empty page."""
    page = open_page("about:blank", expect_errors=True)

    def refuse(route: Route) -> None:
        body = '{"detail": "Sign in to read this.", "title": "No", "status": 401}'
        route.fulfill(status=401, body=body, content_type="application/problem+json")

    page.route(f"**/api/symbols/{SYMBOL}", refuse)
    page.goto(f"{live.url}/#/s/{SYMBOL}")
    expect(page.get_by_test_id("forbidden")).to_contain_text("Sign in")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_on_the_symbol_page(live: Running, open_page: Opener, theme: str) -> None:
    """WCAG 2.0 to 2.2, A and AA, in both themes; nothing is wider than 1100 or 1600 px."""
    page = opened(live, open_page)
    if theme == "light":
        page.get_by_test_id("theme").click()
    expect(page.get_by_test_id("orderbook").locator("tr.bid")).to_have_count(10)
    assert violations(page) == []
    for width in (1100, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_stopped_server_makes_every_number_stale(live: Running, open_page: Opener) -> None:
    """Price, score, book and derivatives within seconds, each on itself; then all of it heals."""
    page = open_page(f"{live.url}/#/s/{SYMBOL}", expect_errors=True)
    expect(page.locator("[data-testid=orderbook][data-state=live]")).to_be_visible()
    live.process.send_signal(signal.SIGSTOP)
    try:
        for place in ("quote", "score", "orderbook", "tape"):
            expect(page.get_by_test_id(place)).to_have_attribute("data-state", "stale")
        stale = page.get_by_test_id("derivatives").locator("[data-state=live]")
        expect(stale).to_have_count(0)
    finally:
        live.process.send_signal(signal.SIGCONT)
    expect(page.locator("[data-testid=quote][data-state=live]")).to_be_visible(timeout=40_000)

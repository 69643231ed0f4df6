"""The phone's page as a trader keeps it on the home screen: tabs, sheet, offline, bytes, access."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from support.axe import violations
from support.built_pages import first_view, gzipped
from support.guarded import WRITE_TOKEN
from support.mock_board import MockBoard, mock_board
from support.pages import Opener
from support.processes import Running, running, wait_for
from support.slack import SLACK
from virtuoso.web.pages import STATIC

pytestmark = [pytest.mark.browser, pytest.mark.process]

TABS = ("Scores", "Movers", "Alerts", "Market", "More")
HOSTILE = "<img src=x onerror=alert(1)>"
RULE = {
    "id": "phone-test",
    "title": "Price is above nothing",
    "kind": "confluence",
    "level": "critical",
    "symbols": ["BTCUSDT"],
    "cooldown_seconds": 3600,
    "when": {"number": "price", "is": "above", "limit": 0.0},
}


WITH_WINDOW = True
"""The page is kept and opened offline here, by a whole browser."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Virtuoso on the simulator with 22 symbols, where changes need a token; one alert fires."""
    env = {"VIRTUOSO_WRITE_TOKEN": WRITE_TOKEN}
    with running(tmp_path_factory.mktemp("phone"), "--symbols", "22", env=env) as process:
        wait_for("22 scores", lambda: scored(process) >= 22, 90)
        put = process.client.put(
            "/api/alerts/rules/phone-test",
            headers={
                "authorization": f"Bearer {WRITE_TOKEN}",
                "x-virtuoso": "1",
                "content-type": "application/json",
            },
            content=json.dumps(RULE),
        )
        assert put.status_code == 200, put.text
        wait_for("a critical alert", lambda: critical(process))
        yield process


@pytest.fixture(scope="module")
def board() -> Iterator[MockBoard]:
    """Twenty symbols, one of a hostile name, from a server that does what a test says."""
    names = [HOSTILE, *(f"COIN{each}USDT" for each in range(19))]
    with mock_board(names, hz=1) as mock:
        yield mock


@pytest.fixture
def calm(board: MockBoard) -> MockBoard:
    """The board with nothing left over from another test."""
    board.silent = board.frozen = False
    board._frozen_at = None
    return board


def scored(process: Running) -> int:
    """Count the symbols that have a score."""
    return sum(1 for each in process.symbols() if each["confluence_score"] is not None)


def critical(process: Running) -> bool:
    """Whether one is stored that nobody has seen."""
    return bool(process.get("/api/alerts?level=critical&state=active")["alerts"])


def first_card(page: Page) -> str:
    """Wait for the cards, and give the symbol of the first."""
    card = page.get_by_test_id("cards").locator("[data-symbol]").first
    expect(card.locator("[data-cell=price][data-state=live]")).to_be_visible()
    return str(card.get_attribute("data-symbol"))


def tab(page: Page, name: str) -> Locator:
    """The link at the foot of the page."""
    return page.get_by_role("navigation", name="Pages").get_by_role("link", name=name)


def test_tabs_and_sheet_live_in_the_address(live: Running, open_page: Opener) -> None:
    """Each tab and the sheet have an address; the back button leaves what was opened."""
    page = open_page(f"{live.url}/mobile", phone=True)
    symbol = first_card(page)
    tabs = page.get_by_role("navigation", name="Pages").get_by_role("link")
    assert tabs.all_inner_texts() == list(TABS)
    for name in TABS[1:]:
        tabs.filter(has_text=name).click()
        expect(tabs.filter(has_text=name)).to_have_attribute("aria-current", "page")
        expect(page).to_have_url(re.compile(f"#/{name.lower()}$"))
        expect(page.get_by_test_id(name.lower())).to_be_visible()
        expect(page).to_have_title(re.compile(f"SIMULATED · {name}"))
    for name in TABS[-2:0:-1]:
        page.go_back()
        expect(page.get_by_test_id(name.lower())).to_be_visible()
    page.go_back()
    page.get_by_role("button", name=f"Open {symbol}").click()
    sheet = page.get_by_test_id("sheet")
    expect(sheet).to_be_visible()
    expect(page).to_have_url(re.compile(f"open={symbol}"))
    page.go_back()
    expect(sheet).to_have_count(0)
    expect(page.get_by_test_id("cards")).to_be_visible()
    page.go_forward()
    expect(sheet).to_be_visible()
    page.get_by_test_id("sheet-close").click()
    expect(sheet).to_have_count(0)
    expect(page).to_have_url(re.compile("/mobile(#/)?$"))
    page.goto(f"{live.url}/mobile#/movers?open={symbol}")
    page.reload()
    expect(sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    expect(page.get_by_test_id("movers")).to_be_visible()
    page.goto(f"{live.url}/mobile#/nowhere")
    expect(page.get_by_test_id("no-page")).to_be_visible()


def test_cards_are_sorted_starred_found_and_twenty_at_first(
    live: Running, open_page: Opener
) -> None:
    """Twenty cards and a button for the rest; order, stars and search stand in the address."""
    page = open_page(f"{live.url}/mobile", phone=True)
    first_card(page)
    cards = page.get_by_test_id("cards").locator("[data-symbol]")
    expect(cards).to_have_count(20)
    page.get_by_role("button", name="2 more of 22").click()
    expect(cards).to_have_count(22)
    page.get_by_test_id("sort").locator("[data-sort=volume]").click()
    expect(page).to_have_url(re.compile("sort=volume"))
    expect(cards.first).to_have_attribute("data-symbol", "BTCUSDT")
    page.get_by_role("button", name="Star BTCUSDT", exact=True).click()
    page.get_by_role("button", name="Starred only, 1").click()
    expect(cards).to_have_count(1)
    page.reload()
    expect(cards).to_have_count(1)
    page.get_by_role("button", name="Starred only, 1").click()
    page.get_by_label("Find a symbol").fill("eth")
    expect(cards).to_have_count(sum("ETH" in str(each["symbol"]) for each in live.symbols()))
    name = cards.first.get_by_role("button").first.get_attribute("aria-label") or ""
    assert re.search(r"score \d+\.\d of 100, (Bullish|Bearish|Neutral|no direction), live", name)


def test_the_sheet_says_what_is_known_and_fetches_the_chart_on_the_tap(
    live: Running, open_page: Opener
) -> None:
    """Score beside outlook, six contributions that add up, a day's line, derivatives, alerts."""
    page = open_page(f"{live.url}/mobile#/s/BTCUSDT", phone=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    sheet = page.get_by_test_id("sheet")
    expect(sheet.get_by_test_id("sum")).to_contain_text("50")
    expect(sheet).to_contain_text("SIMULATED")
    assert sheet.get_by_test_id("contributions").locator("[data-component]").count() == 6
    score = sheet.get_by_test_id("score").locator("[data-cell=score]").inner_text()
    assert re.fullmatch(r"\d+\.\d\d", score)
    outlook = sheet.get_by_test_id("outlook")
    expect(outlook).to_contain_text("no outcome of such scores has been measured yet")
    assert re.search(r"\d", outlook.inner_text()) is None
    line = sheet.get_by_test_id("day-line").get_by_role("img")
    # the lines of all symbols are drawn every twenty editions
    expect(line).to_have_attribute(
        "aria-label", re.compile("Price over 24 hours, from"), timeout=20_000 * SLACK
    )
    expect(sheet.locator("[data-figure]")).to_have_count(6)
    for figure in sheet.locator("[data-figure]").all():
        assert figure.locator("b").count() or "—" in figure.inner_text()
    expect(sheet.get_by_test_id("symbol-alerts")).to_contain_text("critical", ignore_case=True)
    button = sheet.get_by_test_id("open-chart")
    said = int(re.findall(r"\d+", button.inner_text())[0])
    assert not [url for url in asked if "hart-" in url]
    asked.clear()
    button.click()
    expect(sheet.locator("canvas").first).to_be_visible()
    expect(sheet).to_contain_text("TradingView")
    names = {url.rsplit("/", 1)[1] for url in asked if "/assets/" in url and url.endswith(".js")}
    fetched = gzipped([STATIC / "assets" / name for name in names])
    assert abs(fetched / 1_024 - said) <= 4, f"the button says {said} KB, it is {fetched:,} bytes"


def test_an_unknown_symbol_is_said_and_not_asked_for(live: Running, open_page: Opener) -> None:
    """A designed state with the way on, and no failed request in the console."""
    page = open_page(f"{live.url}/mobile#/?open=BTCNOPE", phone=True)
    message = page.get_by_test_id("unknown-symbol")
    expect(message).to_contain_text("“BTCNOPE” is not watched")
    message.get_by_role("button", name="BTCUSDT").click()
    expect(page.get_by_test_id("contributions")).to_be_visible()


def test_an_alert_is_marked_as_seen_by_who_may(live: Running, open_page: Opener) -> None:
    """Critical first and on the bell; no button without permission; with it the alert moves."""
    page = open_page(f"{live.url}/mobile", phone=True)
    first_card(page)
    bell = page.get_by_test_id("bell")
    expect(bell).to_have_attribute("aria-label", "Alerts: 1 critical")
    bell.click()
    unseen = page.get_by_test_id("unseen")
    expect(unseen.locator("[data-alert]").first).to_have_attribute("data-level", "critical")
    expect(page.get_by_test_id("no-permission")).to_contain_text("must sign in")
    expect(page.get_by_role("button", name="Mark as seen")).to_have_count(0)
    page.get_by_test_id("no-permission").get_by_role("button").click()
    page.get_by_role("button", name="Not now").click()
    expect(page.get_by_test_id("sign-in")).to_have_count(0)
    page.get_by_test_id("no-permission").get_by_role("button").click()
    page.get_by_label("Password or token").fill(WRITE_TOKEN)
    page.get_by_role("button", name="Sign in", exact=True).last.click()
    seen = page.get_by_role("button", name=re.compile("Mark as seen: .*BTCUSDT"))
    expect(seen.first).to_be_visible()
    marked = unseen.locator("[data-alert]").first.get_attribute("data-alert")
    seen.first.click()
    expect(page.get_by_test_id("seen").locator(f"[data-alert='{marked}']")).to_be_visible()
    expect(bell).to_have_attribute("aria-label", "Alerts")
    stored: Any = live.get("/api/alerts?state=acknowledged")["alerts"]
    assert [each["id"] for each in stored] == [marked]


@dataclass
class Wire:
    """What went over the wire for one page."""

    page: Page
    files: int = 0
    socket: int = 0
    asked: list[str] = field(default_factory=list)
    updates: int = 0
    first: int | None = None
    """All of it when the page said that its first live row was there."""
    sent: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        tools = self.page.context.new_cdp_session(self.page)
        tools.send("Network.enable")
        tools.on("Network.loadingFinished", self._finished)
        tools.on("Network.requestWillBeSent", lambda e: self.asked.append(e["request"]["url"]))
        tools.on("Network.webSocketFrameReceived", self._received)
        tools.on("Network.webSocketFrameSent", self._said)

    def _finished(self, event: dict[str, Any]) -> None:
        self.files += int(event["encodedDataLength"])

    def _received(self, event: dict[str, Any]) -> None:
        text = event["response"]["payloadData"]
        self.socket += len(text)
        self.updates += '"type":"update"' in text

    def _said(self, event: dict[str, Any]) -> None:
        said = json.loads(event["response"]["payloadData"])
        self.sent.append(said)
        if said["type"] == "timing":
            self.first = self.files + self.socket


def ready(page: Page) -> None:
    """Wait until the worker has its files and the rows are kept."""
    page.wait_for_function(
        "navigator.serviceWorker.ready.then(() => localStorage['virtuoso.last'] !== undefined)"
    )


def test_it_opens_offline_with_true_ages_and_comes_back(live: Running, open_page: Opener) -> None:
    """Kept rows only, each with its real age, nothing that looks live; then the snapshot alone."""
    page = open_page(f"{live.url}/mobile", phone=True, expect_errors=True)
    first_card(page)
    ready(page)
    page.context.set_offline(True)
    # as if the visit had been ten minutes ago
    page.add_init_script(
        """
        const kept = JSON.parse(localStorage["virtuoso.last"])
        kept.written -= 600_000
        localStorage["virtuoso.last"] = JSON.stringify(kept)
        """
    )
    page.reload()
    band = page.get_by_test_id("feed-band")
    expect(band).to_contain_text(re.compile(r"^Offline\. Last known \d\d:\d\d UTC"))
    expect(page.get_by_test_id("simulated-band")).to_be_visible()
    cards = page.get_by_test_id("cards").locator("[data-symbol]")
    expect(cards).to_have_count(20)
    ages = page.locator("[data-cell=age]").all_text_contents()
    assert all(re.fullmatch(r"○ 1[01]m", text) for text in ages), set(ages)
    assert page.locator("main [data-state=live], main [data-state=delayed]").count() == 0
    cards.first.get_by_role("button").first.click()
    expect(page.get_by_test_id("sheet-dead")).to_contain_text("numbers are 10 min")
    page.get_by_test_id("sheet-close").click()
    for name in TABS[1:]:
        tab(page, name).click()
        expect(page.get_by_test_id(name.lower())).to_be_visible()
    tab(page, "Scores").click()
    page.get_by_test_id("retry").click()
    expect(band).to_contain_text("Offline")
    page.context.set_offline(False)
    first_card(page)
    expect(band).to_have_count(0)
    assert page.locator("[data-cell=age]", has_text="m").count() == 0


def test_offline_with_nothing_kept_shows_nothing(live: Running, open_page: Opener) -> None:
    """It says so; no card, no number of any kind."""
    page = open_page(f"{live.url}/mobile", phone=True, expect_errors=True)
    first_card(page)
    ready(page)
    page.context.set_offline(True)
    page.add_init_script("localStorage.removeItem('virtuoso.last')")
    page.reload()
    expect(page.get_by_test_id("nothing-kept")).to_contain_text("no numbers")
    assert page.locator("[data-symbol]").count() == 0
    expect(page.get_by_role("button", name="Try now").first).to_be_visible()


def test_the_data_saver_asks_for_fewer_updates_and_says_what_is_used(
    calm: MockBoard, live: Running, open_page: Opener
) -> None:
    """One update in five seconds; ages go on being true, and are late, not stale."""
    del calm
    page = open_page("about:blank", phone=True)
    wire = Wire(page)
    page.goto(f"{live.url}/mobile#/more")
    page.locator("[data-saver='5']").click()
    expect(page.locator("[data-saver='5']")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(500)
    asked = [each for each in wire.sent if each["type"] == "subscribe"][-1]
    assert 0.2 <= asked["hz"] < 0.5
    before = wire.updates
    tab(page, "Scores").click()
    page.wait_for_timeout(4_000)
    assert wire.updates - before <= 2
    states = page.locator("[data-cell=price]").evaluate_all("all => all.map(e => e.dataset.state)")
    assert set(states) <= {"live", "delayed"}
    expect(page.get_by_test_id("feed-band")).to_have_count(0)
    tab(page, "More").click()
    expect(page.get_by_test_id("used")).to_contain_text(re.compile(r"\d+ KB this visit"))


def test_a_silent_engine_makes_every_number_stale(calm: MockBoard, open_page: Opener) -> None:
    """Within three seconds of silence nothing looks live; prices that stand still go first."""
    page = open_page(f"{calm.url}/mobile", phone=True)
    page.wait_for_selector("[data-cell=price][data-state=live]")
    calm.silent = True
    began = time.monotonic()
    page.wait_for_selector("[data-testid=feed-band][data-kind=stale]")
    assert time.monotonic() - began < (3 + 1) * SLACK  # three seconds and its tick
    assert page.locator("main [data-state=live]").count() == 0
    expect(page.get_by_test_id("feed")).to_contain_text("Out of date")
    calm.silent = False
    page.wait_for_selector("[data-cell=price][data-state=live]")
    calm.frozen = True
    page.wait_for_selector("[data-cell=price][data-state=stale]")


def test_hostile_names_and_alerts_stay_text(calm: MockBoard, open_page: Opener) -> None:
    """Markup in a symbol, an alert or an address is read, never run."""
    page = open_page("about:blank", phone=True, expect_errors=True)
    page.on("dialog", lambda _: pytest.fail("a script of a name ran"))
    alert = {"id": "a", "level": "critical", "symbol": HOSTILE, "rule": HOSTILE, "message": HOSTILE}
    alert |= {"timestamp": "2026-11-21T14:00:00Z", "state": "active", "source": "simulator"}
    listing = json.dumps({"status": "success", "alerts": [alert], "reasons": [HOSTILE]})
    page.route("**/api/alerts?*", lambda route: route.fulfill(body=listing))
    page.goto(f"{calm.url}/mobile#/?q=%3Cimg")
    expect(page.get_by_test_id("cards").locator(".symbol")).to_have_text(HOSTILE)
    tab(page, "Alerts").click()
    expect(page.get_by_test_id("unseen").locator(".message")).to_have_text(HOSTILE)
    page.route("**/api/symbols/**", lambda route: route.abort())
    page.goto(f"{calm.url}/mobile#/?open={HOSTILE}")
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    page.goto(f"{calm.url}/mobile#/{HOSTILE}")
    expect(page.get_by_test_id("no-page")).to_contain_text("%3Cimg")
    assert page.locator("img").count() == 0


def test_the_first_view_is_within_its_bytes() -> None:
    """Script 25 KB, gzip."""
    assert gzipped(first_view("mobile/index.html", ".js")) <= 25 * 1_024


def test_the_worker_keeps_the_shell_alone() -> None:
    """All that the page needs to open, within 70 KB gzip; no chart, nothing of the desktop."""
    text = (STATIC / "sw.js").read_text("utf-8")
    listed = json.loads(text.split("const FILES = ", 1)[1].split("\n", 1)[0])
    assert listed[0] == "/mobile"
    files = [STATIC / path.lstrip("/") for path in listed[1:]]
    assert all(file.is_file() for file in files)
    assert {
        *first_view("mobile/index.html", ".js"),
        *first_view("mobile/index.html", ".css"),
    } <= set(files)
    assert not [file.name for file in files if re.match("chart|desktop", file.name, re.IGNORECASE)]
    assert gzipped(files) <= 70 * 1_024


@pytest.mark.alone
def test_a_cold_load_and_a_refresh_are_within_their_bytes(live: Running, open_page: Opener) -> None:
    """To the first live row: 50 KB cold; with the shell kept 5 KB, and none of it for the shell."""
    page = open_page("about:blank", phone=True)
    wire = Wire(page)
    page.goto(f"{live.url}/mobile")
    first_card(page)
    assert wire.first is not None
    assert wire.first <= 50 * 1_024, f"cold load {wire.first:,} bytes"
    ready(page)
    page.wait_for_timeout(500)
    again = Wire(page)
    page.reload()
    first_card(page)
    assert again.first is not None
    assert again.first <= 5 * 1_024, f"refresh {again.first:,} bytes"
    shell = [url for url in again.asked if re.search(r"/assets/|/mobile$", url)]
    served = page.evaluate(
        """performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
           .filter(each => /assets|mobile$/.test(each.name)).map(each => each.transferSize)"""
    )
    assert shell != []
    assert sum(served) == 0, served


def test_what_makes_it_an_app_is_served_right(live: Running) -> None:
    """Worker, manifest and icons are asked for each time, with a validator and the policy."""
    manifest = live.client.get("/manifest.webmanifest")
    icons = [each["src"] for each in manifest.json()["icons"]]
    assert manifest.json()["scope"] == manifest.json()["start_url"] == "/mobile"
    for path in ("/sw.js", "/manifest.webmanifest", "/icon-180.png", *icons):
        answer = live.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
        policy = answer.headers["content-security-policy"]
        assert "manifest-src 'self'; worker-src 'self'" in policy
        again = live.client.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304
    page = live.client.get("/mobile")
    assert "trusted-types svelte-trusted-html virtuoso" in page.headers["content-security-policy"]
    assert '<link rel="apple-touch-icon"' in page.text
    assert "the browser is too old" in page.text


SMALL = """() => [...document.querySelectorAll("button, nav a, .bell, input, .link a")]
    .filter(each => each.checkVisibility() && !each.closest("[inert]"))
    .map(each => [each, each.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.width < 44 || box.height < 44))
    .map(([each, box]) => `${each.outerHTML.slice(0, 80)} ${box.width}x${box.height}`)"""


def test_axe_finds_nothing_and_every_target_is_large(live: Running, browser: Browser) -> None:
    """Each tab and the sheet, in both themes, at 360 px; nothing is wider than the screen."""
    context: BrowserContext = browser.new_context(
        viewport={"width": 360, "height": 640}, has_touch=True, reduced_motion="reduce"
    )
    page = context.new_page()
    errors: list[str] = []

    def note(said: ConsoleMessage) -> None:
        if said.type in {"error", "warning"}:
            errors.append(said.text)

    page.on("console", note)
    page.goto(f"{live.url}/mobile")
    first_card(page)
    found: list[str] = []
    places = ("", "movers", "alerts", "market", "more", "?open=ETHUSDT")
    for place in places:
        page.goto(f"{live.url}/mobile#/{place}")
        if place.startswith("?"):
            expect(page.get_by_test_id("derivatives").locator("dl")).to_be_visible()
        elif place:
            expect(page.get_by_test_id(place)).not_to_contain_text("Reading")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, place
        found += [f"{place}: {each}" for each in page.evaluate(SMALL)]
        for theme in ("dark", "light"):
            page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            found += [f"{place} {theme}: {each}" for each in violations(page)]
    context.close()
    assert found == []
    assert errors == []

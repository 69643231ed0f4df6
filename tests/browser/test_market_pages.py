"""Overview, movers, beta and health on a running system: what is drawn is what the API says."""

import gzip
import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page, Route, expect

from support.axe import violations
from support.pages import Opener
from support.processes import Running, running, wait_for
from support.slack import SLACK
from virtuoso.web.pages import STATIC

pytestmark = [pytest.mark.browser, pytest.mark.process]

PAGES = ("overview", "movers", "beta", "health")
SPACES = str.maketrans({"\u202f": None, "\u2212": "-", "+": None, " ": None, "*": None})
ROWS = "[role=row][data-symbol]"
LATEST = {
    "overview": "[data-testid=gauge-breadth], [data-testid=tiles] .tile",
    "movers": "[data-testid=list-gainers] [role=row]",
    "beta": "[data-testid=scatter] canvas",
    "health": "[data-testid=age-rows] [role=row][data-symbol]",
}
"""What comes last on each page."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Virtuoso on the simulator with a few symbols, scored and held against Bitcoin."""
    with running(tmp_path_factory.mktemp("market"), "--symbols", "8") as process:

        def ready() -> bool:
            betas = process.get("/api/bitcoin-beta").get("symbols")
            found = process.symbols()
            return (
                len(found) == 8
                and all(each["confluence_score"] is not None for each in found)
                and isinstance(betas, list)
                and sum(each["beta"] is not None for each in betas) == 7
                and process.client.get("/api/inputs").status_code == 200
            )

        wait_for("scores and betas", ready, 90)
        yield process


def number(text: str) -> float:
    """Read a number as the page writes it."""
    return float(text.translate(SPACES).split("%", maxsplit=1)[0])


def opened(live: Running, open_page: Opener, path: str) -> Page:
    """Open one of the pages and wait until its last piece is there."""
    page = open_page("about:blank")
    page.on("console", refuse_warnings)
    page.goto(f"{live.url}/#/{path}")
    expect(page.locator(LATEST[path.split("?", maxsplit=1)[0]]).first).to_be_visible()
    return page


def refuse_warnings(said: ConsoleMessage) -> None:
    """A warning in the console is somebody's mistake too."""
    assert said.type != "warning", said.text


def test_the_overview_says_what_the_api_says(live: Running, open_page: Opener) -> None:
    """Regime with its rules, five figures with their units, breadth; absent ones with a reason."""
    page = opened(live, open_page, "overview")
    market: dict[str, Any] = live.get("/api/market/overview")["market_overview"]  # type: ignore[assignment]
    for field in ("trend_strength", "volatility", "volatility_percentile", "market_dispersion"):
        gauge = page.get_by_test_id(f"gauge-{field}")
        if market[field] is None:
            expect(gauge).to_contain_text("—")
            expect(gauge.locator("[data-reason]")).not_to_have_text("")
        else:
            shown = number(gauge.locator("[data-value]").inner_text())
            assert shown == pytest.approx(market[field], rel=0.2, abs=1)
    regime = page.get_by_test_id("regime")
    expect(regime).to_contain_text("volatility percentile ≥ 90")
    if market["market_regime"] is not None:
        words = re.compile(market["market_regime"].replace("_", " "), re.IGNORECASE)
        expect(regime.locator("[data-value]")).to_have_text(words)
    expect(page.get_by_test_id("breadth").locator("[data-value]")).to_contain_text("%")
    bins = page.get_by_test_id("histogram").locator("[data-bin]")
    labels = bins.evaluate_all("bins => bins.map(each => each.getAttribute('aria-label'))")
    counts = [int(re.search(r": (\d+) symbols", label).group(1)) for label in labels]  # type: ignore[union-attr]
    assert sum(counts) == 8


def test_a_tile_is_its_symbol(live: Running, open_page: Opener) -> None:
    """One each, the number on it, the area in the address; a click opens it, back returns."""
    page = opened(live, open_page, "overview")
    tiles = page.get_by_test_id("tiles").locator(".tile")
    expect(tiles).to_have_count(8)
    expect(tiles.first).to_have_attribute("data-symbol", "BTCUSDT")
    assert 0 <= number(tiles.first.locator("[data-value]").inner_text()) <= 100
    spoken = " ".join(tiles.first.locator("a").all_text_contents()[0].split())
    assert re.fullmatch(r"BTCUSDT, score [\d.]+ . \S+ % in 24 h, turnover .*, \w+", spoken)
    page.get_by_test_id("tile-area").get_by_role("button", name="Equal").click()
    expect(page).to_have_url(re.compile("area=equal"))
    box = tiles.nth(3).bounding_box()
    other = tiles.nth(6).bounding_box()
    assert box is not None
    assert other is not None
    assert box["width"] * box["height"] == pytest.approx(other["width"] * other["height"], rel=0.02)
    tiles.first.locator("a").focus()
    page.keyboard.press("ArrowRight")
    name = tiles.nth(1).get_attribute("data-symbol")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"#/s/{name}"))
    page.go_back()
    expect(page).to_have_url(re.compile("#/overview.*area=equal"))
    expect(tiles).to_have_count(8)


def test_movers_are_those_of_the_api(live: Running, open_page: Opener) -> None:
    """Window and floor in the address, the largest first, the score beside the move."""
    page = opened(live, open_page, "movers?window=15m")
    expect(page.get_by_test_id("window").locator("[data-option='15m']")).to_have_attribute(
        "aria-pressed", "true"
    )

    def alike() -> bool:
        page.wait_for_timeout(200)
        lists = page.locator("[data-testid=list-gainers], [data-testid=list-losers]")
        shown: list[str] = lists.locator(ROWS).evaluate_all(
            "rows => rows.map(row => row.dataset.symbol)"
        )
        said: Any = live.get("/api/market/movers?window=15m&limit=10")
        names = [each["symbol"] for each in (*said["gainers"], *said["losers"])]
        return bool(shown) and shown == names

    wait_for("the movers of the API", alike)
    for name, sign in (("gainers", -1), ("losers", 1)):
        texts = page.get_by_test_id(f"list-{name}").locator("b[data-value]").all_inner_texts()
        moves = [sign * number(each) for each in texts]
        assert moves == sorted(moves)
    expect(page.get_by_test_id("movers-risers")).to_contain_text("warming up")
    page.get_by_test_id("floor").select_option("1000000000")
    expect(page).to_have_url(re.compile("min=1000000000"))
    expect(page.get_by_test_id("movers-when")).to_contain_text("under the floor")
    page.keyboard.press("5")
    expect(page).to_have_url(re.compile("window=24h"))

    def stepped() -> str | None:
        page.keyboard.press("j")
        found: str | None = page.evaluate("document.activeElement.dataset.symbol")
        return found

    symbol = wait_for("a row to have the focus once the list is there", stepped)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"#/s/{symbol}"))
    page.go_back()
    expect(page).to_have_url(re.compile("#/movers.*min=1000000000.*window=24h"))


def test_betas_are_those_of_the_api(live: Running, open_page: Opener) -> None:
    """Each figure to the digit; Bitcoin does not apply; the sort is in the address."""
    page = opened(live, open_page, "beta")
    said: Any = {each["symbol"]: each for each in live.get("/api/bitcoin-beta")["symbols"]}  # type: ignore[attr-defined]
    table = page.get_by_test_id("betas")
    row = table.locator(f"{ROWS}[data-symbol=ETHUSDT]")
    for figure, digits in (("beta", 0.006), ("correlation", 0.006), ("standard_error", 0.0006)):
        shown = number(row.locator(f"[data-figure={figure}]").inner_text())
        assert shown == pytest.approx(said["ETHUSDT"][figure], abs=digits)
    bitcoin = table.locator(f"{ROWS}[data-symbol=BTCUSDT]")
    expect(bitcoin).to_contain_text("— does not apply")
    expect(bitcoin.locator("[data-figure]")).to_have_count(0)
    expect(table.locator(ROWS).last).to_have_attribute("data-symbol", "BTCUSDT")
    table.locator("[data-column=correlation] button").click()
    expect(page).to_have_url(re.compile("sort=-correlation"))
    shown_all = [
        number(each) for each in table.locator("[data-figure=correlation]").all_inner_texts()
    ]
    assert shown_all == sorted(shown_all, reverse=True)
    row.locator("[data-figure=beta]").click()
    expect(page).to_have_url(re.compile("pick=ETHUSDT"))
    expect(page.get_by_test_id("scatter")).to_contain_text("ETHUSDT")
    expect(page.get_by_test_id("scatter")).to_contain_text(re.compile(r"\d+ of n \d+"))
    matrix: Any = live.get("/api/bitcoin-beta/matrix")
    cells = page.get_by_test_id("matrix").locator("tbody td")
    expect(cells).to_have_count(64)
    label = cells.nth(1).get_attribute("aria-label") or ""
    first, second = matrix["symbols"][:2]
    assert label.startswith(f"{first} with {second}: ")
    assert number(label.split(": ")[1].split(",")[0]) == pytest.approx(
        matrix["correlations"][0][1], abs=0.006
    )


def test_a_hostile_name_stays_text(live: Running, open_page: Opener) -> None:
    """Markup in the name of a symbol is shown, not run."""
    page = open_page("about:blank")
    body: Any = live.get("/api/bitcoin-beta")
    body["symbols"][1]["symbol"] = "<img src=x onerror=alert(1)>"

    def answer(route: Route) -> None:
        route.fulfill(status=200, body=json.dumps(body), content_type="application/json")

    page.route("**/api/bitcoin-beta", answer)
    page.goto(f"{live.url}/#/beta?sort=symbol")
    expect(page.get_by_test_id("betas")).to_contain_text("<img src=x onerror=alert(1)>")
    page.get_by_test_id("beta-find").fill("<b>nobody</b>")
    expect(page.get_by_test_id("beta-table")).to_contain_text("None of 8 symbols has <B>NOBODY</B>")
    assert page.locator("img[src=x]").count() == 0


def test_health_has_a_row_a_part(live: Running, open_page: Opener) -> None:
    """State, reason and what is measured; every symbol's inputs; no history without a monitor's."""
    page = opened(live, open_page, "health")
    said: Any = live.get("/health")
    parts = page.get_by_test_id("parts")
    for part in said["parts"]:
        row = parts.locator(f"[data-part={part['name']}]")
        expect(row).to_have_count(1)
        expect(row).to_have_attribute("data-status", re.compile("pass|warn|fail"))
    expect(parts.locator("[data-part=tier_memory]")).to_contain_text("hits")
    expect(parts.locator("[data-part=sockets]")).to_contain_text("open")
    ages = page.get_by_test_id("age-rows")
    assert {each.get_attribute("data-symbol") for each in ages.locator(ROWS).all()} == {
        str(each["symbol"]) for each in live.symbols()
    }
    expect(ages.locator(f"{ROWS}[data-symbol=BTCUSDT] [data-kind=book]")).to_have_text(
        re.compile(r"\ds|—")
    )
    page.get_by_test_id("late").click()
    expect(page).to_have_url(re.compile("late=1"))
    page.reload()
    expect(page.get_by_test_id("late")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_test_id("monitor-history")).to_contain_text(
        re.compile("No history from the monitor|as the monitor saw it")
    )


def test_diagnostics_are_copied_without_secrets(live: Running, open_page: Opener) -> None:
    """The text names parts and SIMULATED, and no folder of this machine."""
    page = opened(live, open_page, "health")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live.url)
    page.get_by_test_id("copy-diagnostics").click()
    expect(page.get_by_test_id("copied")).to_have_text("Copied.")
    text: str = page.evaluate("navigator.clipboard.readText()")
    assert "SIMULATED" in text
    assert "history: " in text
    assert str(live.log.parent) not in text


def test_every_address_that_is_asked_for_answers(live: Running, open_page: Opener) -> None:
    """No page asks for what is not there; uPlot comes with the first page that draws by it."""
    asked: list[tuple[str, int]] = []
    page = open_page("about:blank")
    page.on("response", lambda answer: asked.append((answer.url, answer.status)))
    for path in ("movers", "overview", "beta", "health"):
        if path == "overview":
            assert [url for url, _ in asked if "/assets/plot" in url] == []
        page.goto(f"{live.url}/#/{path}")
        expect(page.locator(LATEST[path]).first).to_be_visible()
    page.wait_for_timeout(1_000)
    assert [each for each in asked if each[1] >= 400] == []
    sizes = [
        len(gzip.compress(file.read_bytes(), 9, mtime=0))
        for file in STATIC.glob("assets/plot-*.js")
    ]
    assert sizes
    assert max(sizes) <= 25 * 1_024


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_and_nothing_is_too_wide(
    live: Running, open_page: Opener, path: str
) -> None:
    """WCAG 2.0 to 2.2, A and AA, in both themes; at 1600, 1100 and 390 px nothing is wider."""
    page = opened(live, open_page, path)
    assert violations(page) == []
    page.get_by_test_id("theme").click()
    assert violations(page) == []
    for width in (1600, 1100, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        wide = page.get_by_test_id(f"{path}-page").evaluate(
            "box => box.scrollWidth - box.clientWidth"
        )
        assert wide <= 0, f"{wide} px too wide at {width}"


def test_a_stopped_server_makes_every_number_stale(live: Running, open_page: Opener) -> None:
    """On each of the four pages within seconds, on the numbers themselves; then all of it heals."""
    places = {
        "overview": ("regime", "gauge-btc_dominance", "tiles"),
        "movers": ("movers-gainers", "movers-when"),
        "beta": ("beta-table", "matrix", "scatter"),
        "health": ("parts", "ages", "figures"),
    }
    pages = {}
    for path in PAGES:
        page = open_page("about:blank", expect_errors=True)
        page.goto(f"{live.url}/#/{path}")
        expect(page.locator(LATEST[path]).first).to_be_visible()
        pages[path] = page
    live.process.send_signal(signal.SIGSTOP)
    try:
        for path, names in places.items():
            for name in names:
                expect(pages[path].get_by_test_id(name)).to_have_attribute(
                    "data-state", "stale", timeout=14_000 * SLACK
                )
        expect(pages["health"].get_by_test_id("health-status")).to_contain_text("Not known")
    finally:
        live.process.send_signal(signal.SIGCONT)
    expect(pages["movers"].get_by_test_id("movers-gainers")).to_have_attribute(
        "data-state", "live", timeout=40_000
    )

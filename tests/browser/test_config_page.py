"""Settings as a form, and the board as it was: what is tried, kept, gone back to and looked up."""

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from support.axe import violations
from support.guarded import WRITE_TOKEN
from support.pages import Opener
from support.processes import Running, running, wait_for
from support.signed import sign_in
from support.stores import opened
from virtuoso.adapters.store.database import place_of
from virtuoso.domain.time import MINUTE, SECOND
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.history_rows import BITCOIN, ETHER, kept_overview, kept_score

pytestmark = [pytest.mark.browser, pytest.mark.process]

BEARER = {"authorization": f"Bearer {WRITE_TOKEN}", "x-virtuoso": "1"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Virtuoso with five symbols, whose settings may be changed, and ten minutes of a past."""
    folder = tmp_path_factory.mktemp("config")
    settings = folder / "mine.toml"
    settings.write_text("[security]\nconfig_writes = true\n[universe]\nsize = 5\n", "utf-8")
    (folder / "state").mkdir()
    asyncio.run(record(folder / "state"))
    secrets = {"VIRTUOSO_WRITE_TOKEN": WRITE_TOKEN}
    with running(folder, "--symbols", "5", "--config", str(settings), env=secrets) as process:

        def scored() -> bool:
            found = process.symbols()
            return len(found) == 5 and all(each["confluence_score"] is not None for each in found)

        wait_for("five scores", scored, 90)
        yield process


NOW = int(time.time()) // 60 * MINUTE
BEGAN, ENDED = NOW - 25 * MINUTE, NOW - 15 * MINUTE
"""What is recorded before the start; then comes a hole."""


async def record(folder: Path) -> None:
    """Write ten minutes of two symbols into a store that is not there yet."""
    async with opened(place_of("", folder), FakeClock()) as kept:
        for at in range(BEGAN, ENDED + 1, 30 * SECOND):
            kept.store.put([kept_overview(at)])
            kept.store.put([kept_score(at, BITCOIN, score_at(at)), kept_score(at, ETHER, None)])
        await kept.store.flush()


def score_at(at: int) -> float:
    """Another one each minute."""
    return 60.0 + (at - BEGAN) // MINUTE


def minute_of(at: int) -> str:
    """Write a minute as the address has it."""
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(at / SECOND))


def at_config(live: Running, open_page: Opener, *, signed: bool = True) -> Page:
    """Open the form."""
    page = open_page(f"{live.url}/#/config")
    if signed:
        sign_in(page, live.url)
    expect(page.get_by_test_id("config-page")).to_be_visible()
    return page


def field(page: Page, key: str) -> Locator:
    """Find the field of a setting."""
    return page.locator(f"[data-key='{key}']")


def save(page: Page, reason: str) -> None:
    """Save what is drafted."""
    page.get_by_test_id("reason").fill(reason)
    page.get_by_test_id("save").click()


def test_without_permission_the_form_says_so(live: Running, open_page: Opener) -> None:
    """Every value with unit, bounds and source; no field can be typed in, no secret is there."""
    page = at_config(live, open_page, signed=False)
    expect(page.get_by_test_id("config-read-only")).to_contain_text("Read-only: sign in")
    floor = field(page, "scoring.coverage_floor")
    expect(floor.locator("input")).to_have_value("0.5")
    expect(floor.locator("input")).to_be_disabled()
    expect(floor).to_contain_text("share, 0 to 1")
    expect(field(page, "universe.size")).to_contain_text("settings file, default 30")
    expect(page.get_by_test_id("dry-run")).to_be_disabled()
    page.get_by_test_id("all-settings").click()
    expect(page).to_have_url(re.compile("all=1"))
    expect(field(page, "security.write_token")).to_contain_text("set, never shown")
    expect(field(page, "security.read_token")).to_contain_text("not set")
    assert WRITE_TOKEN not in page.content()


def test_on_a_narrow_screen_the_changes_stand_below_the_form(
    live: Running, open_page: Opener
) -> None:
    """Both take the page's width, and neither lies over the other."""
    page = at_config(live, open_page, signed=False)
    page.set_viewport_size({"width": 390, "height": 844})
    form = page.get_by_role("region", name="Settings").bounding_box()
    changes = page.get_by_role("complementary", name="Changes and history").bounding_box()
    assert form is not None
    assert changes is not None
    assert form["width"] >= 380
    assert changes["width"] >= 380
    assert changes["y"] >= form["y"] + form["height"]


def test_a_change_is_tried_saved_and_undone(live: Running, open_page: Opener) -> None:
    """Bounds at the field, sums, five symbols before and after, a version, and back to before."""
    page = at_config(live, open_page)
    field(page, "scoring.coverage_floor").locator("input").fill("1.5")
    expect(field(page, "scoring.coverage_floor")).to_contain_text("Expected 0 to 1.")
    expect(page.get_by_test_id("dry-run")).to_be_disabled()
    field(page, "scoring.coverage_floor").locator("input").fill("0.5")
    expect(page.get_by_test_id("difference")).to_contain_text("No changes")
    field(page, "scoring.profile").locator("select").select_option("custom")
    field(page, "scoring.weights.technical").locator("input").fill("5")
    expect(page.get_by_test_id("sum-scoring.weights")).to_contain_text("Sum 10")
    expect(field(page, "scoring.weights.technical")).to_contain_text("50.0 %")
    expect(page.locator("[data-change]")).to_have_count(2)
    expect(page).to_have_url(re.compile("set=.*technical"))
    page.reload()
    expect(page.locator("[data-change]")).to_have_count(2)
    page.get_by_test_id("dry-run").click()
    trials = page.get_by_test_id("preview").locator("[data-trial]")
    expect(trials).to_have_count(5)
    expect(trials.first).to_contain_text(re.compile(r"\d+\.\d\d.*\d+\.\d\d"))
    expect(page.get_by_test_id("save")).to_be_disabled()
    save(page, "<b>more of the charts</b>")
    expect(page.get_by_test_id("saved")).to_contain_text("version 1")
    versions = page.get_by_test_id("versions")
    expect(versions.locator("[data-version='1']")).to_contain_text("<b>more of the charts</b>")
    expect(field(page, "scoring.weights.technical")).to_contain_text("saved version")
    field(page, "scoring.weights.technical").locator("input").fill("2")
    save(page, "less")
    expect(versions.locator("[data-version='2']")).to_contain_text("in force")
    versions.locator("[data-version='1'] button").first.click()
    expect(page.get_by_test_id("restore-steps")).to_contain_text("2 → 5")
    expect(page).to_have_url(re.compile("v=1"))
    versions.get_by_label("Why it is restored").fill("it was better")
    page.get_by_test_id("restore").click()
    expect(versions.locator("[data-version='3']")).to_contain_text("restored 1")
    expect(field(page, "scoring.weights.technical").locator("input")).to_have_value("5")


def test_somebody_elses_version_is_no_accident(live: Running, open_page: Opener) -> None:
    """It is named, with what it changed; the draft is kept, and saved only when that was seen."""
    page = open_page(f"{live.url}/#/config", expect_errors=True)  # a 412 is in the console
    sign_in(page, live.url)
    enter = field(page, "scoring.direction.enter").locator("input")
    expect(enter).to_be_enabled()
    enter.fill("21")
    number = live.get("/api/config")["version"]
    change = {"changes": {"scoring.coverage_floor": 0.55}, "reason": "mine", "author": "Mallory"}
    match = {"if-match": f'"config-{number}"'}
    answer = live.client.put("/api/config", json=change, headers=BEARER | match)
    assert answer.status_code == 200, answer.text
    save(page, "ours")
    conflict = page.get_by_test_id("conflict")
    expect(conflict).to_contain_text("was saved by Mallory")
    expect(conflict).to_contain_text("scoring.coverage_floor: 0.5 → 0.55")
    expect(enter).to_have_value("21")
    expect(page.get_by_test_id("save")).to_be_disabled()
    page.get_by_test_id("take-base").click()
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("saved")).to_be_visible()
    settings = live.get("/api/config")["settings"]
    assert isinstance(settings, list)
    values = {each["key"]: each["value"] for each in settings}
    assert (values["scoring.direction.enter"], values["scoring.coverage_floor"]) == (21.0, 0.55)


def test_who_signed_in_signs_out(live: Running, open_page: Opener) -> None:
    """In the bar's corner, until when included; afterwards the page is read-only again."""
    page = at_config(live, open_page)
    page.get_by_test_id("account").click()
    expect(page.get_by_role("group", name="Signed in")).to_contain_text("Signed in until")
    page.get_by_test_id("sign-out").click()
    expect(page.get_by_test_id("config-read-only")).to_be_visible()
    page.get_by_test_id("account").click()
    page.get_by_test_id("sign-in-open").click()
    expect(page.get_by_test_id("sign-in")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("sign-in")).to_have_count(0)


def test_the_board_of_the_past_cannot_be_taken_for_live(live: Running, open_page: Opener) -> None:
    """A band, no age and no live mark; steps by keys; the numbers are those that were stored."""
    page = open_page(live.url)
    page.wait_for_selector("[data-symbol=BTCUSDT] [data-cell=price][data-state=live]")
    page.keyboard.press("[")
    expect(page).to_have_url(re.compile(r"#/\?at="))
    at = BEGAN + 5 * MINUTE
    page.goto(f"{live.url}/#/?at={minute_of(at)}")
    band = page.get_by_test_id("past-band")
    expect(band).to_have_attribute("data-at", minute_of(at))
    expect(band).to_contain_text("THE PAST, SIMULATED")
    board = page.get_by_test_id("board")
    row = board.locator("[data-symbol=BTCUSDT]")
    value = row.locator("[data-cell=score] [data-value]")
    expect(value).to_have_text("65.0")
    expect(row).to_have_attribute("data-state", "past")
    expect(row.locator("[data-cell=age]")).to_contain_text(f"◷{minute_of(at)[11:16]}")
    expect(board.locator("[data-symbol=ETHUSDT]")).to_contain_text("warming up")
    expect(board.locator("[data-state=live], [data-state=delayed]")).to_have_count(0)
    expect(page.get_by_test_id("slider")).to_have_attribute("aria-valuetext", re.compile("UTC"))
    assert violations(page) == []
    page.keyboard.press("]")
    expect(value).to_have_text("66.0")
    expect(page).to_have_url(re.compile(minute_of(at + MINUTE).replace(":", "%3A")))
    row.locator("[data-cell=symbol]").click()
    panel = page.get_by_test_id("past-panel")
    expect(panel).to_contain_text("66.00")
    expect(panel).to_contain_text("Price now")
    page.keyboard.press("l")
    expect(band).to_have_count(0)
    expect(row.locator("[data-cell=price]")).to_have_attribute("data-state", "live")
    page.go_back()
    expect(band).to_have_attribute("data-at", minute_of(at + MINUTE))


def test_a_hole_of_the_record_is_shown_as_one(live: Running, open_page: Opener) -> None:
    """No rows of another time, though the store has older ones; its end is one click away."""
    page = open_page(f"{live.url}/#/?at={minute_of(ENDED + 5 * MINUTE)}")
    hole = page.get_by_test_id("hole")
    expect(hole).to_contain_text("Nothing was recorded")
    expect(page.get_by_test_id("board")).to_have_count(0)
    page.get_by_test_id("before-hole").click()
    value = page.locator("[role=row][data-symbol=BTCUSDT] [data-cell=score] [data-value]")
    expect(value).to_have_text("70.0")
    page.keyboard.press("]")
    page.keyboard.press("]")
    expect(hole).to_be_visible()
    page.goto(f"{live.url}/#/?at=yesterday")
    expect(page.get_by_test_id("past-band")).to_contain_text("no minute")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_on_the_config_page(live: Running, open_page: Opener, theme: str) -> None:
    """With everything opened, in both themes; nothing is wider than 1100 or 1600 px."""
    page = open_page(f"{live.url}/#/config?all=1")
    sign_in(page, live.url)
    expect(field(page, "scoring.profile")).to_be_visible()
    if theme == "light":
        page.get_by_test_id("theme").click()
    assert violations(page) == []
    for width in (1100, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width

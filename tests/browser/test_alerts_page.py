"""The alerts page: what fired, what followed, the answer to it, and the rules that watch."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from support.axe import violations
from support.guarded import WRITE_TOKEN
from support.pages import Opener
from support.processes import Running, running, wait_for
from support.signed import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.process]

HOSTILE = "<img src=x onerror=alert(1)> & any score"
RULE = "any-score"
BEARER = {"authorization": f"Bearer {WRITE_TOKEN}", "x-virtuoso": "1"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Virtuoso with four symbols and a critical rule of ours that has fired for each."""
    folder = tmp_path_factory.mktemp("alerts")
    with running(folder, "--symbols", "4", env={"VIRTUOSO_WRITE_TOKEN": WRITE_TOKEN}) as process:
        rule = {
            "id": RULE,
            "title": HOSTILE,
            "kind": "confluence",
            "level": "critical",
            "when": {"number": "score", "is": "at_least", "limit": 0.0},
            "cooldown_seconds": 86_400,
        }

        # only so many changes a minute are taken: not one is spent on a server that is not ready
        path = f"/api/alerts/rules/{RULE}"
        wait_for("rules", lambda: process.get("/api/alerts/rules").get("rules"))
        assert process.client.put(path, json=rule, headers=BEARER).status_code == 200
        wait_for("four alerts", lambda: len(fired(process)) == 4, 90)
        yield process


def fired(live: Running, rule: str = RULE) -> list[dict[str, object]]:
    """Give the alerts of a rule, newest first."""
    found = live.get(f"/api/alerts?rule={rule}").get("alerts")
    return found if isinstance(found, list) else []


def at_alerts(live: Running, open_page: Opener, tail: str = "") -> Page:
    """Open the list, and wait until it is there."""
    page = open_page(f"{live.url}/#/alerts{tail}")
    expect(page.get_by_test_id("alerts").locator("[data-alert]").first).to_be_visible()
    return page


def test_alerts_are_listed_with_value_limit_and_delivery(live: Running, open_page: Opener) -> None:
    """Severity by shape and word, the number against its limit, SIM; filters in the address."""
    page = at_alerts(live, open_page, f"?rule={RULE}")
    rows = page.get_by_test_id("alerts").locator("[data-alert]")
    expect(rows).to_have_count(4)
    first = rows.first
    expect(first).to_contain_text("Critical")
    expect(first.locator(".severity svg path").first).to_be_attached()
    expect(first).to_contain_text(re.compile(r"score\s+\d+(\.\d+)?.*≥ 0"))
    expect(first).to_contain_text("SIM")
    expect(first).to_contain_text("no channel")
    expect(first).to_contain_text(HOSTILE)
    assert page.locator("img[src=x]").count() == 0
    page.get_by_test_id("level-warning").click()
    expect(page).to_have_url(re.compile("level=warning"))
    expect(page.get_by_test_id("no-alerts")).to_contain_text("passes the filter")
    page.get_by_test_id("level-critical").click()
    expect(rows).to_have_count(4)
    page.get_by_test_id("alert-symbol").fill("btcusdt")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile("symbol=BTCUSDT"))
    page.reload()
    expect(rows).to_have_count(1)


def test_the_bell_counts_what_nobody_has_acknowledged(live: Running, open_page: Opener) -> None:
    """At least the four critical ones; they lead to the alert."""
    page = open_page(live.url)
    count = page.get_by_test_id("bell-count")
    expect(count).to_be_visible()
    assert int(count.inner_text().rstrip("+")) >= 4
    page.get_by_test_id("bell").click()
    box = page.get_by_role("group", name=re.compile("Alerts: .* critical"))
    expect(box).to_contain_text(HOSTILE)
    box.locator("li a").first.click()
    expect(page.get_by_test_id("opened-alert")).to_be_visible()
    expect(page).to_have_url(re.compile("#/alerts.open="))


def test_an_alert_shows_its_moment_and_what_followed(live: Running, open_page: Opener) -> None:
    """The score as it was kept, price then and now, and the plain reason where time is not over."""
    alert = fired(live)[0]
    page = open_page(f"{live.url}/#/alerts?level=info&open={alert['id']}")
    panel = page.get_by_test_id("opened-alert")
    details = alert["details"]
    assert isinstance(details, dict)
    expect(panel.get_by_test_id("frozen")).to_contain_text(f"{details['score']:.2f}")
    expect(panel.get_by_test_id("alert-message")).to_contain_text(HOSTILE)
    followed = panel.get_by_test_id("followed")
    expect(followed.locator("[data-after='4 h']")).to_contain_text("not over yet")
    expect(followed.locator("[data-after=now]")).to_have_attribute("data-state", "live")
    expect(panel.get_by_test_id("alert-read-only")).to_contain_text("Read-only: sign in")
    assert live.get(f"/api/alerts/{alert['id']}")["id"] == alert["id"]
    assert live.client.get("/api/alerts/nobody").status_code == 404
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


def test_an_alert_is_acknowledged_with_one_key(live: Running, open_page: Opener) -> None:
    """After j and a the row says so, the bell counts one less, and the store knows."""
    page = at_alerts(live, open_page, f"?rule={RULE}&state=open")
    sign_in(page, live.url)
    rows = page.get_by_test_id("alerts").locator("[data-alert]")
    expect(rows).to_have_count(4)
    page.keyboard.press("j")
    expect(page.get_by_test_id("acknowledge")).to_be_enabled()
    chosen = page.get_by_test_id("opened-alert").get_attribute("data-id")
    page.keyboard.press("a")
    expect(page.locator(f"[data-alert='{chosen}']")).to_have_attribute("data-state", "acknowledged")
    assert live.get(f"/api/alerts/{chosen}")["state"] == "acknowledged"
    page.get_by_test_id("state-acknowledged").click()
    expect(rows).to_have_count(1)


def test_without_permission_rules_are_read_only(live: Running, open_page: Opener) -> None:
    """A sentence says so, the switches are off, and the form shows everything."""
    page = open_page(f"{live.url}/#/alerts?tab=rules&edit=confluence-strong-buying")
    expect(page.get_by_test_id("rules-read-only")).to_contain_text("Read-only")
    switch = page.locator("tr[data-rule=confluence-strong-buying] [role=switch]")
    expect(switch).to_be_disabled()
    form = page.get_by_test_id("rule-form")
    expect(form.locator("[data-place='when.all.0'] [data-field=limit]")).to_have_value("70")
    expect(form.locator("[data-field=title]")).to_be_disabled()
    expect(form.get_by_test_id("rule-save")).to_be_disabled()


def test_a_rule_is_made_rehearsed_saved_and_deleted(live: Running, open_page: Opener) -> None:
    """The server's refusal stands at its field; the draft is in the address; it fires, and says so.

    A new critical alert is said in the one live region.
    """
    # a refusal is an error in the browser's console, whatever the page makes of it
    page = open_page(f"{live.url}/#/alerts?tab=rules", expect_errors=True)
    sign_in(page, live.url)
    page.get_by_test_id("new-rule").click()
    form = page.get_by_test_id("rule-form")
    form.locator("[data-field=title]").fill("Price is there")
    expect(form.locator("[data-field=id]")).to_have_value("price-is-there")
    form.locator("[data-field=level]").select_option("critical")
    form.locator("[data-field=for_seconds]").fill("soon")
    part = form.locator("[data-place='when.all.0']")
    part.locator("[data-field=number]").select_option("price")
    part.locator("[data-field=limit]").fill("much")
    form.get_by_test_id("rule-save").click()
    expect(part.locator("[data-field=limit][aria-invalid=true]")).to_be_visible()
    expect(part).to_contain_text("expected a number as limit, found 'much'")
    part.locator("[data-field=limit]").fill("0")
    form.get_by_test_id("rule-save").click()
    expect(form.locator("[data-field=for_seconds][aria-invalid=true]")).to_be_visible()
    expect(form.get_by_role("alert")).to_contain_text("a whole number")
    form.locator("[data-field=for_seconds]").fill("0")
    expect(page).to_have_url(re.compile("draft=.*price-is-there.*limit%22%3A0"))
    expect(page).not_to_have_url(re.compile("soon"))
    page.reload()
    expect(part.locator("[data-field=limit]")).to_have_value("0")
    form.get_by_test_id("rehearse").click()
    rehearsal = page.get_by_test_id("rehearsal")
    expect(rehearsal).to_contain_text(re.compile("Would have fired|Nothing was recorded"))
    form.get_by_test_id("rule-save").click()
    row = page.locator("tr[data-rule=price-is-there]")
    expect(row).to_contain_text("yours")
    expect(form).to_have_count(0)
    expect(page.get_by_role("status").first).to_contain_text(
        "Critical alert: simulated, Price is there"
    )
    wait_for("four alerts", lambda: len(fired(live, "price-is-there")) == 4)
    row.locator(".pick").click()
    page.get_by_test_id("rule-remove").click()
    expect(page.get_by_test_id("rule-remove")).to_have_text("Really?")
    page.get_by_test_id("rule-remove").click()
    expect(row).to_have_count(0)


def test_a_ready_made_rule_is_switched_off_and_back(live: Running, open_page: Opener) -> None:
    """Its own copy stands over it; a change of somebody else is a conflict, explained."""
    page = open_page(f"{live.url}/#/alerts?tab=rules", expect_errors=True)
    sign_in(page, live.url)
    row = page.locator("tr[data-rule=large-order]")
    row.get_by_role("switch").click()
    expect(row.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    expect(row).to_contain_text("yours, over a ready-made one")
    row.locator(".pick").click()
    form = page.get_by_test_id("rule-form")
    form.locator("[data-field=title]").fill("Mine")
    other = live.get("/api/alerts/rules")["rules"]
    assert isinstance(other, list)
    rule = next(each["rule"] for each in other if each["rule"]["id"] == RULE)
    answer = live.client.put(f"/api/alerts/rules/{RULE}", json=rule, headers=BEARER)
    assert answer.status_code == 200
    form.get_by_test_id("rule-save").click()
    conflict = page.get_by_test_id("rule-conflict")
    expect(conflict).to_contain_text("nothing of it is lost")
    conflict.get_by_role("button").click()
    expect(form.locator("[data-field=title]")).to_have_value("Mine")
    page.get_by_test_id("rule-remove").click()
    page.get_by_test_id("rule-remove").click()
    expect(row).not_to_contain_text("yours")
    expect(row.get_by_role("switch")).to_have_attribute("aria-checked", "true")


def test_a_server_that_cannot_read_alerts_is_said(live: Running, open_page: Opener) -> None:
    """Its sentence, and that it goes on trying; no empty list that looks like peace."""
    page = open_page("about:blank", expect_errors=True)

    def refuse(route: Route) -> None:
        body = '{"detail": "Alerts are not known at the moment.", "title": "No", "status": 503}'
        route.fulfill(status=503, body=body, content_type="application/problem+json")

    page.route("**/api/alerts?**", refuse)
    page.goto(f"{live.url}/#/alerts")
    expect(page.get_by_test_id("alerts-failure")).to_contain_text("not known")
    expect(page.get_by_test_id("no-alerts")).to_have_count(0)
    expect(page.get_by_test_id("bell")).to_contain_text("?")


def test_names_are_not_broken_on_a_narrow_screen(live: Running, open_page: Opener) -> None:
    """At the width of a phone rules and alerts are in words, and what is opened fills the page."""
    page = at_alerts(live, open_page)
    page.set_viewport_size({"width": 390, "height": 844})
    letters = """names => Math.min(...names.map(each => each.clientWidth))"""
    assert page.locator("[data-alert] .rule").evaluate_all(letters) >= 90
    page.goto(f"{live.url}/#/alerts?tab=rules")
    expect(page.locator("[data-rule]").first).to_be_visible()
    assert page.locator("[data-rule] .name").evaluate_all(letters) >= 90
    page.locator("[data-rule] .pick").first.click()
    expect(page.get_by_role("region", name="Rules")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_on_the_alerts_page(live: Running, open_page: Opener, theme: str) -> None:
    """List with an opened alert, and the editor; nothing is wider than 1100 or 1600 px."""
    page = at_alerts(live, open_page, f"?open={fired(live)[0]['id']}")
    sign_in(page, live.url)
    if theme == "light":
        page.get_by_test_id("theme").click()
    expect(page.get_by_test_id("followed")).to_be_visible()
    assert violations(page) == []
    page.goto(f"{live.url}/#/alerts?tab=rules&edit=beta-break")
    expect(page.get_by_test_id("rule-form")).to_be_visible()
    assert violations(page) == []
    for width in (1100, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width

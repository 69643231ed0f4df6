"""The desktop's page of signals: what the socket tells is there at once, with fees and steps."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from support.mock_board import MockBoard, mock_board
from support.pages import Opener
from virtuoso.domain.fees import PUBLISHED
from virtuoso.domain.signals import SignalEvent, SignalState
from virtuoso.domain.time import Millis
from virtuoso.testing.fake_clock import START
from virtuoso.testing.history_rows import signal
from virtuoso.web.pages import STATIC
from virtuoso.wire.messages import to_json
from virtuoso.wire.records import iso
from virtuoso.wire.signals import (
    SignalDocument,
    SignalsPage,
    SignalStatistics,
    fees_of,
    signal_record,
    step_of,
)

ROWS = "[data-testid=signal-list] tbody tr"


@pytest.fixture(scope="module")
def board() -> Iterator[MockBoard]:
    """Serve a board of two rows."""
    if not (STATIC / "index.html").is_file():
        pytest.skip("the dashboards are not built: run make web")
    with mock_board(["BTCUSDT", "ETHUSDT"]) as server:
        yield server


def record(name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a signal
    """A simulated signal as the API has it."""
    found: dict[str, Any] = json.loads(to_json(signal_record(signal(name), PUBLISHED)))
    return found | more


def answer(route: Route) -> None:
    """Answer what the page asks of signals: one is open."""
    url = route.request.url
    now = iso(Millis(START))
    listed = signal_record(signal("a"), PUBLISHED)
    steps = (step_of(SignalEvent("a", Millis(START), SignalState.ACTIVE, "opened", 91_000.25)),)
    document: Any = SignalsPage("success", now, None, (listed.source,), "store", (listed,), None)
    if "statistics" in url:
        document = SignalStatistics(
            "success", now, (listed.source,), "store", None, (), fees_of(PUBLISHED)
        )
    elif "?" not in url:
        document = SignalDocument("success", now, None, listed.source, "store", listed, steps)
    route.fulfill(body=to_json(document), content_type="application/json")


def test_what_the_socket_tells_is_in_the_list_at_once(board: MockBoard, open_page: Opener) -> None:
    """A new one first, an end in its place, both without another reading; steps at a click."""
    sockets: list[WebSocketRoute] = []
    said: list[str] = []
    page = open_page("about:blank")

    def pass_through(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def note(text: str | bytes) -> None:
            said.append(str(text))
            server.send(text)

        socket.on_message(note)
        sockets.append(socket)

    page.route_web_socket("**/ws", pass_through)
    page.route("**/api/signals**", answer)
    page.goto(f"{board.url}/#/signals")
    expect(page.locator(ROWS)).to_have_count(1)
    wait_for(page, lambda: any('"signals"' in each for each in said))
    tell(sockets[-1], type="signals", epoch="one", open=["a", "b"], reasons=[])
    tell(sockets[-1], type="signal", epoch="one", signal=record("b", opened_at=START + 60_000))
    expect(page.locator(ROWS)).to_have_count(2)
    assert page.locator(ROWS).first.get_attribute("data-signal") == "b"
    over = record("a", state="invalidated", outcome="stop", r=-1.0, r_after_fees=-1.24)
    tell(sockets[-1], type="signal", epoch="one", signal=over)
    ended = page.locator("[data-signal=a]")
    expect(ended).to_have_attribute("data-state", "invalidated")
    expect(ended).to_contain_text("\N{MINUS SIGN}1.24")
    ended.get_by_role("button").click()
    expect(page.get_by_test_id("signal-opened")).to_contain_text("000.25; no result")
    assert "signal=a" in page.url
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.locator(ROWS)).to_have_count(1)


def tell(socket: WebSocketRoute, **message: Any) -> None:  # noqa: ANN401 - any message
    """Say something to the page as the server."""
    socket.send(json.dumps(message))


def wait_for(page: Page, condition: Any) -> None:  # noqa: ANN401 - a function without arguments
    """Wait for something outside the page, with a deadline."""
    for _ in range(100):
        if condition():
            return
        page.wait_for_timeout(50)
    message = "expected the page to subscribe to signals, found that it did not within 5 s"
    raise AssertionError(message)

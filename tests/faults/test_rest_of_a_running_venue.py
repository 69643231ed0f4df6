"""F14, F15, F16, F19 at a running Virtuoso that asks for the catalogue every two seconds."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest

from faults.conftest import FaultTable
from faults.rig import BUSY, OTHER, Rig, rig
from faults.watch import price_state
from support.processes import Running, running, wait_for
from virtuoso.simulator.listings import listings_of

pytestmark = [pytest.mark.process, pytest.mark.fault]

LISTED = 5
REFRESH_SECONDS = 2
UNTIL = re.compile(r"is not asked until (\S+): ")


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """All symbols of a small venue, and a catalogue that is asked for often."""
    folder = tmp_path_factory.mktemp("rest")
    often = f"[universe]\nrefresh_seconds = {REFRESH_SECONDS}.0\n"
    with rig(folder, symbols=LISTED + 1, listed=LISTED, settings=often) as made:
        yield made


def rest_text(virtuoso: Running) -> str:
    """What health says of the REST side."""
    parts = virtuoso.get("/health")["parts"]
    assert isinstance(parts, list)
    return next((each["text"] for each in parts if each["name"] == "rest_bybit"), "")


def banned_until(virtuoso: Running) -> float | None:
    """Until when the page says that the venue is not asked, in seconds UTC."""
    found = UNTIL.search(rest_text(virtuoso))
    return None if found is None else datetime.fromisoformat(found[1]).timestamp()


def price_never_left(asking: Rig, begin: float) -> bool:
    """Whether the stream went on beside the fault."""
    return asking.watch.never(
        BUSY, lambda each: price_state(each) not in {"live", "delayed"}, begin
    )


def test_f14_a_complaint_is_on_the_page(asking: Rig, table: FaultTable) -> None:
    """The budget is halved, and health says why; the stream goes on."""
    begin = time.monotonic()
    asking.inject("rate_limit", seconds=3)
    marked = asking.seconds_until(
        "the halved budget", lambda: "after too many requests" in rest_text(asking.virtuoso), 8
    )
    table.add("F14", "10006 at a running Virtuoso: health says that the budget is halved", marked)
    assert price_never_left(asking, begin)


def test_f16_a_venue_that_is_not_well_is_on_the_page(asking: Rig, table: FaultTable) -> None:
    """Failures in a row are told; prices stay live; healed by the first good answer."""
    begin = time.monotonic()
    asking.inject("maintenance")
    marked = asking.seconds_until(
        "open breaker", lambda: "5 failures in a row" in rest_text(asking.virtuoso), 25
    )
    asking.seconds_until(
        "a notice", lambda: "5 failures in a row" in str(asking.virtuoso.get("/api/symbols")), 5
    )
    asking.inject("clear")
    healed = asking.seconds_until(
        "closed breaker", lambda: "in a row" not in rest_text(asking.virtuoso), 15
    )
    table.add("F16", "maintenance page at a running Virtuoso: health tells it", marked, healed)
    assert price_never_left(asking, begin)
    assert healed <= 10


def test_f19_a_new_coin_comes_and_an_old_one_goes(asking: Rig, table: FaultTable) -> None:
    """Seen within one look at the catalogue; the one that ends is announced, then gone."""
    new = listings_of(LISTED + 1)[LISTED].symbol
    asking.inject("list_symbol", symbol=new)
    begin = time.monotonic()
    seen = asking.seconds_until("the newcomer", lambda: asking.record(new), 10)
    live = asking.watch.when(new, lambda each: price_state(each) == "live", begin, 20)
    table.add("F19", f"listed: shown after {seen:.1f} s, then live", seen, live)
    assert seen <= 2 * REFRESH_SECONDS + 2
    asking.inject("delist_symbol", symbol=OTHER, delay=6.0)
    marked = asking.seconds_until(
        "the announcement", lambda: f"ends {OTHER} at" in _notices(asking), 10
    )
    gone = asking.seconds_until("its end", lambda: not asking.record(OTHER), 25)
    assert f"no longer listed: {OTHER}" in _notices(asking)
    assert asking.virtuoso.client.get(f"/api/symbols/{OTHER}").status_code == 404
    table.add("F19", "delisted: announced; gone after its end", marked, marked + gone)
    asking.inject("new_tick", symbol=BUSY, factor=10)
    time.sleep(REFRESH_SECONDS + 1.5)
    assert price_state(asking.record(BUSY)) == "live"
    assert asking.virtuoso.process.poll() is None
    assert asking.watch.untruths == []
    table.add("F19", "a finer tick: taken over, prices stay live")


def _notices(asking: Rig) -> str:
    return " | ".join(asking.watch.notices) + asking.reasons()


@contextmanager
def started_again(asking: Rig) -> Iterator[Running]:
    """Another Virtuoso with the state of the one that was killed."""
    folder = asking.virtuoso.log.parent
    with running(
        folder,
        "--source",
        "simulator",
        "--exchange",
        f"127.0.0.1:{asking.proxy.port}",
        "--symbols",
        str(LISTED),
        env={"VIRTUOSO_STATE_DIR": str(folder / "state")},
    ) as again:
        yield again


def test_f15_a_ban_is_kept_over_kill_9_and_told_with_its_end(
    asking: Rig, table: FaultTable
) -> None:
    """All REST stops; the page says until when; a killed and restarted process asks nothing."""
    begin = time.monotonic()
    asking.inject("ban")
    marked = asking.seconds_until("the ban", lambda: banned_until(asking.virtuoso), 10)
    until = banned_until(asking.virtuoso)
    assert until is not None
    assert 590 <= until - time.time() <= 601
    assert "not asked until" in asking.reasons()
    assert price_never_left(asking, begin)
    asking.inject("clear")
    asking.virtuoso.process.kill()
    asking.virtuoso.process.wait(10)
    connections, again_at = asking.proxy.connections, time.monotonic()
    with started_again(asking) as again:
        wait_for("the kept ban", lambda: banned_until(again), 30)
        told = time.monotonic() - again_at
        kept = banned_until(again)
        assert kept is not None
        assert abs(kept - until) <= 2
        time.sleep(3)
        assert asking.proxy.connections == connections
        said = again.get("/health")["reasons"]
        assert "left alone" in str(said)
    table.add("F15", "403: all REST stops, the page says until when", marked)
    table.add("F15", "the same after kill -9 and start: told again, not one request", told)

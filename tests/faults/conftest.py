"""One rig for all faults, and the table that the suite prints."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from faults.rig import Rig, rig
from support.processes import wait_for

FAULTS = tuple(f"F{number:02}" for number in (*range(1, 26), *range(30, 35), *range(38, 43)))
ROWS = pytest.StashKey[list["FaultRow"]]()


@dataclass(frozen=True)
class FaultRow:
    """What was measured of one fault, in seconds."""

    fault: str
    what: str
    marked: float | None
    healed: float | None


@pytest.fixture(scope="package")
def shared_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Venue, proxy and Virtuoso, started once."""
    with rig(tmp_path_factory.mktemp("faults"), symbols=10) as made:
        yield made


@dataclass(frozen=True)
class Outage:
    """A primary venue that is away for a while, beside one that stands in for it."""

    rig: Rig
    begin: float
    """Monotonic seconds; may lie ahead."""
    end: float


@pytest.fixture(scope="package")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    """Two venues, and the first one goes away for ten seconds in which a minute closes."""
    folder = tmp_path_factory.mktemp("two_venues")
    with rig(folder, "--secondary", "binance", symbols=2) as made:
        wait_for("the secondary", lambda: (made.detail()["other_venue"] or {}).get("price"), 60)
        wait = (55.0 - time.time()) % 60.0
        begin = time.monotonic() + wait
        away = {"venue": "bybit", "at": wait, "seconds": 10.0}
        made.script([{"fault": each} | away for each in ("refuse_connections", "rest_down")])
        yield Outage(made, begin, begin + 10.0)


@pytest.fixture(scope="package", autouse=True)
def _begin_early(request: pytest.FixtureRequest) -> None:
    """Let the outage and the minute after it pass while other tests run."""
    if any("outage" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("outage")


@pytest.fixture
def healthy(shared_rig: Rig) -> Iterator[Rig]:
    """The rig with everything live; whatever the test did is ended afterwards."""
    shared_rig.recover()
    yield shared_rig
    shared_rig.recover()


class FaultTable:
    """Takes the rows of the report."""

    def __init__(self, rows: list[FaultRow]) -> None:
        self._rows = rows

    def add(
        self, fault: str, what: str, marked: float | None = None, healed: float | None = None
    ) -> None:
        """Add what was measured: seconds until it was marked, and until it was healed."""
        self._rows.append(FaultRow(fault, what, marked, healed))


@pytest.fixture
def table(request: pytest.FixtureRequest) -> FaultTable:
    """The report of this run."""
    return FaultTable(request.config.stash.setdefault(ROWS, []))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table, fault by fault; a fault with a failed test was not survived."""
    rows = config.stash.get(ROWS, [])
    if not rows:
        return
    terminalreporter.section("faults (seconds to the mark, seconds to heal)")
    for row in sorted(rows, key=lambda each: each.fault):
        numbers = [
            "     -" if value is None else f"{value:6.2f}" for value in (row.marked, row.healed)
        ]
        terminalreporter.write_line(f"{row.fault}  {' '.join(numbers)}  {row.what}")
    failed = {
        fault
        for kind in ("failed", "error")
        for report in terminalreporter.stats.get(kind, [])
        for fault in FAULTS
        if f"::test_{fault.lower()}_" in report.nodeid
    }
    tried = {row.fault for row in rows} | failed
    survived = sorted((tried - failed) & set(FAULTS))
    terminalreporter.write_line(f"{len(survived)} of {len(FAULTS)} faults survived")
    if failed:
        terminalreporter.write_line(f"not survived: {', '.join(sorted(failed))}", red=True)
    if missing := sorted(set(FAULTS) - tried):
        terminalreporter.write_line(f"not tried in this run: {', '.join(missing)}")

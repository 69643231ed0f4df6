"""After all faults: no false number was shown, and no minute is missing."""

import time
from functools import partial
from itertools import pairwise

import pytest

from faults.conftest import FaultTable
from faults.rig import Record, Rig

pytestmark = [pytest.mark.process, pytest.mark.fault]


def test_nothing_untrue_was_shown_meanwhile(healthy: Rig, table: FaultTable) -> None:
    """Every record: a number in its range or a reason; a live price at most 3.5 s old."""
    assert healthy.watch.ended is None
    assert healthy.watch.untruths == []
    table.add("all", f"{healthy.watch.records} records on the socket, none of them untrue")


def test_no_minute_is_missing_after_all_cuts(healthy: Rig, table: FaultTable) -> None:
    """The candles of the busiest symbols are contiguous up to the last closed minute."""
    closed = (int(1_000 * time.time()) - 8_000) // 60_000 * 60_000 - 60_000
    for symbol in healthy.symbols[:5]:
        healthy.seconds_until(symbol, partial(_reach, healthy, symbol, closed), 15)
        assert all(two - one == 60_000 for one, two in pairwise(_minutes(healthy, symbol)))
    table.add("all", "0 minutes missing in the candles of five symbols")


def _reach(rig: Rig, symbol: str, closed: int) -> bool:
    minutes = _minutes(rig, symbol)
    return bool(minutes) and minutes[-1] >= closed


def _minutes(rig: Rig, symbol: str) -> list[int]:
    """The opening times of the minutes that are shown."""
    found: Record = rig.virtuoso.get(f"/api/symbols/{symbol}/candles?timeframe=1m")
    return [each[0] for each in found.get("candles", [])]

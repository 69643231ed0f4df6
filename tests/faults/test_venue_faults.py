"""F20: the primary venue is gone, the secondary speaks, and the primary comes back."""

import time
from functools import partial
from itertools import pairwise

import pytest

from faults.conftest import FaultTable, Outage
from faults.rig import BUSY, Record, Rig
from faults.watch import price_state
from support.processes import wait_for

pytestmark = [pytest.mark.process, pytest.mark.fault, pytest.mark.timeout(240)]

SILENT_AGAIN_SECONDS = 60.0
"""The primary must be good for so long before it speaks again."""


def from_second(record: Record) -> bool:
    """Whether the numbers are those of the secondary venue, and live."""
    return bool(record["venue"] == "binance" and price_state(record) == "live")


def from_first(record: Record) -> bool:
    """Whether the numbers are those of the primary venue, and live."""
    return bool(record["venue"] == "bybit" and price_state(record) == "live")


def test_f20_the_second_venue_stands_in_and_steps_back(outage: Outage, table: FaultTable) -> None:
    """Marked by venue while it lasts; afterwards no minute of the primary is missing."""
    watch = outage.rig.watch
    patience = max(0.0, outage.begin - time.monotonic())
    marked = watch.when(BUSY, from_second, outage.begin, patience + 20)
    table.add("F20", "primary down for 10 s: the second venue speaks, marked as such", marked)
    assert marked <= 10.0
    patience = max(0.0, outage.end + SILENT_AGAIN_SECONDS - time.monotonic())
    healed = watch.when(BUSY, from_first, outage.end, patience + 30)
    table.add("F20", "back: the primary was good for 60 s and speaks again", None, healed)
    assert SILENT_AGAIN_SECONDS - 2 <= healed <= SILENT_AGAIN_SECONDS + 15
    assert any("because bybit is late" in each for each in watch.notices)
    found = wait_for("the candles", partial(_candles, outage.rig), 15)
    assert all(two[0] - one[0] == 60_000 for one, two in pairwise(found["candles"]))
    began = time.time() - (time.monotonic() - outage.begin)
    away = [each for each in found["backfilled"] if each >= 1_000 * (began - 60)]
    assert away, "the minute that closed meanwhile is marked as fetched"
    assert watch.untruths == []


def _candles(rig: Rig) -> Record | None:
    """The minutes of the busiest symbol, as soon as they are published."""
    found: Record = rig.virtuoso.get(f"/api/symbols/{BUSY}/candles?timeframe=1m")
    return found if "candles" in found else None

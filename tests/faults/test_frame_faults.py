"""F04: frames that cannot be read."""

import asyncio
import random
import time

import pytest

from faults.conftest import FaultTable
from faults.rig import BUSY, Rig
from faults.watch import reason_of
from support.feed_listener import FeedListener, listening_to
from support.frame_relay import frame_relay
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.bybit.settings import BybitSettings
from virtuoso.adapters.feed.bybit.stream import BybitFeed
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import FrameRefused
from virtuoso.simulator.garbage import GARBAGE

pytestmark = [pytest.mark.process, pytest.mark.fault]

BTC = Instrument(BYBIT, Symbol(BUSY))
HARMLESS = frozenset({"unknown_symbol"})
"""Well-formed, about something else: dropped, and the connection lives."""
AT_ONCE = 5
"""Variants measured side by side; more of them would measure this computer."""


async def _refused(listener: FeedListener) -> FrameRefused:
    await listener.until(lambda: listener.of(FrameRefused), 10)
    return listener.of(FrameRefused)[0]


async def _until_data_again(venue: str, variant: str) -> tuple[float, FrameRefused]:
    """Say one bad frame to a healthy feed; the seconds until its book is whole and data flow."""
    async with frame_relay(venue) as relay:
        settings = BybitSettings(url=f"ws://127.0.0.1:{relay.port}/v5/public/linear")
        feed = BybitFeed(settings, SystemClock(), random.Random(variant))  # noqa: S311
        async with listening_to(feed, [BTC]) as listener:
            await listener.until(lambda: listener.are_synced() and listener.kinds["Trade"], 20)
            begin = asyncio.get_running_loop().time()
            await relay.say(GARBAGE[variant](BUSY))
            refused = await _refused(listener)
            if variant not in HARMLESS:
                await listener.until(lambda: not listener.connected, 10)
                quotes = listener.kinds["Quote"]
                await listener.until(
                    lambda: listener.are_synced() and listener.kinds["Quote"] > quotes, 10
                )
            return asyncio.get_running_loop().time() - begin, refused


async def test_f04_after_each_kind_of_bad_frame_data_come_again(
    shared_rig: Rig, table: FaultTable
) -> None:
    """A sample is kept, the connection is recycled, and within a second there are data again."""
    turns = asyncio.Semaphore(AT_ONCE)
    venue = f"{shared_rig.venue.base_url.host}:{shared_rig.venue.base_url.port}"

    async def measure(variant: str) -> None:
        async with turns:
            healed, refused = await _until_data_again(venue, variant)
        assert len(refused.sample) <= 4_096
        assert refused.reason
        assert refused.recycled is (variant not in HARMLESS), variant
        table.add("F04", f"{variant}: {refused.reason:.60}", None, healed)
        assert healed <= 2.0, variant

    await asyncio.gather(*(measure(variant) for variant in GARBAGE))


@pytest.mark.parametrize(
    "variant", ["cut_json", "null_data", "deep_nesting", "invalid_utf8", "five_megabytes"]
)
def test_f04_the_page_tells_of_it_and_goes_on(
    healthy: Rig, table: FaultTable, variant: str
) -> None:
    """The book goes with the connection and comes back with it; the reject is on record."""
    watch, begin = healthy.watch, time.monotonic()
    refused = healthy.counter("frame_refused_")
    healthy.inject("garbage", variant=variant, symbol=healthy.symbols[2])
    marked = watch.when(BUSY, lambda each: reason_of(each, "orderbook"), begin, 5)
    healed = watch.when(BUSY, lambda each: reason_of(each, "orderbook") is None, begin, 10)
    table.add("F04", f"{variant}, as the page shows it", marked, healed)
    healthy.seconds_until_counted("frame_refused_", above=refused)
    assert marked <= 1.5
    assert healed <= 5.0


def test_f04_a_topic_that_is_broken_time_and_again_is_set_aside(
    healthy: Rig, table: FaultTable
) -> None:
    """Three bad frames within a minute: that one is absent with `no_feed`, the others live on."""
    symbol, begin = healthy.symbols[6], time.monotonic()
    for _ in range(3):
        disconnects = healthy.counter("disconnects")
        healthy.inject("garbage", variant="price_is_text", symbol=symbol)
        healthy.seconds_until_counted("disconnects", above=disconnects)
        healthy.seconds_until("all live", healthy.is_well, 12)
    marked = healthy.watch.when(
        symbol, lambda each: reason_of(each, "orderbook") == "no_feed", begin, 8
    )
    table.add("F04", "three bad frames of one topic: it is set aside, the others live", marked)
    assert healthy.state("price", symbol) == "live"

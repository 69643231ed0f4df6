"""Faults: what is asked for must make sense, and what lasts must end."""

import asyncio

import pytest

from virtuoso.simulator.directory import Directory
from virtuoso.simulator.faults import FAULTS, FaultRequest, Faults
from virtuoso.simulator.garbage import GARBAGE
from virtuoso.simulator.listings import LISTINGS


@pytest.fixture
def faults() -> Faults:
    """Return the faults of a venue that lists two symbols."""
    return Faults(Directory(LISTINGS[:2]))


def test_every_fault_that_can_be_asked_for_is_explained() -> None:
    """The list that GET shows is the list that POST takes."""
    names = FaultRequest.__annotations__["fault"].__args__
    assert sorted(FAULTS) == sorted(names)


@pytest.mark.parametrize(
    "request_",
    [
        FaultRequest(fault="book_gap"),
        FaultRequest(fault="freeze_topic"),
        FaultRequest(fault="book_gap", symbol="NOSUCHUSDT"),
        FaultRequest(fault="garbage", variant="nonsense"),
    ],
)
def test_a_fault_that_lacks_a_detail_is_refused(faults: Faults, request_: FaultRequest) -> None:
    """A test that asks for the impossible should hear of it."""
    with pytest.raises(ValueError, match="expected"):
        faults.begin(request_)
    assert faults.active() == []


def test_frozen_means_what_was_named(faults: Faults) -> None:
    """A topic, a symbol or everything; and unfreezing ends all three."""
    faults.begin(FaultRequest(fault="freeze_topic", topic="publicTrade.BTCUSDT"))
    assert faults.silences("bybit", 0, "publicTrade.BTCUSDT")
    assert not faults.silences("bybit", 0, "tickers.BTCUSDT")
    faults.begin(FaultRequest(fault="freeze_symbol", symbol="BTCUSDT"))
    assert faults.silences("bybit", 0, "tickers.BTCUSDT")
    assert not faults.silences("bybit", 1, "tickers.ETHUSDT")
    faults.begin(FaultRequest(fault="freeze"))
    assert faults.silences("bybit", 1, "tickers.ETHUSDT")
    assert not faults.silences_pongs("bybit")
    faults.begin(FaultRequest(fault="unfreeze"))
    assert not faults.silences("bybit", 0, "publicTrade.BTCUSDT")


async def test_a_fault_with_a_length_ends_by_itself(faults: Faults) -> None:
    """`seconds` is how long it lasts."""
    faults.begin(FaultRequest(fault="rest_down", seconds=0.02))
    assert faults.rest("bybit", "/v5/market/time") is not None
    await asyncio.sleep(0.05)  # later than the end, by the same loop's clock
    assert faults.rest("bybit", "/v5/market/time") is None


def test_one_trade_in_a_hundred_is_lost(faults: Faults) -> None:
    """The share is kept exactly, so that a test can count on it."""
    assert not faults.loses_next_trade("bybit")
    faults.begin(FaultRequest(fault="lose_trades", share=0.01))
    assert sum(faults.loses_next_trade("bybit") for _ in range(1_000)) == 10


def test_garbage_is_made_for_a_symbol() -> None:
    """Every variant is bytes; those that look like a push name the symbol."""
    made = {name: make("BTCUSDT") for name, make in GARBAGE.items()}
    assert all(isinstance(frame, bytes) for frame in made.values())
    assert b"BTCUSDT" in made["price_is_nan"]

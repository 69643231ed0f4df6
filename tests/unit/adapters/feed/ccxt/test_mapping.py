"""CCXT's unified structures become our events, or are left out with a word; nothing is made up."""

from typing import Any

import pytest

from virtuoso.adapters.feed.ccxt.contracts import Contract, read_catalogue
from virtuoso.adapters.feed.ccxt.mapping import (
    IncompleteError,
    to_book,
    to_closed_candles,
    to_liquidation,
    to_ticker,
    to_trade,
    volume_factor,
)
from virtuoso.adapters.feed.ccxt.venues import Dialect, dialect_of
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Symbol, Venue
from virtuoso.domain.market_data import (
    BookSnapshot,
    Candle,
    Liquidation,
    MarketEvent,
    PositionSide,
    Side,
    Ticker,
    TickerField,
    Trade,
    TradeKind,
)
from virtuoso.domain.time import Millis, Timeframe

OKX = Venue("okx")
BTC = Contract(Instrument(OKX, Symbol("BTCUSDT")), "BTC/USDT:USDT", 0.01)
WHOLE = Contract(Instrument(OKX, Symbol("ETHUSDT")), "ETH/USDT:USDT", 1.0)
PLAIN = Dialect()
AT, NOW = Millis(1_763_700_000_123), Millis(1_763_700_000_200)
TRADE: dict[str, Any] = {
    "id": "t-1",
    "timestamp": AT,
    "price": 91_000.5,
    "amount": 30.0,
    "side": "sell",
    "info": {},
}
TICKER: dict[str, Any] = {
    "timestamp": AT,
    "last": 91_000.0,
    "percentage": -1.5,
    "baseVolume": 12_345.0,
    "quoteVolume": 1e9,
    "markPrice": None,
    "info": {"openInterest": "500", "fundingRate": "", "nextFundingTime": "1763712000000"},
}


def test_quantities_are_base_currency() -> None:
    """Thirty contracts of 0.01 are 0.3 coins, in trades, books and liquidations alike."""
    assert to_trade(TRADE, BTC, PLAIN, NOW) == MarketEvent(
        BTC.instrument, Trade("t-1", 91_000.5, 0.3, Side.SELL), AT, NOW
    )
    book = {"bids": [[9.0, 200, 4]], "asks": [[10.0, 100], [11.0, 0]], "timestamp": AT}
    assert to_book(book, BTC, 7, NOW) == MarketEvent(
        BTC.instrument, BookSnapshot([(9.0, 2.0)], [(10.0, 1.0)], 7), AT, NOW
    )
    row = {"side": "buy", "contracts": 50, "price": 9.5, "timestamp": AT}
    assert to_liquidation(row, BTC, dialect_of(BYBIT), NOW) == MarketEvent(
        BTC.instrument, Liquidation(PositionSide.LONG, 0.5, 9.5), AT, NOW
    )


@pytest.mark.parametrize("key", ["id", "timestamp", "price", "amount", "side"])
@pytest.mark.parametrize("value", [None, "", "NaN", float("inf")])
def test_a_trade_that_lacks_something_is_left_out(key: str, value: object) -> None:
    """It is not given a time, a price or a side of ours."""
    if key == "id" and value not in {None, ""}:
        return  # an id is any text
    with pytest.raises(IncompleteError, match="trade without"):
        to_trade(TRADE | {key: value}, BTC, PLAIN, NOW)


@pytest.mark.parametrize("levels", [[[None, 1.0]], [[9.0, None]], [[float("nan"), 1.0]]])
def test_a_book_with_a_hole_in_a_number_is_left_out(levels: list[list[Any]]) -> None:
    """So is one without a time."""
    with pytest.raises(IncompleteError):
        to_book({"bids": levels, "asks": [], "timestamp": AT}, BTC, 1, NOW)
    with pytest.raises(IncompleteError, match="without time"):
        to_book({"bids": [], "asks": [], "timestamp": None}, BTC, 1, NOW)


def test_block_and_off_market_trades_are_told_where_the_venue_tells_them() -> None:
    """By the words of the raw trade."""
    block = TRADE | {"info": {"BT": True}}
    assert to_trade(block, BTC, dialect_of(BYBIT), NOW).data.kind is TradeKind.BLOCK
    fund = TRADE | {"info": {"X": "INSURANCE_FUND"}}
    assert to_trade(fund, BTC, dialect_of(BINANCE), NOW).data.kind is TradeKind.OFF_MARKET
    assert to_trade(TRADE, BTC, dialect_of(BINANCE), NOW).data.kind is TradeKind.MARKET


def test_a_liquidation_names_the_position_by_each_venues_custom() -> None:
    """Bybit tells the side of the position, Binance that of the order; of others it is unknown."""
    row = {"side": "sell", "contracts": 1, "price": 9.5, "timestamp": AT}
    sides = {BYBIT: PositionSide.SHORT, BINANCE: PositionSide.LONG}
    for venue, side in sides.items():
        assert to_liquidation(row, WHOLE, dialect_of(venue), NOW).data.side is side
    with pytest.raises(IncompleteError, match="side"):
        to_liquidation(row, WHOLE, PLAIN, NOW)


def test_a_ticker_holds_only_what_it_carried() -> None:
    """Percents are fractions; a volume whose unit is unsure is not there."""
    event = to_ticker(TICKER, BTC, PLAIN, NOW)
    assert event == MarketEvent(
        BTC.instrument,
        Ticker(
            {
                TickerField.LAST_PRICE: 91_000.0,
                TickerField.CHANGE_24H: -0.015,
                TickerField.TURNOVER_24H: 1e9,
            },
            whole=True,
        ),
        AT,
        NOW,
    )
    assert to_ticker(TICKER, WHOLE, PLAIN, NOW).data.values[TickerField.VOLUME_24H] == 12_345.0
    with pytest.raises(IncompleteError, match="time"):
        to_ticker(TICKER | {"timestamp": None}, BTC, PLAIN, NOW)


def test_the_raw_ticker_adds_what_the_unified_one_leaves_out() -> None:
    """An empty text means that the venue has no value."""
    values = to_ticker(TICKER, WHOLE, dialect_of(BYBIT), NOW).data.values
    assert values[TickerField.OPEN_INTEREST] == 500
    assert values[TickerField.FUNDING_RATE] is None
    assert values[TickerField.NEXT_FUNDING_TIME] == 1_763_712_000_000
    assert TickerField.FUNDING_INTERVAL_HOURS not in values


def test_only_closed_candles_are_candles() -> None:
    """Closed is what has a later one behind it, or ended long enough ago."""
    rows = [[120_000, 1, 2, 0.5, 1.5, 20], [60_000, 1, 2, 0.5, 1.5, 10]]
    first = Candle(Timeframe.M1, Millis(60_000), 1, 2, 0.5, 1.5, 10)
    second = Candle(Timeframe.M1, Millis(120_000), 1, 2, 0.5, 1.5, 20)
    assert to_closed_candles(rows, Timeframe.M1, 1.0, Millis(179_999)) == [first]
    assert to_closed_candles(rows, Timeframe.M1, 1.0, Millis(180_000)) == [first, second]
    assert to_closed_candles(rows, Timeframe.M1, 0.1, Millis(0))[0].volume == 1.0


def test_a_candle_with_a_missing_number_is_left_out() -> None:
    """Neither a price nor a volume is put in its place."""
    rows: list[list[Any]] = [
        [60_000, 1, None, 0.5, 1.5, 10],
        [120_000, 1, 2, 0.5, 1.5, None],
        [None, 1, 2, 1, 1, 1],
    ]
    assert to_closed_candles(rows, Timeframe.M1, 1.0, Millis(10**12)) == []


def test_the_volume_of_candles_is_used_only_where_its_unit_is_known() -> None:
    """One coin a contract is sure; otherwise the venue's entry must say it."""
    assert volume_factor(WHOLE, PLAIN) == 1.0
    assert volume_factor(BTC, PLAIN) is None
    assert volume_factor(BTC, Dialect(candle_volume_in_base=True)) == 1.0
    assert volume_factor(BTC, Dialect(candle_volume_in_base=False)) == 0.01


MARKET: dict[str, Any] = {
    "symbol": "BTC/USDT:USDT",
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "swap": True,
    "linear": True,
    "active": True,
    "contractSize": 0.01,
    "precision": {"price": 0.1, "amount": 1},
}


def test_the_catalogue_holds_the_tradable_usdt_perpetuals() -> None:
    """Others are none of ours; what is unsound is excluded with a reason, and no name twice."""
    markets = [
        MARKET,
        MARKET | {"symbol": "again"},
        MARKET | {"symbol": "spot", "swap": False},
        MARKET | {"symbol": "inverse", "linear": False},
        MARKET | {"symbol": "usdc", "settle": "USDC"},
        MARKET | {"symbol": "gone", "active": False},
        MARKET | {"base": "ETH", "symbol": "no size", "contractSize": None},
        MARKET | {"base": "SOL", "symbol": "no tick", "precision": {}},
    ]
    found = read_catalogue(OKX, markets, 4, {"BTC/USDT:USDT": 5e9})
    assert list(found.contracts) == [BTC.instrument]
    assert found.contracts[BTC.instrument] == BTC
    listing = found.listings[0]
    assert (listing.tick_size, listing.quantity_step, listing.turnover_24h) == (0.1, 0.01, 5e9)
    assert [each.reason for each in found.excluded] == [
        "a second BTCUSDT",
        "its contract size is None",
        "its tick is 0.0 and its step 0.0",
    ]


def test_decimal_places_are_steps_too() -> None:
    """A precision of one place is a tick of 0.1; of significant digits there is no tick."""
    places = MARKET | {"precision": {"price": 1, "amount": 0}}
    listing = read_catalogue(OKX, [places], 2, {}).listings[0]
    assert listing.tick_size == pytest.approx(0.1)
    assert listing.quantity_step == pytest.approx(0.01)
    assert read_catalogue(OKX, [places], 3, {}).listings == ()

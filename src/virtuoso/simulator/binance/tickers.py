"""The day's figures of every contract."""

from dataclasses import dataclass

from virtuoso.simulator.binance.frames import encode, money
from virtuoso.simulator.binance.market import BinanceMarket
from virtuoso.simulator.candles import CLOSE, COUNT, DAY, HIGH, LOW, TURNOVER, VOLUME
from virtuoso.simulator.numbers import padded

_PERCENT_SCALE = 3


@dataclass(frozen=True, slots=True)
class DayTicker:
    """What happened in the last 24 hours, as text where the venue writes text."""

    symbol: str
    change: str
    change_percent: str
    average: str
    last: str
    last_quantity: str
    opened: str
    high: str
    low: str
    volume: str
    turnover: str
    open_time: int
    close_time: int
    first_id: int
    last_id: int
    count: int


def day_ticker(market: BinanceMarket, number: int) -> DayTicker:
    """Return the present figures of one contract."""
    listing, day, forming = market.listings[number], market.day, market.trades.forming[number]
    last, opened = forming[CLOSE], day.closes_a_day_ago[number]
    volume = day.volumes[number] + forming[VOLUME]
    turnover = day.turnovers[number] + forming[TURNOVER]
    count = day.counts[number] + forming[COUNT]
    symbol = market.symbols[number]
    recent = symbol.takes
    average = round(turnover / volume * listing.tick_units) if volume else 0
    percent = round((last / opened - 1) * 100 * 10**_PERCENT_SCALE)
    return DayTicker(
        symbol=listing.symbol,
        change=listing.price_text(last - opened),
        change_percent=padded(percent, _PERCENT_SCALE),
        average=padded(average, listing.price_scale),
        last=listing.price_text(last),
        last_quantity=listing.quantity_text(recent[-1].steps if recent else 0),
        opened=listing.price_text(opened),
        high=listing.price_text(max(day.highs[number], forming[HIGH])),
        low=listing.price_text(min(day.lows[number], forming[LOW])),
        volume=listing.quantity_text(volume),
        turnover=money(listing, turnover),
        open_time=market.now_ms // 60_000 * 60_000 - DAY + 60_000,
        close_time=market.now_ms,
        first_id=symbol.last_trade_id - count + 1,
        last_id=symbol.last_trade_id,
        count=count,
    )


def ticker_frame(ticker: DayTicker, at: int) -> bytes:
    """Write it as the stream does."""
    return encode(
        {
            "e": "24hrTicker",
            "E": at,
            "s": ticker.symbol,
            "p": ticker.change,
            "P": ticker.change_percent,
            "w": ticker.average,
            "c": ticker.last,
            "Q": ticker.last_quantity,
            "o": ticker.opened,
            "h": ticker.high,
            "l": ticker.low,
            "v": ticker.volume,
            "q": ticker.turnover,
            "O": ticker.open_time,
            "C": ticker.close_time,
            "F": ticker.first_id,
            "L": ticker.last_id,
            "n": ticker.count,
            "st": 1,
        }
    )


def ticker_row(ticker: DayTicker) -> dict[str, object]:
    """Write it as REST does."""
    return {
        "symbol": ticker.symbol,
        "priceChange": ticker.change,
        "priceChangePercent": ticker.change_percent,
        "weightedAvgPrice": ticker.average,
        "lastPrice": ticker.last,
        "lastQty": ticker.last_quantity,
        "openPrice": ticker.opened,
        "highPrice": ticker.high,
        "lowPrice": ticker.low,
        "volume": ticker.volume,
        "quoteVolume": ticker.turnover,
        "openTime": ticker.open_time,
        "closeTime": ticker.close_time,
        "firstId": ticker.first_id,
        "lastId": ticker.last_id,
        "count": ticker.count,
    }

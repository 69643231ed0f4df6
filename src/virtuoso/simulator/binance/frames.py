"""The frames of the streams, key by key as Binance writes them; `data` of a combined frame."""

import msgspec

from virtuoso.simulator.binance.changes import BestChanged, Differences, ForcedOrder, Take
from virtuoso.simulator.binance.market import MARK_SCALE, BinanceMarket
from virtuoso.simulator.book import Level
from virtuoso.simulator.candles import (
    CLOSE,
    COUNT,
    HIGH,
    LOW,
    OPEN,
    TAKER_TURNOVER,
    TAKER_VOLUME,
    TURNOVER,
    VOLUME,
    closing_of,
)
from virtuoso.simulator.derivatives import RATE_SCALE
from virtuoso.simulator.factors import Integers
from virtuoso.simulator.listings import Listing
from virtuoso.simulator.numbers import padded

encode = msgspec.json.encode
_USD_M = 1
_LATE_MS = 3
"""How long after the event it is told."""


def combined(stream: str, data: bytes) -> bytes:
    """Wrap the data of a stream as a combined connection gets it."""
    return b'{"stream":"%b","data":%b}' % (stream.encode(), data)


def answer(request_id: object, result: object = None) -> bytes:
    """Write the answer to a request that was understood."""
    return encode({"result": result, "id": request_id})


def error(request_id: object, code: int, message: str) -> bytes:
    """Write the answer to a request that was not."""
    return encode({"error": {"code": code, "msg": message}, "id": request_id})


def differences(listing: Listing, change: Differences) -> bytes:
    """Write a depth update."""
    return encode(
        {
            "e": "depthUpdate",
            "E": change.at,
            "T": change.matched_at,
            "s": listing.symbol,
            "ps": listing.symbol,
            "st": _USD_M,
            "U": change.first,
            "u": change.last,
            "pu": change.previous,
            "b": levels(listing, change.bids),
            "a": levels(listing, change.asks),
        }
    )


def best(listing: Listing, change: BestChanged) -> bytes:
    """Write the best prices."""
    (bid, bid_steps), (ask, ask_steps) = change.bid, change.ask
    return encode(
        {
            "e": "bookTicker",
            "u": change.update,
            "E": change.at,
            "T": change.matched_at,
            "s": listing.symbol,
            "b": listing.price_text(bid),
            "B": listing.quantity_text(bid_steps),
            "a": listing.price_text(ask),
            "A": listing.quantity_text(ask_steps),
            "st": _USD_M,
            "ps": listing.symbol,
        }
    )


def aggregate(listing: Listing, take: Take, at: int) -> bytes:
    """Write what one taker did at one price; `m`: the seller was the taker."""
    quantity = listing.quantity_text(take.steps)
    return encode(
        {
            "e": "aggTrade",
            "E": at,
            "a": take.id,
            "s": listing.symbol,
            "p": listing.price_text(take.ticks),
            "q": quantity,
            "nq": quantity,
            "f": take.first,
            "l": take.last,
            "T": take.time,
            "m": not take.buyer_took,
            "st": _USD_M,
        }
    )


def trades(listing: Listing, take: Take, at: int) -> list[bytes]:
    """Write the single trades in it, each a frame."""
    return [
        encode(
            {
                "e": "trade",
                "E": at,
                "T": take.time,
                "s": listing.symbol,
                "t": take.first + offset,
                "p": listing.price_text(take.ticks),
                "q": listing.quantity_text(steps),
                "X": "MARKET",
                "m": not take.buyer_took,
            }
        )
        for offset, steps in enumerate(take.fills)
    ]


def mark_price(market: BinanceMarket, number: int, at: int) -> bytes:
    """Write mark and index price, the coming funding rate, and when (`T`) it settles."""
    mark = padded(market.mark.forming[number][CLOSE], MARK_SCALE)
    return encode(
        {
            "e": "markPriceUpdate",
            "E": at,
            "s": market.listings[number].symbol,
            "p": mark,
            "ap": mark,
            "P": mark,
            "i": padded(market.index.forming[number][CLOSE], MARK_SCALE),
            "r": padded(market.derivatives.funding_rates[number], RATE_SCALE),
            "T": market.derivatives.next_funding(number, at),
            "st": _USD_M,
        }
    )


def candle(
    market: BinanceMarket,
    number: int,
    interval: tuple[str, str],
    opened: tuple[int, Integers],
    at: int,
    *,
    closed: bool,
) -> bytes:
    """Write a candle. `interval`: its name here, and the one it is kept under."""
    listing = market.listings[number]
    start, values = opened
    row = values.tolist()
    last = market.symbols[number].last_trade_id
    return encode(
        {
            "e": "kline",
            "E": at + _LATE_MS,
            "s": listing.symbol,
            "k": {
                "t": start,
                "T": closing_of(interval[1], start) - 1,
                "s": listing.symbol,
                "i": interval[0],
                "f": last - row[COUNT] + 1 if row[COUNT] else -1,
                "L": last if row[COUNT] else -1,
                "o": listing.price_text(row[OPEN]),
                "c": listing.price_text(row[CLOSE]),
                "h": listing.price_text(row[HIGH]),
                "l": listing.price_text(row[LOW]),
                "v": listing.quantity_text(row[VOLUME]),
                "n": row[COUNT],
                "x": closed,
                "q": money(listing, row[TURNOVER]),
                "V": listing.quantity_text(row[TAKER_VOLUME]),
                "Q": money(listing, row[TAKER_TURNOVER]),
                "B": "0",
            },
        }
    )


def forced_order(listing: Listing, order: ForcedOrder, at: int) -> bytes:
    """Write a liquidation; `S` is the side of the order: SELL closes a long."""
    size = listing.quantity_text(order.steps)
    average = round(order.average_ticks * listing.tick_units)
    return encode(
        {
            "e": "forceOrder",
            "E": at,
            "o": {
                "s": listing.symbol,
                "S": "SELL" if order.sells else "BUY",
                "o": "LIMIT",
                "f": "IOC",
                "q": size,
                "p": listing.price_text(order.limit_ticks),
                "ap": padded(average, listing.price_scale),
                "X": "FILLED",
                "l": size,
                "z": size,
                "T": order.time,
                "ps": listing.symbol,
                "st": _USD_M,
            },
        }
    )


def levels(listing: Listing, rows: list[Level]) -> list[tuple[str, str]]:
    """Write levels of a book."""
    price, quantity = listing.price_text, listing.quantity_text
    return [(price(ticks), quantity(steps)) for ticks, steps in rows]


def money(listing: Listing, amount: int) -> str:
    """Write an amount of ticks times steps in USDT."""
    return padded(amount * listing.money_units, listing.money_scale)

"""The frames of the stream, key by key as the venue writes them."""

from collections.abc import Mapping, Sequence

import msgspec

from virtuoso.simulator.book import BookUpdate, Level
from virtuoso.simulator.candles import closing_of
from virtuoso.simulator.changes import Liquidation, Trade
from virtuoso.simulator.factors import Integers
from virtuoso.simulator.listings import Listing

encode = msgspec.json.encode


def acknowledgement(
    op: str, request_id: str, connection_id: str, *, success: bool, message: str
) -> bytes:
    """Write the answer to a request; the answer to a ping carries op "ping", message "pong"."""
    return encode(
        {
            "success": success,
            "ret_msg": message,
            "conn_id": connection_id,
            "req_id": request_id,
            "op": op,
        }
    )


def book(listing: Listing, update: BookUpdate, at: int, *, snapshot: bool) -> bytes:
    """Write a snapshot or a delta of the order book."""
    return encode(
        {
            "topic": f"orderbook.{update.depth}.{listing.symbol}",
            "type": "snapshot" if snapshot else "delta",
            "ts": at,
            "data": {
                "s": listing.symbol,
                "b": _levels(listing, update.bids),
                "a": _levels(listing, update.asks),
                "u": update.update_id,
                "seq": update.sequence,
            },
            "cts": update.matched_at,
        }
    )


def trades(listing: Listing, batch: Sequence[Trade], at: int) -> bytes:
    """Write trades; `S` is the taker's side."""
    rows = [
        {
            "T": trade.time,
            "s": listing.symbol,
            "S": "Buy" if trade.buyer_took else "Sell",
            "v": listing.quantity_text(trade.steps),
            "p": listing.price_text(trade.ticks),
            "L": trade.direction,
            "i": trade.id,
            "BT": False,
            "RPI": trade.retail_improved,
            "seq": trade.sequence,
        }
        for trade in batch
    ]
    topic = f"publicTrade.{listing.symbol}"
    return encode({"topic": topic, "type": "snapshot", "ts": at, "data": rows})


def ticker(
    listing: Listing, fields: Mapping[str, str], sequence: int, at: int, *, snapshot: bool
) -> bytes:
    """Write a ticker, or those of its fields that changed."""
    return encode(
        {
            "topic": f"tickers.{listing.symbol}",
            "type": "snapshot" if snapshot else "delta",
            "data": {"symbol": listing.symbol, **fields},
            "cs": sequence,
            "ts": at,
        }
    )


def candle(
    listing: Listing, interval: str, start: int, row: Integers, at: int, *, closed: bool
) -> bytes:
    """Write a candle, forming or closed."""
    opened, high, low, close, volume, turnover = row.tolist()
    data = {
        "start": start,
        "end": closing_of(interval, start) - 1,
        "interval": interval,
        "open": listing.price_trimmed(opened),
        "close": listing.price_trimmed(close),
        "high": listing.price_trimmed(high),
        "low": listing.price_trimmed(low),
        "volume": listing.quantity_trimmed(volume),
        "turnover": listing.money_trimmed(turnover),
        "confirm": closed,
        "timestamp": at,
    }
    topic = f"kline.{interval}.{listing.symbol}"
    return encode({"topic": topic, "data": [data], "ts": at, "type": "snapshot"})


def liquidations(listing: Listing, batch: Sequence[Liquidation], at: int) -> bytes:
    """Write liquidations; `S` is the side of the position: Buy means that a long was closed."""
    rows = [
        {
            "T": each.time,
            "s": listing.symbol,
            "S": "Buy" if each.long else "Sell",
            "v": listing.quantity_text(each.steps),
            "p": listing.price_text(each.bankruptcy_ticks),
        }
        for each in batch
    ]
    topic = f"allLiquidation.{listing.symbol}"
    return encode({"topic": topic, "type": "snapshot", "ts": at, "data": rows})


def _levels(listing: Listing, levels: Sequence[Level]) -> list[tuple[str, str]]:
    price, quantity = listing.price_text, listing.quantity_text
    return [(price(ticks), quantity(steps) if steps else "0") for ticks, steps in levels]

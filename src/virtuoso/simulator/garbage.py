"""Malformed frames, made for a symbol: each a way in which a stream has been seen to break."""

from collections.abc import Callable, Mapping
from typing import Final

_DEEP = 20_000
_FIVE_MEGABYTES = 5_000_000


def _pushed(symbol: str, prices: str) -> bytes:
    data = f'{{"s":"{symbol}","b":{prices},"a":[],"u":2,"seq":2}}'
    topic = f"orderbook.200.{symbol}"
    return f'{{"topic":"{topic}","type":"delta","ts":1,"data":{data},"cts":1}}'.encode()


def _null_data(symbol: str) -> bytes:
    return b'{"topic":"tickers.%s","type":"delta","data":null,"cs":1,"ts":1}' % symbol.encode()


GARBAGE: Final[Mapping[str, Callable[[str], bytes]]] = {
    "cut_json": lambda symbol: _pushed(symbol, '[["1.0","2.0"]]')[:60],
    "price_is_text": lambda symbol: _pushed(symbol, '[["abc","1"]]'),
    "price_is_nan": lambda symbol: _pushed(symbol, '[["NaN","1"]]'),
    "price_is_infinite": lambda symbol: _pushed(symbol, '[["1e999","1"]]'),
    "price_is_infinity": lambda symbol: _pushed(symbol, '[["Infinity","1"]]'),
    "price_is_negative": lambda symbol: _pushed(symbol, '[["-1.0","1"]]'),
    "price_is_zero": lambda symbol: _pushed(symbol, '[["0","1"]]'),
    "size_is_negative": lambda symbol: _pushed(symbol, '[["1.0","-2.0"]]'),
    "price_is_object": lambda symbol: _pushed(symbol, '[[{"p":1},"1"]]'),
    "null_row": lambda symbol: _pushed(symbol, "[null]"),
    "null_data": _null_data,
    "deep_nesting": lambda _: b"[" * _DEEP + b"]" * _DEEP,
    "invalid_utf8": lambda _: b'{"topic":"\xff\xfe"}',
    "plain_text": lambda _: b"upstream connect error",
    "list": lambda _: b"[1,2,3]",
    "number": lambda _: b"42",
    "empty": lambda _: b"",
    "numeric_topic": lambda _: b'{"topic":7,"type":"delta","data":{}}',
    "unknown_symbol": lambda _: _pushed("NOSUCHUSDT", '[["1.0","2.0"]]'),
    "five_megabytes": lambda _: b'{"topic":"' + b"x" * _FIVE_MEGABYTES + b'"}',
}
"""In Bybit's words."""


def _depth(symbol: str, prices: str) -> bytes:
    stream = f"{symbol.lower()}@depth@100ms"
    head = f'"e":"depthUpdate","E":1,"T":1,"s":"{symbol}","U":2,"u":3,"pu":1'
    return f'{{"stream":"{stream}","data":{{{head},"b":{prices},"a":[]}}}}'.encode()


def _binance_null_data(symbol: str) -> bytes:
    return b'{"stream":"%s@aggTrade","data":null}' % symbol.lower().encode()


BINANCE_GARBAGE: Final[Mapping[str, Callable[[str], bytes]]] = {
    **GARBAGE,
    "cut_json": lambda symbol: _depth(symbol, '[["1.0","2.0"]]')[:60],
    "price_is_text": lambda symbol: _depth(symbol, '[["abc","1"]]'),
    "price_is_nan": lambda symbol: _depth(symbol, '[["NaN","1"]]'),
    "price_is_infinite": lambda symbol: _depth(symbol, '[["1e999","1"]]'),
    "price_is_infinity": lambda symbol: _depth(symbol, '[["Infinity","1"]]'),
    "price_is_negative": lambda symbol: _depth(symbol, '[["-1.0","1"]]'),
    "price_is_zero": lambda symbol: _depth(symbol, '[["0","1"]]'),
    "size_is_negative": lambda symbol: _depth(symbol, '[["1.0","-2.0"]]'),
    "price_is_object": lambda symbol: _depth(symbol, '[[{"p":1},"1"]]'),
    "null_row": lambda symbol: _depth(symbol, "[null]"),
    "null_data": _binance_null_data,
    "invalid_utf8": lambda _: b'{"stream":"\xff\xfe"}',
    "numeric_topic": lambda _: b'{"stream":7,"data":{}}',
    "unknown_symbol": lambda _: _depth("NOSUCHUSDT", '[["1.0","2.0"]]'),
    "five_megabytes": lambda _: b'{"stream":"' + b"x" * _FIVE_MEGABYTES + b'"}',
}
"""The same in Binance's words."""

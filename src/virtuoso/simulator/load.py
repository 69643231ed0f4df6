"""Load: more quotes and trades than the market brings by itself, all of them true.

A quote is a maker who changes the size at the best price; a trade is a taker who takes a little
of it. Both are in the book, in the candles and in every other stream as well, so a client under
load can be checked as closely as one at leisure.
"""

from collections.abc import Callable

import numpy as np
import structlog

from virtuoso.simulator.binance.market import BinanceMarket
from virtuoso.simulator.binance.stream import BinanceStream
from virtuoso.simulator.market import Market
from virtuoso.simulator.stream import Stream

_log = structlog.get_logger(__name__)

_TRADE_SHARE = 0.3
_MOST_BEHIND_SECONDS = 1.0
_TICK_SECONDS = 0.1
_REFUSALS = 10
"""Tries in a row that push nothing after which a tick gives up."""


class Load:
    """Pushes as many messages as asked for, spread over symbols as turnover is."""

    def __init__(
        self,
        market: Market,
        streams: tuple[Stream, BinanceStream],
        generator: np.random.Generator,
        rate: float | None,
    ) -> None:
        """`rate`: messages a second over all clients; None: none but what is owed."""
        self._market = market
        self._binance: BinanceMarket | None = market.binance
        self._stream, self._binance_stream = streams
        self._generator = generator
        self._rate = rate
        self._began = -1.0
        self._pushed_before = 0
        self._version = -1
        self._actions: list[tuple[Callable[[int, int], None], int]] = []
        self._odds: np.ndarray[tuple[int], np.dtype[np.float64]] = np.zeros(0)

    @property
    def pushed(self) -> int:
        """Messages given to clients so far."""
        return self._stream.hub.pushed + self._binance_stream.hub.pushed

    @property
    def lasts(self) -> bool:
        """Whether there is a rate to keep."""
        return self._rate is not None

    def tick(self, now: float, now_ms: int) -> None:
        """Push what the rate asks for by now; `now` in seconds of any steady clock."""
        if self._rate is None:
            return
        self._look()
        if not self._actions:
            self._began = -1.0
            return
        if self._began < 0:
            self._began, self._pushed_before = now, self.pushed
        due = self._pushed_before + int((now - self._began) * self._rate)
        missing = due - self.pushed
        if missing > self._rate * _MOST_BEHIND_SECONDS:
            _log.warning("rate_not_reached", missing=missing, rate=self._rate)
            # what was missed is not made up for, or the machine would never catch up
            missing = max(1, int(self._rate * _TICK_SECONDS))
            self._began, self._pushed_before = now, self.pushed + missing
        self.push(missing, now_ms)

    def push(self, count: int, now_ms: int) -> None:
        """Push so many messages at once, as nearly as the number of clients allows."""
        self._look()
        if count <= 0 or not self._actions:
            return
        target = self.pushed + count
        refused = 0
        while (left := target - self.pushed) > 0 and refused < _REFUSALS:
            before = self.pushed
            draws = np.searchsorted(self._odds, self._generator.random(left))
            for which in draws.tolist():
                action, number = self._actions[which]
                action(number, now_ms)
                if self.pushed >= target:
                    break
            refused = refused + 1 if self.pushed == before else 0

    def _look(self) -> None:
        """Find out what somebody is subscribed to, when that has changed."""
        hub, other = self._stream.hub, self._binance_stream.hub
        version = hub.version + other.version
        if version == self._version:
            return
        self._version = version
        self._actions, odds = [], []
        for number, listing in enumerate(self._market.listings):
            weight = listing.daily_turnover**0.5
            for action, share, topics in (
                (self._quote, 1 - _TRADE_SHARE, (f"orderbook.1.{listing.symbol}",)),
                (self._trade, _TRADE_SHARE, (f"publicTrade.{listing.symbol}",)),
            ):
                if any(topic in hub.subscribers for topic in topics):
                    self._actions.append((action, number))
                    odds.append(weight * share)
            if self._binance is None:
                continue
            name = self._binance.listings[number].symbol.lower()
            for action, share, streams in (
                (self._binance_quote, 1 - _TRADE_SHARE, (f"{name}@bookTicker",)),
                (self._binance_trade, _TRADE_SHARE, (f"{name}@aggTrade", f"{name}@trade")),
            ):
                if any(s in other.subscribers or f"raw:{s}" in other.subscribers for s in streams):
                    self._actions.append((action, number))
                    odds.append(weight * share)
        if odds:
            self._odds = np.cumsum(odds) / sum(odds)

    def _quote(self, number: int, now_ms: int) -> None:
        self._stream.publish([self._market.stir_quote(number, now_ms)])

    def _trade(self, number: int, now_ms: int) -> None:
        self._stream.publish([self._market.stir_trade(number, now_ms)])

    def _binance_quote(self, number: int, now_ms: int) -> None:
        if self._binance is not None:
            self._binance_stream.publish([self._binance.stir_quote(number, now_ms)])

    def _binance_trade(self, number: int, now_ms: int) -> None:
        if self._binance is not None:
            self._binance_stream.publish([self._binance.stir_trade(number, now_ms)])

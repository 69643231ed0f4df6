"""Both venues on an invented market."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from virtuoso.simulator.binance.contracts import contract_of
from virtuoso.simulator.binance.rest import BinanceRest
from virtuoso.simulator.binance.stream import BinanceStream
from virtuoso.simulator.directory import Directory
from virtuoso.simulator.faults import FaultRequest, Faults
from virtuoso.simulator.listings import listings_of
from virtuoso.simulator.load import Load
from virtuoso.simulator.market import Market
from virtuoso.simulator.rest import Rest
from virtuoso.simulator.settings import ExchangeSettings
from virtuoso.simulator.stream import Stream
from virtuoso.simulator.symbol_market import STEP_MS

_STEPS_AT_ONCE = 5
"""After a pause of the machine the market is lived through in pieces, so that requests go on."""
_LOAD_TICK_MS = 10


class Synthetic:
    """Two venues that live in this process."""

    def __init__(self, settings: ExchangeSettings, clock: Callable[[], float]) -> None:
        """Make the market, which takes seconds. `clock` returns seconds since 1970."""
        self._settings = settings
        self._clock = clock
        # one more than asked for is kept back, so that something can be listed later
        self._listings = listings_of(settings.symbols + 1)
        self._contracts = tuple(contract_of(listing) for listing in self._listings)
        self.directory = Directory(self._listings, self._contracts)
        self.directory.entries[-1].listed = False
        self.faults = Faults(self.directory)
        generator = np.random.default_rng(settings.seed)
        market = Market(self._listings, self.now_ms(), generator, self._contracts)
        if market.binance is None:
            message = "expected a market with both venues"
            raise RuntimeError(message)
        self._market, self._binance = market, market.binance
        self._binance_rest = BinanceRest(market.binance, self.directory, self.faults, self.now_ms)
        self.bybit = Rest(market, self.directory, self.now_ms).answers
        self.binance = self._binance_rest.answers
        self.binance_series = self._binance_rest.data
        self.stream = Stream(market, self.directory, self.faults, settings)
        self.binance_stream = BinanceStream(market.binance, self.directory, self.faults, settings)
        self._load = Load(
            market,
            (self.stream, self.binance_stream),
            np.random.default_rng(settings.seed),
            settings.rate,
        )
        self.faults.ended.append(self._forget_old_book)

    def now_ms(self) -> int:
        """Return the venues' time."""
        return int(self._clock() * 1_000)

    def check(self, request: FaultRequest) -> None:
        """Raise ValueError, saying what was expected, when a fault makes no sense here."""
        self.faults.check(request)

    async def begin(self, request: FaultRequest) -> None:
        """Let a fault happen. Raises ValueError for a wrong detail."""
        self.faults.begin(request)
        number = self.directory.number_of(request.symbol)
        if number is not None:
            self._change_market(request, number)
        if request.concerns("bybit"):
            await self.stream.inject(request)
        if request.concerns("binance"):
            await self.binance_stream.inject(request)

    def describe(self) -> dict[str, Any]:
        """Say what market this is."""
        listed = self.directory.listed()
        return {
            "market": "synthetic",
            "transcoded": False,
            "seed": self._settings.seed,
            "symbols": {
                "bybit": [self._listings[at].symbol for at in listed],
                "binance": [self._contracts[at].symbol for at in listed],
            },
            "kept_back": [
                self._listings[at].symbol
                for at, entry in enumerate(self.directory.entries)
                if not entry.listed
            ],
            "market_time": self._market.now_ms,
            "rate": self._settings.rate,
        }

    async def live(self) -> None:
        """Let the market follow the clock."""
        loop, market, load = asyncio.get_running_loop(), self._market, self._load
        steps = 0
        while True:
            now = self.now_ms()
            due = market.now_ms + STEP_MS
            if due <= now:
                before = load.pushed
                self.stream.publish(market.step(due))
                self.binance_stream.publish(self._binance.changes)
                self._burst(load.pushed - before, now)
                steps += 1
                if steps % _STEPS_AT_ONCE:
                    continue
            load.tick(loop.time(), now)
            longest = _LOAD_TICK_MS if load.lasts else STEP_MS
            await asyncio.sleep(min(max(due - now, 0), longest) / 1_000)

    def _burst(self, natural: int, now_ms: int) -> None:
        """Push a multiple of what a step brought, while that fault lasts."""
        fault = self.faults.lasting("burst", "bybit") or self.faults.lasting("burst", "binance")
        if fault is not None:
            self._load.push(round(natural * (fault.factor - 1.0)), now_ms)

    def _change_market(self, request: FaultRequest, number: int) -> None:
        entry, now = self.directory.entries[number], self.now_ms()
        if request.fault == "list_symbol":
            entry.listed, entry.listed_at = True, now
        elif request.fault == "delist_symbol":
            entry.ends_at = now + round(request.delay * 1_000)
        elif request.fault == "new_tick":
            entry.finer = 10 ** max(1, round(np.log10(request.factor)))
        elif request.fault == "old_snapshot" and request.concerns("binance"):
            book = self._binance_rest.whole_book(number)
            self._binance_rest.old_books[number] = book
        elif request.fault == "price_jump":
            self._jump(request, number)

    def _jump(self, request: FaultRequest, number: int) -> None:
        market, size = self._market, 1.0 + request.size
        on_bybit, on_binance = request.concerns("bybit"), request.concerns("binance")
        if request.how == "once":
            if on_bybit:
                self.stream.publish([market.odd_trade(number, size)])
            if on_binance:
                self.binance_stream.publish([self._binance.odd_trade(number, size)])
            return
        if on_bybit:
            market.jump(number, size)
        if on_bybit != on_binance:
            # the other venue stays where it was
            self._binance.jump(number, float(np.log(size)) * (1 if on_binance else -1))

    def _forget_old_book(self, request: FaultRequest) -> None:
        number = self.directory.number_of(request.symbol)
        if request.fault == "old_snapshot" and number is not None:
            self._binance_rest.old_books.pop(number, None)

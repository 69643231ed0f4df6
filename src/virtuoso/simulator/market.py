"""The whole market: every symbol, live, in steps of 0.1 s.

It is a pure function of the listings, the generator, the start and the steps: it reads no clock
and knows no subscriber, so a test can live through an hour of it without a socket.
"""

import numpy as np

from virtuoso.simulator.binance.market import BinanceMarket, Weather
from virtuoso.simulator.candles import MINUTE
from virtuoso.simulator.changes import (
    BookChanged,
    CandleFormed,
    Change,
    Liquidated,
    Liquidation,
    MinuteClosed,
    TickerChanged,
    Trade,
    Traded,
)
from virtuoso.simulator.derivatives import Derivatives
from virtuoso.simulator.draws import Draws
from virtuoso.simulator.factors import Factors, Floats
from virtuoso.simulator.history import build, tell
from virtuoso.simulator.listings import Listing
from virtuoso.simulator.order_flow import Mood
from virtuoso.simulator.symbol_market import STEP_MS, Sequence, SymbolMarket
from virtuoso.simulator.tickers import Tickers

_MINUTES_A_STEP = STEP_MS / MINUTE
_INTEREST_EVERY_MS = 5_000
_LIQUIDATIONS_EVERY_MS = 500
_CANDLE_EVERY_STEPS = 10
_TICKER_EVERY_STEPS = 5
_FEW = 40
"""Up to so many symbols, the minute in which the market starts is lived through in full."""
_UNSEEN_OF_MANY_MS = 2_000
_RUSH_HALF_LIFE_STEPS = 150
_RUSH_DEVIATION = 0.425
"""Deviation of the decayed sum of returns, half-life 15 s, in deviations of a minute."""


class Market:
    """All symbols, from the minute in which it starts."""

    def __init__(
        self,
        listings: tuple[Listing, ...],
        start_ms: int,
        generator: np.random.Generator,
        contracts: tuple[Listing, ...] = (),
    ) -> None:
        """`contracts`: how Binance lists the same coins, in the same order; none: no Binance."""
        self.listings = listings
        count = len(listings)
        for_factors, for_past, self._generator, *own = generator.spawn(3 + count)
        self._factors = Factors(listings, for_factors)
        unseen = MINUTE if count <= _FEW else _UNSEEN_OF_MANY_MS
        story = tell(listings, self._factors, start_ms, for_past, unseen)
        past = build(story, listings, for_past)
        self.trades, self.mark, self.index = past.trades, past.mark, past.index
        self._log_price = past.log_price.copy()
        self._ticks = np.array([listing.tick for listing in listings])
        self._finest = np.array([10.0**-listing.price_scale for listing in listings])
        self._rush: Floats = np.zeros(count)
        turnover = np.array([listing.daily_turnover for listing in listings])
        self._liquidations_a_second = 0.003 + 0.03 * np.sqrt(turnover / turnover.max())
        self._pending: list[list[Liquidation]] = [[] for _ in listings]
        self._moved = [False] * count
        self.now_ms = int(story.ends[-1])
        # time in milliseconds, so that the numbers of a later start are higher
        self._sequence = Sequence(self.now_ms)
        fair = (np.exp(self._log_price) / self._ticks).tolist()
        self.symbols = [
            SymbolMarket(listing, number, fair[number], self._sequence, Draws(own[number]))
            for number, listing in enumerate(listings)
        ]
        self.derivatives = Derivatives(listings, self._factors, past)
        candles = (self.trades, self.mark, self.index)
        self.tickers = Tickers(listings, self.symbols, candles, self.derivatives)
        self.binance: BinanceMarket | None = None
        if contracts:
            (for_binance,) = generator.spawn(1)
            self.binance = BinanceMarket(contracts, listings, story, self._factors, for_binance)
        self._begin(start_ms)

    def step(self, now_ms: int) -> list[Change]:
        """Live up to `now_ms`, in steps of 0.1 s; return what subscribers must be told."""
        changes: list[Change] = []
        while self.now_ms + STEP_MS <= now_ms:
            changes += self._step()
        return changes

    def jump(self, symbol: int, ratio: float) -> None:
        """Multiply the fair price of one coin, on every venue, from now on."""
        self._log_price[symbol] += np.log(ratio)
        self._rush[symbol] += np.log(ratio)

    def stir_quote(self, symbol: int, at: int) -> BookChanged:
        """Let a maker change a best quote between two steps."""
        return self.symbols[symbol].stir_quote(max(at, self.now_ms), self.now_ms)

    def stir_trade(self, symbol: int, at: int) -> Traded:
        """Let a taker take a little between two steps."""
        traded = self.symbols[symbol].stir_trade(max(at, self.now_ms), self.now_ms)
        for trade in traded.trades:
            self.trades.add_trade(symbol, trade.ticks, trade.steps)
        self._moved[symbol] = True
        return traded

    def odd_trade(self, symbol: int, ratio: float) -> Traded:
        """Let there be one trade far from the market, of a single step."""
        trade = self.symbols[symbol].odd_trade(self.now_ms - 1, ratio)
        self.trades.add_trade(symbol, trade.ticks, trade.steps)
        self._moved[symbol] = True
        return Traded(symbol, self.now_ms, [trade])

    def _begin(self, start_ms: int) -> None:
        """Live through the part of the first minute that is already over, unseen."""
        while self.now_ms + STEP_MS <= start_ms:
            self._live()
        if self.binance is not None:
            self.binance.changes = []
        for number, symbol in enumerate(self.symbols):
            symbol.open_views()
            self.tickers.advance(number, self.now_ms)

    def _step(self) -> list[Change]:
        changes: list[Change] = []
        at = self.now_ms + STEP_MS
        for number, trades, liquidations in self._live():
            if trades:
                self._moved[number] = True
                changes.append(Traded(number, at, trades))
            self._pending[number] += liquidations
            changes += self.symbols[number].book_changes(at)
        if at % MINUTE == 0:
            self._close_minute(at)
            changes += [MinuteClosed(number, at) for number in range(len(self.listings))]
        changes += self._periodic(at)
        return changes

    def _live(self) -> list[tuple[int, list[Trade], list[Liquidation]]]:
        """Advance prices, then everybody who trades, by one step."""
        at = self.now_ms = self.now_ms + STEP_MS
        returns = self._factors.advance(_MINUTES_A_STEP, at)
        self._log_price = self._log_price + returns
        self._follow_mark_and_index()
        rate, longs = self._danger(at, returns)
        forced = self._doomed(at, rate, longs)
        fair = np.exp(self._log_price) / self._ticks
        heat = self._factors.noise_a_minute(at) / self._factors.volatility
        activity, lean = self._factors.activity(at), self._factors.lean()
        if self.binance is not None:
            self.binance.live(at, Weather(self._log_price, activity, heat, lean, rate, longs))
        moods = zip(*(each.tolist() for each in (fair, activity, heat, lean)), strict=True)
        moved = []
        for number, mood in enumerate(moods):
            outcome = self.symbols[number].live(at, Mood(*mood), forced.get(number, []))
            if outcome is None:
                continue
            trades, liquidations = outcome
            for trade in trades:
                self.trades.add_trade(number, trade.ticks, trade.steps)
            for liquidation in liquidations:
                share = liquidation.steps / self.derivatives.interest_steps[number]
                self._factors.close_positions(number, share)
            moved.append((number, trades, liquidations))
        return moved

    def _follow_mark_and_index(self) -> None:
        index = self._log_price - self._factors.premium()
        mark = index + self._factors.basis()
        for candles, logs in ((self.index, index), (self.mark, mark)):
            prices = np.rint(np.exp(logs) / self._finest).astype(np.int64).tolist()
            for number, price in enumerate(prices):
                candles.see_price(number, price)

    def _danger(self, at: int, returns: Floats) -> tuple[Floats, Floats]:
        """Return how many positions a second are liquidated, and the share that are long."""
        self._rush = self._rush * 0.5 ** (1 / _RUSH_HALF_LIFE_STEPS) + returns
        rush = self._rush / (_RUSH_DEVIATION * self._factors.noise_a_minute(at))
        excess = np.maximum(np.abs(rush) - 1.5, 0.0)
        rate = self._liquidations_a_second * (1.0 + 40.0 * np.minimum(excess, 3.0) ** 2)
        return rate, 0.5 - 0.45 * np.tanh(1.2 * rush)

    def _doomed(self, at: int, rate: Floats, longs: Floats) -> dict[int, list[Liquidation]]:
        """Draw the positions that this step liquidates: few, until the price runs."""
        draws = self._generator.random((2, len(rate)))
        struck = np.flatnonzero(draws[0] < rate * (STEP_MS / 1_000))
        doomed = {}
        for number in struck.tolist():
            fair = float(np.exp(self._log_price[number]) / self._ticks[number])
            long = bool(draws[1][number] < longs[number])
            doomed[number] = [self.symbols[number].doomed(at, fair, long=long)]
        return doomed

    def _close_minute(self, at: int) -> None:
        for candles in (self.trades, self.mark, self.index):
            candles.close_minute()
        self.derivatives.close_minute(at)
        self.tickers.close_minute()
        if self.binance is not None:
            self.binance.close_minute(at)

    def _periodic(self, at: int) -> list[Change]:
        changes: list[Change] = []
        if at % _INTEREST_EVERY_MS == 0:
            self.derivatives.update_interest()
        turn = at // STEP_MS
        for number, symbol in enumerate(self.symbols):
            if (turn + number) % _TICKER_EVERY_STEPS == 0:
                fields = self.tickers.advance(number, at)
                if fields:
                    changes.append(TickerChanged(number, at, symbol.book_sequence, fields))
                changes += symbol.quiet_changes(at)
            if (turn + number) % _CANDLE_EVERY_STEPS == 0 and self._moved[number]:
                self._moved[number] = False
                changes.append(CandleFormed(number, at))
            if at % _LIQUIDATIONS_EVERY_MS == 0 and self._pending[number]:
                changes.append(Liquidated(number, at, self._pending[number]))
                self._pending[number] = []
        return changes

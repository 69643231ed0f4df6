"""What only derivatives have: funding, open interest, and who is long."""

from collections.abc import Callable

import numpy as np

from virtuoso.simulator.candles import HOUR, MINUTE
from virtuoso.simulator.factors import Factors, Floats, Integers, SmallFloats
from virtuoso.simulator.history import FIVE_MINUTES, Histories
from virtuoso.simulator.listings import Listing

RATE_SCALE = 8
SHARE_SCALE = 4
_RATE_UNIT = float(10**RATE_SCALE)
_SETTLEMENTS_KEPT = 600
_ROWS_KEPT = 8_000
_LONGEST_FUNDING = 8 * 60
"""Minutes."""
_INTEREST_OF_TURNOVER = 0.5
"""The usual open interest, as a share of a day's turnover."""


class _Series:
    """Rows of one value a symbol at equal distances; the oldest are let go.

    What the past left is kept as it came, and turned into numbers when a symbol is asked for.
    """

    def __init__(
        self,
        times: Integers,
        past: SmallFloats,
        convert: Callable[[SmallFloats, int], Integers],
        keep: int,
    ) -> None:
        self._keep = keep
        self._past_times, self._past = times[-keep:], past[-keep:]
        self._convert = convert
        self._times: list[int] = []
        self._values: list[Integers] = []

    def append(self, time: int, values: Integers) -> None:
        self._times.append(time)
        self._values.append(values)
        if len(self._times) > self._keep + 1_000:
            del self._times[:1_000], self._values[:1_000]

    def of(self, symbol: int) -> tuple[Integers, Integers]:
        """Return times and values of one symbol, oldest first."""
        values = np.array([row[symbol] for row in self._values], dtype=np.int64)
        past = self._convert(self._past[:, symbol], symbol)
        times = np.append(self._past_times, np.array(self._times, dtype=np.int64))
        return times[-self._keep :], np.append(past, values)[-self._keep :]


class Derivatives:
    """Funding rates in units of 1e-8, open interest in steps, shares in units of 1e-4."""

    def __init__(self, listings: tuple[Listing, ...], factors: Factors, past: Histories) -> None:
        self._factors = factors
        self._hours = [listing.funding_hours for listing in listings]
        self._caps = [listing.funding_cap for listing in listings]
        step_values = np.array([listing.price * listing.step for listing in listings])
        turnovers = np.array([listing.daily_turnover for listing in listings])
        self._usual_interest = _INTEREST_OF_TURNOVER * turnovers / step_values
        long = np.array([listing.long_share for listing in listings])
        self._usual_accounts = np.log(long / (1.0 - long))
        self._past = past
        self._premiums = past.premium[-_LONGEST_FUNDING:]
        self._settled: list[list[tuple[int, int]]] = [[] for _ in listings]
        times = past.five_minute_times
        self._interest = _Series(times, past.interest, self._interest_of, _ROWS_KEPT)
        self._accounts = _Series(times, past.accounts, self._shares_of, _ROWS_KEPT)
        self.interest_steps: list[int] = []
        """Open interest now, both sides together."""
        self.funding_rates: list[int] = []
        """The rate of the coming settlement."""
        self.update_interest()
        self._update_rates()

    def update_interest(self) -> None:
        """Publish the present open interest."""
        self.interest_steps = self._interest_steps(self._factors.interest()).tolist()

    def close_minute(self, minute: int) -> None:
        """Record what the minute that ends at `minute` brings: rates, settlements, rows."""
        self._premiums = np.vstack([self._premiums[1:], self._factors.premium()])
        self._update_rates()
        if minute % HOUR == 0:
            for symbol, hours in enumerate(self._hours):
                if minute // HOUR % hours == 0:
                    self._settled[symbol].append((minute, self.funding_rates[symbol]))
                    del self._settled[symbol][:-_SETTLEMENTS_KEPT]
        if minute % FIVE_MINUTES == 0:
            self.update_interest()
            self._interest.append(minute, np.array(self.interest_steps, dtype=np.int64))
            self._accounts.append(minute, self._long_shares(self._factors.accounts()))

    def next_funding(self, symbol: int, now_ms: int) -> int:
        """Return the time of the coming settlement."""
        length = self._hours[symbol] * HOUR
        return (now_ms // length + 1) * length

    def settlements(self, symbol: int) -> list[tuple[int, int]]:
        """Return (time, rate) of past settlements, oldest first."""
        return (self._past_settlements(symbol) + self._settled[symbol])[-_SETTLEMENTS_KEPT:]

    def interest_rows(self, symbol: int) -> tuple[Integers, Integers]:
        """Return times and open interest every 5 minutes, oldest first."""
        return self._interest.of(symbol)

    def account_rows(self, symbol: int) -> tuple[Integers, Integers]:
        """Return times and the share of accounts that are long every 5 minutes, oldest first."""
        return self._accounts.of(symbol)

    def _past_settlements(self, symbol: int) -> list[tuple[int, int]]:
        past = self._past
        length = self._hours[symbol] * HOUR
        minutes = np.diff(past.ends, prepend=past.ends[0] - HOUR) / MINUTE
        sums = np.cumsum(past.premium[:, symbol] * minutes)
        first = past.ends[0] // length * length + length
        times = np.arange(first, past.ends[-1] + 1, length)[-_SETTLEMENTS_KEPT - 1 :]
        means = np.diff(sums[np.searchsorted(past.ends, times)]) / (length / MINUTE)
        return [
            (time, self._rate(mean, symbol))
            for time, mean in zip(times[1:].tolist(), means.tolist(), strict=True)
        ]

    def _update_rates(self) -> None:
        self.funding_rates = [
            self._rate(float(self._premiums[-60 * hours :, symbol].mean()), symbol)
            for symbol, hours in enumerate(self._hours)
        ]

    def _rate(self, mean_premium: float, symbol: int) -> int:
        """Turn the mean premium of an interval into its rate: a part of it, and some interest."""
        cap = self._caps[symbol]
        rate = (0.35 * mean_premium + 0.5e-4) * self._hours[symbol] / 8
        return round(max(-cap, min(cap, rate)) * _RATE_UNIT)

    def _interest_steps(self, logs: Floats) -> Integers:
        # even, so that each of the two sides has whole steps
        sides: Integers = np.rint(self._usual_interest * np.exp(logs) / 2).astype(np.int64)
        return 2 * sides

    def _interest_of(self, logs: SmallFloats, symbol: int) -> Integers:
        sides: Integers = np.rint(self._usual_interest[symbol] * np.exp(logs) / 2).astype(np.int64)
        return 2 * sides

    def _shares_of(self, logs: SmallFloats, symbol: int) -> Integers:
        share = 1.0 / (1.0 + np.exp(-(self._usual_accounts[symbol] + logs)))
        units: Integers = np.rint(share * 10**SHARE_SCALE).astype(np.int64)
        return units

    def _long_shares(self, logs: Floats) -> Integers:
        share = 1.0 / (1.0 + np.exp(-(self._usual_accounts + logs)))
        units: Integers = np.rint(share * 10**SHARE_SCALE).astype(np.int64)
        return units

"""Every number a rule may look at: its name, whose it is, its unit and what it says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from virtuoso.domain.scores import ComponentName, DimensionName, Direction
from virtuoso.domain.words import Word

Reading: TypeAlias = float | str | None
"""A number, a word, or None: not known now, and so neither above nor below anything."""

Readings: TypeAlias = Mapping[str, Reading]
"""By the name of the number. A name that is missing is not known."""


class Scope(Word):
    """Whose number it is."""

    SYMBOL = "symbol"
    MARKET = "market"
    """The market as a whole; its names begin with `market.`."""
    SYSTEM = "system"
    """Virtuoso itself; its names begin with `system.`."""


@dataclass(frozen=True, slots=True)
class Number:
    """One number that is published each second."""

    name: str
    unit: str
    """Such as `0..100`, `percent`, `USDT`, `word`."""
    what: str
    """One sentence a trader understands."""
    recorded: bool = False
    """Kept in history, so that a rule over it can be rehearsed."""
    words: tuple[str, ...] = ()
    """Of a word: everything it can be."""

    @property
    def scope(self) -> Scope:
        """Whose it is, as its name says."""
        owner, dot, _ = self.name.partition(".")
        if dot and owner in (Scope.MARKET.value, Scope.SYSTEM.value):
            return Scope(owner)
        return Scope.SYMBOL

    @property
    def is_word(self) -> bool:
        """Whether it is compared as a word: equal or not."""
        return self.unit == WORD


WORD: Final = "word"
LIQUIDATED: Final = ("longs", "shorts", "both", "none")


def _by_name(numbers: Iterable[Number]) -> Mapping[str, Number]:
    return {number.name: number for number in numbers}


NUMBERS: Final = _by_name(
    (
        Number("score", "0..100", "The confluence score.", recorded=True),
        Number("confidence", "0..100", "How far to believe the score.", recorded=True),
        Number("coverage", "0..1", "Share of the score's weight that was present.", recorded=True),
        Number(
            "direction",
            WORD,
            "Bullish, Bearish or Neutral, with hysteresis.",
            recorded=True,
            words=tuple(each.value for each in Direction),
        ),
        *(
            Number(f"component.{name}", "0..100", f"The view {name} alone.", recorded=True)
            for name in ComponentName
        ),
        *(Number(f"dimension.{name}", "0..100", f"The lens {name}.") for name in DimensionName),
        Number("score_change_1h", "points", "Change of the score over one hour."),
        Number("price", "USDT", "The last price.", recorded=True),
        Number("change_1h", "percent", "Change of the price over one hour."),
        Number("change_24h", "percent", "Change of the price over 24 hours."),
        Number("turnover_24h", "USDT", "Turnover of 24 hours.", recorded=True),
        Number("spread_bp", "basis points", "Best ask less best bid.", recorded=True),
        Number(
            "funding",
            "percent in 8 h",
            "The coming funding rate, converted to 8 hours.",
            recorded=True,
        ),
        Number("open_interest", "contracts", "Contracts that are open."),
        Number("oi_change_1h", "percent", "Change of open interest over one hour."),
        Number(
            "long_short_ratio",
            "ratio",
            "Accounts that are long for each that is short.",
        ),
        Number("largest_trade_1m", "USDT", "The largest taker order of the last minute."),
        Number(
            "large_trade",
            WORD,
            "buy, sell, both or none: orders of the last minute above the symbol's own 99.9th "
            "percentile of a day and the floor that is set.",
            words=("buy", "sell", "both", "none"),
        ),
        Number("large_buys_5m", "USDT", "Such orders that bought, five minutes, summed."),
        Number("large_sells_5m", "USDT", "Such orders that sold, five minutes, summed."),
        Number(
            "largest_level", "USDT", "The largest level of the order book within 1 % of the price."
        ),
        Number("largest_liquidation_1m", "USDT", "The largest liquidation of the last minute."),
        Number(
            "large_liquidation",
            WORD,
            "longs, shorts, both or none: positions of which one above the symbol's own 99th "
            "percentile of a day and the floor was liquidated within a minute.",
            words=LIQUIDATED,
        ),
        Number("liquidated_longs_5m", "USDT", "Longs that were liquidated, five minutes, summed."),
        Number(
            "liquidated_shorts_5m", "USDT", "Shorts that were liquidated, five minutes, summed."
        ),
        Number(
            "cascade",
            WORD,
            "longs, shorts, both or none: five liquidations of one side within a minute whose sum "
            "is above the 95th percentile of such minutes.",
            words=LIQUIDATED,
        ),
        Number("beta", "ratio", "Move of the symbol for each move of Bitcoin."),
        Number("beta_change", "ratio", "Beta now less what it was an hour before."),
        Number("bitcoin_correlation", "-1..1", "Correlation with Bitcoin."),
        Number("residual_z", "standard deviations", "Move that Bitcoin does not explain, an hour."),
        Number(
            "pattern.correlation_breakdown",
            WORD,
            "yes or none: three hours moved four standard errors less alike with Bitcoin than "
            "before.",
            words=("yes", "none"),
        ),
        Number(
            "pattern.beta_expansion",
            WORD,
            "yes or none: the beta of three hours is four standard errors further from 0.",
            words=("yes", "none"),
        ),
        Number(
            "pattern.beta_compression",
            WORD,
            "yes or none: the beta of three hours is four standard errors nearer to 0.",
            words=("yes", "none"),
        ),
        Number(
            "pattern.timeframe_agreement",
            WORD,
            "up, down or none: the candle views of all four timeframes point one way.",
            words=("up", "down", "none"),
        ),
        Number(
            "pattern.residual_breakout",
            WORD,
            "up, down or none: an hour's move of three standard deviations that is not Bitcoin's.",
            words=("up", "down", "none"),
        ),
        Number("feed_age", "seconds", "Age of the newest message of the market's stream."),
        Number(
            "market.regime",
            WORD,
            "trending_up, trending_down, ranging, volatile or quiet.",
            words=("trending_up", "trending_down", "ranging", "volatile", "quiet"),
        ),
        Number("market.trend_strength", "0..100", "How much of the moves went one way."),
        Number("market.volatility", "percent a year", "Volatility of the watched markets."),
        Number("market.breadth", "0..1", "Share of the symbols that rose in 24 hours."),
        Number("market.bitcoin_share", "percent", "Bitcoin's share of the watched turnover."),
        Number("system.health", WORD, "pass, warn or fail.", words=("pass", "warn", "fail")),
        Number("system.stale_symbols", "count", "Symbols whose score is stale or absent."),
        Number("system.second_ms", "milliseconds", "How long the scoring of one second took."),
    )
)
"""By name, in the order in which an editor lists them."""

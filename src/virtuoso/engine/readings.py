"""The numbers that rules look at, of one second: unknown is what is absent or not live."""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from virtuoso.alerting.numbers import Reading, Readings
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import PositionSide, Side, TickerField
from virtuoso.domain.scores import Absent, Reason, Source, State
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis, Timeframe
from virtuoso.engine.across import AcrossView
from virtuoso.engine.content import Content
from virtuoso.engine.kept_rows import is_of_the_board, middle
from virtuoso.engine.lane import Lane
from virtuoso.engine.pairing import Shown
from virtuoso.engine.view import Input, Value
from virtuoso.market import large_trades, liquidation_flow
from virtuoso.patterns.scans import Found

NEAR: Final = 0.01
"""How far from the price a level of the book may lie, a share of the price."""
FLOW_MS: Final = 5 * MINUTE
_LIVE: Final = frozenset({State.LIVE})
_POLLED: Final = frozenset({State.LIVE, State.DELAYED})
"""Of a source that is asked instead of streamed nothing is ever better than delayed."""
_WORST: Final = ("pass", "warn", "fail")

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Floors:
    """From which sizes on anything counts as large, quote currency."""

    trade: float = large_trades.FLOOR
    liquidation: float = liquidation_flow.FLOOR


class BetaHour:
    """The betas of the last hour, at their own five minutes: 13 a market."""

    def __init__(self) -> None:
        self._kept: deque[tuple[Millis, Mapping[Instrument, float]]] = deque(maxlen=13)

    def take(self, across: AcrossView) -> None:
        """Keep the betas if they are new."""
        at = across.betas_as_of
        if at is None or (self._kept and self._kept[-1][0] >= at):
            return
        known = {
            instrument: each.beta
            for instrument, each in across.betas.items()
            if not isinstance(each, Reason)
        }
        self._kept.append((at, known))

    def change(self, instrument: Instrument, beta: float) -> float | None:
        """Give what was added to a beta within an hour; None while no hour is known."""
        if not self._kept or self._kept[-1][0] - self._kept[0][0] < HOUR:
            return None
        before = self._kept[0][1].get(instrument)
        return None if before is None else beta - before


def shared_readings(content: Content) -> Readings:
    """Give the numbers of market and system."""
    worst = max((_WORST.index(each.status) for each in content.parts), default=0)
    found: dict[str, Reading] = {
        "system.health": _WORST[worst],
        "system.stale_symbols": float(
            sum(each.view.state not in _POLLED for each in content.shown)
        ),
        "system.second_ms": content.cycle_ms,
    }
    if content.behind_ms:
        return found
    now = content.cycle.now
    summed, tickers = content.overview
    if tickers.state in _POLLED:
        found["market.breadth"] = summed.breadth
        found["market.bitcoin_share"] = summed.btc_dominance
    if content.across.state_at(now) in _POLLED:
        state = content.across.state
        found["market.regime"] = state.regime
        found["market.trend_strength"] = state.trend_strength
        found["market.volatility"] = state.volatility
    return found


def symbol_readings(
    shown: Shown, lane: Lane | None, content: Content, floors: Floors, betas: BetaHour
) -> Readings:
    """Give the numbers of one symbol; nothing but the age of its stream while all is late."""
    view, now = shown.view, content.cycle.now
    inputs = {each.kind: each for each in view.inputs}
    stream = inputs.get("stream")
    found: dict[str, Reading] = {}
    if stream is not None and stream.as_of is not None:
        found["feed_age"] = max(0.0, (now - stream.as_of) / SECOND)
    if content.behind_ms:
        return found
    source = content.sources.get(view.instrument.venue)
    good = _POLLED if source is Source.CCXT else _LIVE
    for name, value, scale in (
        ("price", view.price, 1.0),
        ("change_24h", view.change_24h, 1.0),
        ("turnover_24h", view.turnover_24h, 1.0),
        ("funding", view.funding_8h, 100.0),
        ("oi_change_1h", view.open_interest_change_1h, 1.0),
    ):
        found[name] = _known(value, good, scale)
    if view.state in good:
        _add_score(found, shown)
    if view.heard in good and lane is not None:
        if view.price.state in good:
            found["change_1h"] = _change_1h(lane, view.price.value, now)
        if lane.market.derivatives.ratio is not None and _is_good(inputs, "account ratio"):
            share = lane.market.derivatives.ratio.long_share
            found["long_short_ratio"] = share / (1.0 - share) if 0 < share < 1 else None
        _add_flow(found, lane, content.second, floors)
        if _is_good(inputs, "book", good):
            found["spread_bp"] = middle(shown, lane)[1]
            found["largest_level"] = _largest_level(lane)
        ticker = lane.market.derivatives.ticker.get(TickerField.OPEN_INTEREST)
        if (
            ticker is not None
            and is_of_the_board(shown)
            and view.open_interest_change_1h.state in good
        ):
            found["open_interest"] = ticker.value
    _add_beta(found, shown, content.across, now, betas)
    for pattern in content.patterns.get(shown.symbol, ()):
        found[f"pattern.{pattern.name}"] = _word_of(pattern)
    return found


def _word_of(pattern: Found) -> str | None:
    """Say what a scan found: its side, `yes` where it has none, `none`; None: not known."""
    if pattern.found is None:
        return None
    if not pattern.found:
        return "none"
    return "yes" if pattern.side is None else pattern.side.value


def _known(value: Value, good: Collection[State], scale: float) -> float | None:
    return None if value.value is None or value.state not in good else value.value * scale


def _is_good(inputs: Mapping[str, Input], kind: str, good: Collection[State] = _POLLED) -> bool:
    """Say whether an input may be looked at; what is polled may be delayed."""
    found = inputs.get(kind)
    return found is not None and found.state in good


def _add_score(found: dict[str, Reading], shown: Shown) -> None:
    view, score = shown.view, shown.view.score
    found["score"] = score.score
    found["coverage"] = score.coverage
    if score.confidence is not None:
        found["confidence"] = 100.0 * score.confidence.value
    if view.direction is not None:
        found["direction"] = view.direction.value
    found["score_change_1h"] = view.score_change_1h
    for name, part in score.components.items():
        if not isinstance(part, Absent):
            found[f"component.{name}"] = part.score
    for lens in view.dimensions:
        found[f"dimension.{lens.name}"] = lens.value


def _change_1h(lane: Lane, price: float | None, now: Millis) -> float | None:
    """Give the change in percent against the close of the minute that ended an hour ago."""
    minutes = lane.market.candles.series[Timeframe.M1]
    newest = minutes.last_close
    if price is None or newest is None or minutes.gap:
        return None
    # a whole number of minutes lies between the newest close and the one an hour before now
    back = (newest - (now // MINUTE * MINUTE - HOUR)) // MINUTE
    closed = minutes.closed
    if not 0 <= back < len(closed):
        return None
    before = closed[-1 - back].close
    return 100.0 * (price / before - 1.0) if before > 0.0 else None


def _add_flow(found: dict[str, Reading], lane: Lane, at: Millis | None, floors: Floors) -> None:
    """Add large trades and liquidations, over windows of which nothing is missing.

    They are in quote currency, which is the same whatever a contract stands for.
    """
    trades = lane.market.trades
    since = trades.trades_since
    if at is None or since is None or at - since < MINUTE:
        return
    whole = at - since >= FLOW_MS
    whales, liquidated = trades.whales, trades.liquidated
    found["largest_trade_1m"] = whales.largest
    found["large_trade"] = _word(whales.sides(floors.trade), _TRADED)
    found["largest_liquidation_1m"] = liquidated.largest
    found["large_liquidation"] = _word(liquidated.large_sides(floors.liquidation), _LIQUIDATED)
    found["cascade"] = _word(liquidated.cascades(floors.liquidation), _LIQUIDATED)
    if whole:
        found["large_buys_5m"] = whales.summed(Side.BUY, floors.trade)
        found["large_sells_5m"] = whales.summed(Side.SELL, floors.trade)
        found["liquidated_longs_5m"] = liquidated.summed(PositionSide.LONG)
        found["liquidated_shorts_5m"] = liquidated.summed(PositionSide.SHORT)


_TRADED: Final = {Side.BUY: "buy", Side.SELL: "sell"}
_LIQUIDATED: Final = {PositionSide.LONG: "longs", PositionSide.SHORT: "shorts"}


def _word(sides: Collection[S] | None, words: Mapping[S, str]) -> str | None:
    if sides is None:
        return None
    if not sides:
        return "none"
    return "both" if len(sides) > 1 else words[next(iter(sides))]


def _largest_level(lane: Lane) -> float | None:
    """Give the notional of the largest level within 1 % of the best prices."""
    book = lane.market.book
    best = book.best()
    if best is None:
        return None
    largest = 0.0
    lowest, highest = best.bid * (1.0 - NEAR), best.ask * (1.0 + NEAR)
    for price, quantity in book.bids:
        if price < lowest:
            break
        largest = max(largest, price * quantity)
    for price, quantity in book.asks:
        if price > highest:
            break
        largest = max(largest, price * quantity)
    return largest


def _add_beta(
    found: dict[str, Reading], shown: Shown, across: AcrossView, now: Millis, betas: BetaHour
) -> None:
    if across.betas_state_at(now) not in _POLLED:
        return
    beta = across.betas.get(shown.view.instrument)
    if beta is None or isinstance(beta, Reason):
        return
    found["beta"] = beta.beta
    found["beta_change"] = betas.change(shown.view.instrument, beta.beta)
    found["bitcoin_correlation"] = beta.correlation
    found["residual_z"] = beta.residual_z

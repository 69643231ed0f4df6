"""Rows of history, signals and alerts, for tests that care for some of their fields only."""

from collections.abc import Mapping

from virtuoso.domain.alerts import Alert, AlertLevel, Delivery
from virtuoso.domain.history import (
    KeptCandle,
    KeptDerivatives,
    KeptOverview,
    KeptPart,
    KeptScore,
    Series,
)
from virtuoso.domain.instruments import BYBIT, Symbol
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import ComponentName, Direction, Reason, Source, State
from virtuoso.domain.signals import Signal, SignalState
from virtuoso.domain.time import HOUR, Millis, Timeframe
from virtuoso.testing.fake_clock import START

BITCOIN = Series(Source.SIMULATOR, BYBIT, Symbol("BTCUSDT"))
ETHER = Series(Source.SIMULATOR, BYBIT, Symbol("ETHUSDT"))
LIVE = Series(Source.BYBIT, BYBIT, Symbol("BTCUSDT"))


def parts(score: float = 61.5) -> Mapping[ComponentName, KeptPart]:
    """Six components, of which the order book's is missing."""
    found = {name: KeptPart(score, (score - 50.0) / 5, None) for name in ComponentName}
    return {**found, ComponentName.ORDERBOOK: KeptPart(None, None, Reason.GAP)}


def kept_score(
    at: int = START,
    series: Series = BITCOIN,
    score: float | None = 61.5,
    definition: str = "abcdef012345",
) -> KeptScore:
    """A score row; without a score it says `warming_up`."""
    return KeptScore(
        series=series,
        at=Millis(at),
        score=score,
        reason=Reason.WARMING_UP if score is None else None,
        z=None if score is None else 0.31,
        coverage=0.25 if score is None else 0.8333,
        confidence=None if score is None else 0.32,
        direction=None if score is None else Direction.BULLISH,
        state=State.ABSENT if score is None else State.LIVE,
        definition=definition,
        as_of=None if score is None else Millis(at - 750),
        mid=91_000.25,
        spread_bp=0.011,
        price=91_000.5,
        change_24h=-1.25,
        turnover_24h=1.5e9,
        funding_8h=0.0001,
        open_interest_change_1h=None,
        components=parts(61.5 if score is None else score),
    )


def kept_candle(
    at: int = START,
    series: Series = BITCOIN,
    timeframe: Timeframe = Timeframe.M1,
    close: float = 91_000.0,
    *,
    backfilled: bool = False,
) -> KeptCandle:
    """A closed candle that opened at `at`."""
    candle = Candle(timeframe, Millis(at), 90_990.0, 91_010.0, 90_980.0, close, 12.5, 7.25)
    return KeptCandle(series, candle, backfilled)


def kept_derivatives(at: int = START, series: Series = BITCOIN) -> KeptDerivatives:
    """A row of what is known beside trades."""
    return KeptDerivatives(
        series, Millis(at), 0.0001, 0.00008, Millis(at - HOUR), 5_000.0, Millis(at), 0.55,
        Millis(at), 91_001.0, 91_002.0,
    )  # fmt: skip


def kept_overview(at: int = START, source: Source = Source.SIMULATOR) -> KeptOverview:
    """A row of the market as a whole."""
    return KeptOverview(
        source, Millis(at), 30, 29, "ranging", 12.5, 55.0, 40.0, 2.5, 0.6, 45.0, 3e10, "abcdef"
    )


def signal(
    name: str = "s1",
    at: int = START,
    series: Series = BITCOIN,
    state: SignalState = SignalState.ACTIVE,
) -> Signal:
    """A bullish signal."""
    return Signal(
        id=name,
        series=series,
        opened_at=Millis(at),
        state=state,
        direction=Direction.BULLISH,
        score=71.5,
        confidence=0.4,
        coverage=0.9,
        definition="abcdef012345",
        price=91_000.25,
        components=parts(),
        horizon_ms=4 * HOUR,
        method="atr14@30m stop 1.5 targets 1R 2R 3R",
        stop=90_500.0,
        targets=(91_500.0, 92_000.0),
        changed_at=Millis(at),
    )


def alert(name: str = "a1", at: int = START, level: AlertLevel = AlertLevel.WARNING) -> Alert:
    """An alert of a rule."""
    return Alert(
        id=name,
        at=Millis(at),
        level=level,
        rule="score above 70",
        kind="confluence",
        source="simulator",
        symbol="BTCUSDT",
        message="BTCUSDT: score 71.5",
        details={"score": 71.5, "components": {"orderflow": 80.0}, "absent": None},
    )


def delivery(name: str = "a1:discord", of: str = "a1", at: int = START) -> Delivery:
    """A message to Discord that nobody tried to send yet."""
    return Delivery(id=name, alert=of, channel="discord", created_at=Millis(at))

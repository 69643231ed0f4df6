"""How symbols moved over every window, and whom a list of movers names."""

import msgspec
import pytest

from support.markets import BTC, NOW, history_of, pipeline_of, walk
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import Direction, Reason, Source, State
from virtuoso.domain.time import HOUR, MINUTE, Millis, Timeframe
from virtuoso.engine.movers import price_change, score_change
from virtuoso.engine.score_past import SCORE_STEP_MS
from virtuoso.engine.view import Value
from virtuoso.market.candles import Candles
from virtuoso.web.movers import movers_of
from virtuoso.wire.lists import MoverRecord, MoversAnswer, MoversDocument
from virtuoso.wire.messages import to_json


def candles() -> Candles:
    """A thousand minutes up to NOW."""
    pipeline = pipeline_of(BTC)
    pipeline.handle(history_of(NOW, walk(Timeframe.M1, 1_000, NOW)))
    return pipeline.market("BTCUSDT").candles


def priced(price: float, state: State = State.LIVE) -> Value:
    """A price of now."""
    return Value(price, Millis(NOW), state)


@pytest.mark.parametrize("window", [5 * MINUTE, HOUR, 4 * HOUR])
@pytest.mark.parametrize("later", [0, 1, 59_999])
def test_a_price_is_compared_with_the_minute_that_ended_a_window_ago(
    window: int, later: int
) -> None:
    """The close of the last minute that was over then; between two minutes the earlier one."""
    found = candles()
    now = Millis(NOW + later)
    base: Candle = next(
        each for each in found[Timeframe.M1].closed if each.close_time == NOW - window
    )
    wanted = 100.0 * (110.0 / base.close - 1.0)
    assert price_change(priced(110.0), found, window, now) == pytest.approx(wanted, abs=1e-4)


def test_a_price_that_cannot_be_compared_says_why() -> None:
    """Stale, too short a past, a hole in it, candles that ended long ago: a reason, no number."""
    found = candles()
    now = Millis(NOW)
    assert price_change(priced(1.0, State.STALE), found, HOUR, now) is Reason.STALE
    assert price_change(Value.absent(Reason.NO_FEED), found, HOUR, now) is Reason.NO_FEED
    assert price_change(priced(1.0), found, 17 * HOUR, now) is Reason.WARMING_UP
    assert price_change(priced(1.0), found, MINUTE, Millis(NOW + 10 * MINUTE)) is Reason.STALE
    found[Timeframe.M1].gap = True
    assert price_change(priced(1.0), found, HOUR, now) is Reason.GAP
    assert price_change(priced(1.0), Candles(), HOUR, now) is Reason.WARMING_UP


def test_a_score_is_compared_with_one_of_the_same_definition() -> None:
    """Over the window, or why not: too short a past, nothing then, nothing now."""
    steps = [Millis(NOW - back * SCORE_STEP_MS) for back in range(360, -1, -1)]
    history = [(at, 40.0 + place / 100) for place, at in enumerate(steps)]
    start = Millis(0)
    assert score_change(history, HOUR, Millis(NOW), start) == pytest.approx(3.6)
    assert score_change(history, 4 * HOUR, Millis(NOW), start) is Reason.WARMING_UP
    assert score_change(history, None, Millis(NOW), start) == pytest.approx(3.6)
    changed = Millis(NOW - HOUR // 2)
    assert score_change(history, HOUR, Millis(NOW), changed) is Reason.WARMING_UP
    assert score_change(history, None, Millis(NOW), changed) == pytest.approx(1.8)
    assert score_change([], HOUR, Millis(NOW), start) is Reason.NO_FEED
    assert score_change(history, HOUR, Millis(NOW + HOUR), start) is Reason.STALE
    absent = [*history, (Millis(NOW + SCORE_STEP_MS), None)]
    assert score_change(absent, HOUR, Millis(NOW + SCORE_STEP_MS), start) is Reason.TOO_FEW


def moved(symbol: str, change: float | Reason, volume: float | None) -> MoverRecord:
    """A symbol that moved by so much in price over an hour."""
    return MoverRecord(
        symbol=symbol,
        venue="bybit",
        price=1.0,
        volume=volume,
        score=60.0,
        direction=Direction.NEUTRAL,
        state=State.DELAYED,
        price_state=State.LIVE,
        price_as_of=NOW,
        price_changes={"1h": change},
        score_changes={"1h": Reason.WARMING_UP},
    )


def answer(*records: MoverRecord, floor: float = 0.0, limit: int = 5) -> MoversAnswer:
    """What a reader gets."""
    whole = MoversDocument(
        status="success",
        timestamp="2026-07-19T12:00:00.000Z",
        as_of=NOW,
        source=Source.SIMULATOR,
        data_source="cache",
        windows=("1h",),
        symbols=records,
    )
    return msgspec.json.decode(movers_of(to_json(whole), "1h", floor, limit), type=MoversAnswer)


def test_movers_are_the_largest_first_and_only_those_above_the_floor() -> None:
    """Rises above 0, falls below; what did not move is in neither; an unknown turnover is out."""
    records = (
        moved("A", 3.0, 5e6),
        moved("B", 9.0, 1e3),
        moved("C", -2.0, 5e6),
        moved("D", 0.0, 5e6),
        moved("E", 1.0, None),
        moved("F", 4.0, 5e6),
    )
    said = answer(*records, floor=1e6)
    assert [each.symbol for each in said.gainers] == ["F", "A"]
    assert [each.symbol for each in said.losers] == ["C"]
    assert (said.compared, said.below_volume) == (4, 2)
    assert said.gainers[0].state is State.LIVE
    assert [each.symbol for each in answer(*records, limit=1).gainers] == ["B"]


def test_why_nothing_moved_is_said_and_nothing_is_made_up() -> None:
    """The commonest reason; scores and prices each have their own."""
    said = answer(moved("A", Reason.GAP, 1.0), moved("B", 1.0, 1.0))
    assert (said.price_reason, said.score_reason) == (None, Reason.WARMING_UP)
    assert (said.score_risers, said.scores_compared) == ((), 0)
    none = answer(moved("A", Reason.GAP, 1.0))
    assert none.price_reason is Reason.GAP
    assert none.status == "degraded"
    assert "gap" in none.reasons[-1]

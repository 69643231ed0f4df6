"""The price that is shown, and how old it is."""

from support.editions import running_pipeline
from support.markets import BTC, NOW, event
from virtuoso.domain.market_data import Disconnected, Side, Ticker, TickerField, Trade
from virtuoso.domain.scores import State
from virtuoso.domain.time import Millis


def test_a_price_does_not_go_back_in_time_when_the_connection_is_lost() -> None:
    """What the ticker said last stays the newest price; it is not live, and a trade replaces it."""
    pipeline = running_pipeline()
    lane = pipeline.lane(BTC)
    assert lane is not None
    pipeline.handle(event(Ticker({TickerField.LAST_PRICE: 101.0}, whole=False), NOW + 900))
    now = Millis(NOW + 1_000)
    before = lane.inputs.price(now)
    assert (before.value, before.as_of, before.state) == (101.0, NOW + 900, State.LIVE)
    pipeline.handle(Disconnected(BTC.venue, frozenset({BTC}), "cut", now))
    after = lane.inputs.price(now)
    assert (after.value, after.as_of, after.state) == (101.0, NOW + 900, State.DELAYED)
    assert lane.inputs.price(Millis(NOW + 9_000)).state is State.STALE
    pipeline.handle(event(Trade("new", 99.0, 1.0, Side.BUY), NOW + 9_100))
    newer = lane.inputs.price(Millis(NOW + 9_200))
    assert (newer.value, newer.as_of, newer.state) == (99.0, NOW + 9_100, State.LIVE)

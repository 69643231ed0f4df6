"""The last trades and liquidations, in the order they happened."""

from support.markets import BTC
from virtuoso.domain.market_data import Liquidation, MarketEvent, PositionSide, Side, Trade
from virtuoso.domain.time import Millis
from virtuoso.market.tape import LIQUIDATIONS_KEPT, TRADES_KEPT, Tape


def trade(number: int, at: int) -> MarketEvent[Trade]:
    """A trade that happened at `at`."""
    return MarketEvent(BTC, Trade(str(number), 100.0, 1.0, Side.BUY), Millis(at), Millis(at))


def test_the_newest_stand_first_and_no_more_are_kept_than_there_is_room_for() -> None:
    """Bounded, whatever comes."""
    tape = Tape()
    for number in range(3 * TRADES_KEPT):
        tape.trade(trade(number, number))
    assert len(tape.trades) == TRADES_KEPT
    assert [each.at for each in tape.trades] == list(
        range(3 * TRADES_KEPT - 1, 2 * TRADES_KEPT - 1, -1)
    )


def test_fetched_trades_are_put_where_they_belong() -> None:
    """After a cut the missed ones stand between those of the stream, and push out only older."""
    tape = Tape()
    for at in (10, 20, 90, 100):
        tape.trade(trade(at, at))
    tape.correct([trade(at, at) for at in (30, 50)])
    assert [each.at for each in tape.trades] == [100, 90, 50, 30, 20, 10]
    tape.correct([trade(at, 5) for at in range(2 * TRADES_KEPT)])
    assert [each.at for each in tape.trades][:6] == [100, 90, 50, 30, 20, 10]
    assert len(tape.trades) == TRADES_KEPT


def test_trades_of_one_instant_keep_their_order_turned_round() -> None:
    """The one that came last stands first."""
    tape = Tape()
    for number in (1, 2, 3):
        tape.trade(trade(number, 7))
    assert [each.data.id for each in tape.trades] == ["3", "2", "1"]


def test_liquidations_are_kept_with_the_side_of_the_position() -> None:
    """Never that of the order that closed it."""
    tape = Tape()
    for number in range(LIQUIDATIONS_KEPT + 5):
        forced = Liquidation(PositionSide.LONG, 1.0, 100.0)
        tape.liquidation(MarketEvent(BTC, forced, Millis(number), Millis(number)))
    assert len(tape.liquidations) == LIQUIDATIONS_KEPT
    assert tape.liquidations[0].at == LIQUIDATIONS_KEPT + 4
    assert tape.liquidations[0].data.side is PositionSide.LONG

"""One line of events: what stands in it, in its order, decides what every second holds."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from support.markets import BTC, NOW, event, heard_of, history_of, pipeline_of
from virtuoso.domain.market_data import Disconnected, FeedEvent, Side, Tick, Trade
from virtuoso.domain.scores import Reason, Source
from virtuoso.domain.time import SECOND, Millis
from virtuoso.engine.documents import Edition, records_of, symbols_document
from virtuoso.engine.timeline import Timeline
from virtuoso.wire.board import RowSymbol
from virtuoso.wire.messages import to_json

SYMBOLS = (RowSymbol(0, BTC.symbol, BTC.venue, Source.REPLAY),)


def played(line: Iterable[FeedEvent]) -> list[bytes]:
    """Give the symbols document of every second that a line closes."""
    pipeline = pipeline_of(BTC)
    timeline = Timeline(pipeline)
    found = []
    for each in line:
        for second in timeline.steps(each):
            cycle = pipeline.view()
            if second is not None and cycle is not None:
                edition = Edition("e", Source.REPLAY, "d", cycle, ())
                found.append(to_json(symbols_document(edition, records_of(edition, SYMBOLS))))
    return found


def seconds_of(line: Iterable[FeedEvent]) -> list[int]:
    """Give the seconds that a line closes."""
    timeline = Timeline(pipeline_of(BTC))
    return [second for each in line for second in timeline.steps(each) if second is not None]


def test_a_tick_closes_the_second_and_nothing_that_stands_behind_it_counts() -> None:
    """A trade before the tick is in the second, one behind it is not, whatever its stamp says."""
    pipeline = pipeline_of(BTC)
    timeline = Timeline(pipeline)
    before = event(Trade("1", 100.0, 1.0, Side.BUY), NOW + 990)
    behind = event(Trade("2", 100.0, 5.0, Side.BUY), NOW + 995)
    list(timeline.steps(before))
    closed = [each for each in timeline.steps(Tick(Millis(NOW + 1_015))) if each is not None]
    assert closed == [NOW + SECOND]
    assert pipeline.market("BTCUSDT").trades.windows[1].volume == 1.0
    list(timeline.steps(behind))
    list(timeline.steps(Tick(Millis(NOW + 2_015))))
    assert pipeline.market("BTCUSDT").trades.windows[1].volume == 5.0


def test_an_event_of_the_next_second_closes_the_one_before_it_even_without_a_tick() -> None:
    """A recording from before there were ticks still gives every second."""
    trades = [event(Trade(str(i), 100.0, 1.0, Side.BUY), NOW + 400 * i) for i in range(8)]
    assert seconds_of(trades) == [NOW, NOW + SECOND, NOW + 2 * SECOND]


def test_seconds_go_on_while_a_feed_is_dead() -> None:
    """Ticks alone close them."""
    ticks = [Tick(Millis(NOW + i * SECOND + 15)) for i in range(6)]
    assert len(seconds_of(ticks)) == 5


def test_a_long_pause_leaves_its_seconds_out_and_starts_the_flow_anew() -> None:
    """After ten seconds without a tick nobody knows what was missed: it is a gap, not a zero."""
    line: list[FeedEvent] = [*heard_of(BTC, NOW + 10), Tick(Millis(NOW + 1_015))]
    awake = NOW + 300 * SECOND
    pipeline = pipeline_of(BTC)
    timeline = Timeline(pipeline)
    for each in line:
        list(timeline.steps(each))
    closed = [each for each in timeline.steps(Tick(Millis(awake + 15))) if each is not None]
    assert closed == [awake]
    assert pipeline.counters["seconds_skipped"] == 1
    assert pipeline.market("BTCUSDT").trades.quotes_since is None
    assert pipeline.market("BTCUSDT").trades.trades_broken


@given(cuts=st.lists(st.integers(0, 200), max_size=5))
@settings(deadline=None, max_examples=5)
def test_the_same_line_gives_the_same_bytes_however_it_is_cut_into_slices(
    cuts: list[int],
) -> None:
    """Others may have their turn anywhere in long work: what comes out does not depend on it."""
    line: list[FeedEvent] = [history_of(NOW)]
    for i in range(4):
        line += heard_of(BTC, NOW + i * SECOND + 100, 100.0 + i)
        line.append(Tick(Millis(NOW + (i + 1) * SECOND + 15)))
    pipeline = pipeline_of(BTC)
    timeline = Timeline(pipeline)
    found, steps = [], 0
    for each in line:
        for second in timeline.steps(each):
            steps += 1
            if steps in cuts:
                pipeline.view()
                pipeline.overview()
            cycle = pipeline.view()
            if second is not None and cycle is not None:
                edition = Edition("e", Source.REPLAY, "d", cycle, ())
                found.append(to_json(symbols_document(edition, records_of(edition, SYMBOLS))))
    assert found == played(line)
    assert len(found) == 5


def test_a_half_closed_second_is_not_shown() -> None:
    """Between two slices a reader still gets the last whole one."""
    pipeline = pipeline_of(BTC)
    pipeline.second(Millis(NOW))
    before = pipeline.view()
    work = pipeline.closing(Millis(NOW + SECOND))
    next(work)
    assert pipeline.view() is before
    list(work)
    after = pipeline.view()
    assert after is not None
    assert after.at == NOW + SECOND


def test_a_lost_connection_is_in_the_cycle_before_the_next_second() -> None:
    """What was shown is amended at once, with a sequence of its own."""
    pipeline = pipeline_of(BTC)
    for each in heard_of(BTC, NOW + 10):
        pipeline.handle(each)
    pipeline.second(Millis(NOW + SECOND))
    before = pipeline.view()
    assert before is not None
    assert before.markets[0].change_24h.value is not None
    pipeline.handle(Disconnected(BTC.venue, frozenset({BTC}), "cut", Millis(NOW + 1_200)))
    after = pipeline.view()
    assert after is not None
    assert after.seq == before.seq + 1
    assert after.markets[0].change_24h.value is None
    assert after.markets[0].book.synced_since is None
    assert pipeline.market("BTCUSDT").book.reason is Reason.GAP

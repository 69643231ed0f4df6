"""What one cycle says, as the editor of documents and the recorder take it."""

from support.markets import BTC, ETH, NOW, heard_of, history_of, pipeline_of
from virtuoso.domain.market_data import Connected
from virtuoso.domain.scores import Source
from virtuoso.domain.time import SECOND, Millis
from virtuoso.engine.content import Content
from virtuoso.engine.pairing import Shown
from virtuoso.engine.pipeline import Pipeline


def running_pipeline() -> Pipeline:
    """Two markets with candles and everything a stream brings, one second old."""
    pipeline = pipeline_of(BTC, ETH)
    pipeline.handle(Connected(BTC.venue, frozenset({BTC, ETH}), Millis(NOW)))
    for each in (BTC, ETH):
        pipeline.handle(history_of(NOW, instrument=each))
        for event in heard_of(each, NOW + 500):
            pipeline.handle(event)
    pipeline.second(Millis(NOW + SECOND))
    return pipeline


def content_of(
    pipeline: Pipeline,
    source: Source = Source.BYBIT,
    looked_at: frozenset[str] = frozenset(),
) -> Content:
    """Everything that the newest cycle says."""
    cycle = pipeline.view()
    assert cycle is not None
    shown = [Shown(str(each.instrument.symbol), each) for each in cycle.markets]
    lanes = {each.symbol: pipeline.lane(each.instrument) for each in shown}
    return Content(
        cycle=cycle,
        definition=pipeline.definition,
        coverage_floor=pipeline.coverage_floor,
        shown=shown,
        sources={"bybit": source},
        lanes={symbol: lane for symbol, lane in lanes.items() if lane is not None},
        overview=pipeline.overview(),
        across=pipeline.across.view,
        notices=(),
        parts=(),
        counters={},
        cycle_ms=None,
        started=Millis(NOW),
        looked_at=looked_at,
    )

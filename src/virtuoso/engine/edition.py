"""Puts one cycle together: board, documents and the engine's word about itself."""

from collections.abc import Mapping

from virtuoso.domain.scores import Reason, Source
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.engine import documents as make
from virtuoso.engine.documents import Edition
from virtuoso.engine.pipeline import SCORE_STEP_MS, Pipeline
from virtuoso.engine.view import CycleView
from virtuoso.wire import keys
from virtuoso.wire.messages import (
    BoardState,
    EngineStatus,
    Limits,
    Notice,
    PartHealth,
    ReplayInfo,
    RowSymbol,
    pack,
    to_json,
)

HEARTBEAT_MS = 3_000
PRICE_DELAYED_MS = 2_000
PRICE_STALE_MS = 5_000
REPEAT_CYCLES = 10
"""Cycles after which an unchanged document is written again, long before its life is over."""


class Editor:
    """Builds what is published; what did not change since the last time is left out."""

    def __init__(self, epoch: str, source: Source, version: str) -> None:
        self._epoch = epoch
        self._source = source
        self._version = version
        self._marks: dict[str, tuple[int, int, bool]] = {}
        self._kept: dict[str, bytes] = {}

    def edit(
        self,
        pipeline: Pipeline,
        *,
        now: Millis,
        notices: tuple[Notice, ...],
        parts: tuple[PartHealth, ...],
        counters: Mapping[str, int],
        cycle_ms: float | None,
        started: Millis,
        replay: ReplayInfo | None,
    ) -> tuple[BoardState, dict[str, bytes], EngineStatus]:
        """Give the board, the documents by cache key, and the status."""
        cycle = pipeline.view() or CycleView(seq=pipeline.seq, at=now, now=now, markets=())
        edition = Edition(
            epoch=self._epoch,
            source=self._source,
            definition=pipeline.definition,
            cycle=cycle,
            notices=notices,
        )
        symbols = tuple(
            RowSymbol(number, view.instrument.symbol, view.instrument.venue, self._source)
            for number, view in enumerate(cycle.markets)
        )
        board = BoardState(
            epoch=self._epoch,
            seq=cycle.seq,
            now=cycle.now,
            source=self._source,
            limits=Limits(
                heartbeat_ms=HEARTBEAT_MS,
                price_delayed_ms=PRICE_DELAYED_MS,
                price_stale_ms=PRICE_STALE_MS,
                coverage_floor=pipeline.coverage_floor,
            ),
            symbols=symbols,
            rows=tuple(make.row_of(number, view) for number, view in enumerate(cycle.markets)),
            notices=notices,
            replay=replay,
        )
        status = EngineStatus(
            epoch=self._epoch,
            seq=cycle.seq,
            now=cycle.now,
            source=self._source,
            version=self._version,
            started=started,
            symbols=len(cycle.markets),
            symbols_scored=sum(1 for row in board.rows if row.score is not None),
            parts=parts,
            counters=dict(counters),
            cycle_ms=cycle_ms,
        )
        return board, self._documents(edition, symbols, pipeline), status

    def _documents(
        self, edition: Edition, symbols: tuple[RowSymbol, ...], pipeline: Pipeline
    ) -> dict[str, bytes]:
        records = make.records_of(edition, symbols)
        listing = make.symbols_document(edition, records)
        overview, tickers = pipeline.overview()
        dashboard = make.dashboard_document(
            edition, records, make.overview_message(overview, tickers, Reason.UNPROVEN)
        )
        mobile = make.mobile_document(dashboard)
        found = {
            keys.SYMBOLS_PLAIN: to_json(listing),
            keys.SYMBOLS: pack(make.publish_form(edition, listing, listing.as_of)),
            keys.DASHBOARD: pack(make.publish_form(edition, dashboard, dashboard.as_of)),
            keys.MOBILE: pack(make.publish_form(edition, mobile, mobile.as_of)),
        }
        for view, record in zip(edition.cycle.markets, records, strict=True):
            symbol = view.instrument.symbol
            detail = make.detail_document(edition, view, record)
            form = make.publish_form(edition, detail, detail.as_of)
            found[keys.symbol_detail(symbol)] = pack(form)
            found |= self._slow_documents(edition, symbol, pipeline)
        return found

    def _slow_documents(
        self, edition: Edition, symbol: str, pipeline: Pipeline
    ) -> dict[str, bytes]:
        """Give candles at their close, scores at their step, and both again before they expire."""
        market = pipeline.market(symbol)
        again = edition.cycle.seq % REPEAT_CYCLES == 0
        found: dict[str, bytes] = {}
        for timeframe in Timeframe:
            series = market.candles[timeframe]
            key = keys.candles(market.instrument.symbol, timeframe)
            mark = (series.total, series.last_close or 0, series.gap)
            if self._marks.get(key) != mark:
                self._marks[key] = mark
                message = make.candles_document(
                    edition, symbol, timeframe, series.closed, gap=series.gap
                )
                form = make.publish_form(edition, message, series.last_close)
                found[key] = self._kept[key] = pack(form)
            elif again:
                found[key] = self._kept[key]
        key = keys.score_history(market.instrument.symbol)
        points = pipeline.history(symbol)
        mark = (len(points), points[-1][0] if points else 0, False)
        if self._marks.get(key) != mark:
            self._marks[key] = mark
            history = make.history_document(edition, symbol, SCORE_STEP_MS, points)
            found[key] = self._kept[key] = pack(make.publish_form(edition, history, None))
        elif again:
            found[key] = self._kept[key]
        return found

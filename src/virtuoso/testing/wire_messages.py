"""Builders of wire messages: sound by default, every part a test cares about by name."""

from collections.abc import Sequence
from typing import Any

import msgspec

from virtuoso.domain.scores import ComponentName, Direction, Reason, Source, State
from virtuoso.testing.fake_clock import START
from virtuoso.wire.board import BoardState, Limits, RowSymbol, ScoreRow
from virtuoso.wire.charts import CandlesDocument, FormingBar, ScoreHistoryDocument, ScorePoint
from virtuoso.wire.dashboards import DashboardDocument, MobileDocument, Movers
from virtuoso.wire.details import SymbolDetail
from virtuoso.wire.documents import etag_of
from virtuoso.wire.messages import SCHEMA, Document, Quality, to_json
from virtuoso.wire.overview import MarketOverview
from virtuoso.wire.processes import EngineStatus, PartHealth
from virtuoso.wire.records import iso, record_of
from virtuoso.wire.symbols import SymbolRecord, SymbolsDocument

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
LIMITS = Limits(
    heartbeat_ms=3_000, price_delayed_ms=2_000, price_stale_ms=5_000, coverage_floor=0.5
)


def a_row(row: int = 0, score: float | None = 62.5, **changes: Any) -> ScoreRow:  # noqa: ANN401
    """A live row; without a score one that says it is warming up."""
    live = score is not None
    made = ScoreRow(
        row=row,
        score=score,
        reason=None if live else Reason.WARMING_UP,
        confidence=23.0 if live else None,
        direction=Direction.BULLISH if live else None,
        components=(55.0, 91.0, 82.0, 64.0, None, 80.0),
        reasons=(None, None, None, None, Reason.NO_FEED, None),
        price=91_000.5,
        change_24h=-1.76,
        volume_24h=5_000_000.0,
        funding=0.0001,
        oi_change_1h=0.4,
        score_change_1h=3.1 if live else None,
        cell=None,
        as_of=START if live else None,
        price_as_of=START,
        coverage=0.85 if live else 0.0,
        state=State.LIVE if live else State.ABSENT,
        price_state=State.LIVE,
        oldest_input="price_structure 4h" if live else None,
    )
    return msgspec.structs.replace(made, **changes)


def row_symbols(symbols: Sequence[str] = SYMBOLS) -> tuple[RowSymbol, ...]:
    """Names for rows 0, 1, 2, ..."""
    return tuple(
        RowSymbol(row, symbol, "bybit", Source.SIMULATOR) for row, symbol in enumerate(symbols)
    )


def a_board(
    epoch: str = "one",
    seq: int = 1,
    now: int = START,
    symbols: Sequence[str] = SYMBOLS,
    rows: Sequence[ScoreRow] | None = None,
) -> BoardState:
    """A board with a live row for each symbol."""
    made = tuple(a_row(row) for row in range(len(symbols))) if rows is None else tuple(rows)
    return BoardState(epoch, seq, now, Source.SIMULATOR, LIMITS, row_symbols(symbols), made)


def records(board: BoardState) -> tuple[SymbolRecord, ...]:
    """The board's rows as objects."""
    return tuple(
        record_of(row, symbol) for row, symbol in zip(board.rows, board.symbols, strict=True)
    )


def an_overview(board: BoardState) -> MarketOverview:
    """The turnover is known, the rest is not computed."""
    return MarketOverview(
        market_regime=None,
        trend_strength=None,
        volatility=None,
        btc_dominance=None,
        total_volume_24h=sum(row.volume_24h or 0.0 for row in board.rows),
        breadth=None,
        quality={"total_volume_24h": Quality(State.LIVE, board.now)},
    )


def symbols_document(board: BoardState) -> SymbolsDocument:
    """`/api/symbols` of a board."""
    return SymbolsDocument(
        status="success",
        timestamp=iso(board.now),
        as_of=board.now,
        source=board.source,
        data_source="cache",
        symbols=records(board),
        epoch=board.epoch,
        seq=board.seq,
    )


def dashboard_document(board: BoardState) -> DashboardDocument:
    """`/api/dashboard/data` of a board."""
    return DashboardDocument(
        status="success",
        timestamp=iso(board.now),
        as_of=board.now,
        source=board.source,
        data_source="cache",
        market_overview=an_overview(board),
        symbols=records(board),
        top_movers=Movers((), records(board)),
        top_signals=(),
        alerts=(),
        bitcoin_beta=None,
        quality={"bitcoin_beta": Quality(State.ABSENT, None, Reason.NO_FEED)},
        epoch=board.epoch,
        seq=board.seq,
    )


def mobile_document(board: BoardState) -> MobileDocument:
    """`/api/dashboard/mobile-data` of a board."""
    every, overview = records(board), an_overview(board)
    return MobileDocument(
        status="success",
        timestamp=iso(board.now),
        data_source="cache",
        market_overview=overview,
        confluence_scores=every,
        top_movers=Movers((), every),
        market_regime=None,
        regime=None,
        trend_strength=None,
        trend_score=None,
        current_volatility=None,
        btc_dominance=None,
        total_volume_24h=overview.total_volume_24h,
        gainers=(),
        top_gainers=(),
        losers=every,
        symbols=every,
        top_symbols=every,
        as_of=board.now,
        source=board.source,
        reasons=(),
        quality={},
        truncated=False,
        epoch=board.epoch,
        seq=board.seq,
    )


def symbol_detail(board: BoardState, symbol: str) -> SymbolDetail:
    """`/api/symbols/{symbol}` of a board, its components left out."""
    record = next(each for each in records(board) if each.symbol == symbol)
    return SymbolDetail(
        status="success",
        timestamp=iso(board.now),
        as_of=board.now,
        source=board.source,
        data_source="cache",
        record=record,
        components=(),
        confidence=None,
        z=None,
        definition="0123456789ab",
        explanation=(),
        forming={},
        inputs=(),
        epoch=board.epoch,
        seq=board.seq,
        now=board.now,
    )


def candles_document(board: BoardState, symbol: str, timeframe: str) -> CandlesDocument:
    """`/api/symbols/{symbol}/candles` with one candle."""
    candle = FormingBar(board.now - 300_000, 1.0, 2.0, 0.5, 1.5, 10.0)
    return CandlesDocument(
        "success",
        iso(board.now),
        board.source,
        symbol,
        timeframe,
        (candle,),
        epoch=board.epoch,
        seq=board.seq,
    )


def score_history_document(board: BoardState, symbol: str) -> ScoreHistoryDocument:
    """`/api/symbols/{symbol}/scores` with one score and one hole."""
    points = (ScorePoint(board.now - 60_000, 62.5), ScorePoint(board.now, None))
    return ScoreHistoryDocument(
        "success",
        iso(board.now),
        board.source,
        symbol,
        60_000,
        points,
        epoch=board.epoch,
        seq=board.seq,
    )


def published(board: BoardState, body: msgspec.Struct) -> Document:
    """A document as the engine puts it into the cache."""
    text = to_json(body)
    return Document(SCHEMA, board.epoch, board.seq, board.now, board.now, etag_of(text), text)


def engine_status(board: BoardState, parts: Sequence[PartHealth] | None = None) -> EngineStatus:
    """The engine's word on itself."""
    feed = PartHealth("feed bybit", "pass", "streaming", last_good=board.now)
    return EngineStatus(
        epoch=board.epoch,
        seq=board.seq,
        now=board.now,
        source=board.source,
        version="0.1.0",
        started=START,
        symbols=len(board.symbols),
        symbols_scored=sum(row.score is not None for row in board.rows),
        parts=(feed,) if parts is None else tuple(parts),
        counters={"events": board.seq},
        cycle_ms=1.5,
    )


def missing_components(record: SymbolRecord) -> set[str]:
    """Names of the components a record has no number for."""
    return {name.value for name in ComponentName if getattr(record.components, name) is None}

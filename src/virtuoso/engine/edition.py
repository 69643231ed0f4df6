"""Puts one cycle together: board, documents and the engine's word about itself."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from virtuoso.domain.alerts import Alert
from virtuoso.domain.fees import Fees
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.scores import Source
from virtuoso.domain.signals import Signal
from virtuoso.domain.time import MINUTE, SECOND, Millis, Timeframe
from virtuoso.engine import dashboard_documents as dashboards
from virtuoso.engine import documents as make
from virtuoso.engine import followed, lines
from virtuoso.engine import market_documents as markets
from virtuoso.engine.across import AcrossView
from virtuoso.engine.beta_documents import beta_matrix_document, bitcoin_beta_document
from virtuoso.engine.cycles import CYCLES_KEPT
from virtuoso.engine.detail_documents import detail_document
from virtuoso.engine.documents import Edition
from virtuoso.engine.inputs import inputs_document
from virtuoso.engine.lane import Lane
from virtuoso.engine.movers import mover_records, movers_document
from virtuoso.engine.pairing import Shown
from virtuoso.engine.score_past import SCORE_STEP_MS
from virtuoso.engine.view import CycleView, Value, late
from virtuoso.market.door import Sample
from virtuoso.market.overview import Overview
from virtuoso.market.score_movers import ScoreMovers
from virtuoso.patterns.scans import Found
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.list_messages import MoverRecord
from virtuoso.wire.measures import Measure
from virtuoso.wire.messages import Alert as AlertMessage
from virtuoso.wire.messages import (
    BoardState,
    CycleTotals,
    CycleTrace,
    Document,
    EngineStatus,
    Limits,
    Notice,
    PartHealth,
    ReplayInfo,
    RowSymbol,
    ScorePoint,
    ScoreRow,
    SymbolRecord,
    to_json,
)

HEARTBEAT_MS = 3_000
PRICE_DELAYED_MS = 2_000
PRICE_STALE_MS = 5_000
REPEAT_CYCLES = 10
"""Cycles after which an unchanged document is written again, long before its life is over."""
REPEAT_MS = 15 * SECOND
"""After so long it is written again in any case: cycles of an engine that is behind take longer."""
ROWS_AT_ONCE = 50
LINES_CYCLES = 20
"""Cycles after which the board's small lines are drawn anew."""
INPUTS_CYCLES = 3
"""Cycles after which the ages of all inputs are told again."""
DETAILS_A_CYCLE = 100
"""Of more symbols than this, each one's documents are made in some later cycle, in turn."""
LEAST_DETAILS = 50
DETAILS_SECONDS = 0.08
"""More documents than the least are made only while they took less processor time than this.

What is taken apart is read by few, the scores by all: it is the details that leave room for them.
"""


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that is said in one cycle, as it was when the edition began."""

    cycle: CycleView
    definition: str
    coverage_floor: float
    shown: Sequence[Shown]
    sources: Mapping[str, Source]
    """What a reader is told, by venue."""
    lanes: Mapping[str, Lane]
    """The market behind each symbol on the board."""
    overview: tuple[Overview, Value]
    across: AcrossView
    notices: tuple[Notice, ...]
    parts: tuple[PartHealth, ...]
    counters: Mapping[str, int]
    cycle_ms: float | None
    started: Millis
    replay: ReplayInfo | None = None
    refusals: Sequence[tuple[str, Sample]] = ()
    amended: frozenset[str] = frozenset()
    """Symbols whose details must be made, whoever's turn it is."""
    details: bool = True
    """False: only the board, because it must not wait."""
    cycles: Sequence[CycleTrace] = ()
    """The last ones of each venue."""
    cycle_totals: tuple[CycleTotals, ...] = ()
    looked_at: frozenset[str] = frozenset()
    """Symbols whose book, trades, liquidations and derivatives somebody reads."""
    behind_ms: int = 0
    """By how much the cycle is older than the present of an engine that cannot keep up."""
    alerts: tuple[int, tuple[Alert, ...]] | None = None
    """How often they changed, and those that nobody has resolved; None without a watch."""
    signals: tuple[int, tuple[Signal, ...]] | None = None
    """How often they changed, and those that are open or ended last; None while not known."""
    fees: Fees = field(default_factory=dict)
    """By venue, what results of signals are reckoned after."""
    patterns: Mapping[str, Sequence[Found]] = field(default_factory=dict)
    """What the scans say, by symbol."""
    measures: tuple[Measure, ...] = ()
    second: Millis | None = None
    """The grid second that the scores are of, our clock; None before the first."""


@dataclass(slots=True)
class Printed:
    """What comes of an edition."""

    board: BoardState
    status: EngineStatus
    documents: dict[str, bytes] = field(default_factory=dict)


class Editor:
    """Builds what is published; what did not change since the last time is left out."""

    def __init__(
        self,
        epoch: str,
        source: Source,
        version: str,
        codec: Codec | None = None,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        """`spent` gives the processor time that was used so far, in seconds."""
        self._spent = spent
        self._next_detail = 0
        """The row whose turn it is."""
        self._codec = codec or Codec()
        self._epoch = epoch
        self._source = source
        self._version = version
        self._marks: dict[str, tuple[object, ...]] = {}
        self._kept: dict[str, bytes] = {}
        self._written: dict[str, tuple[int, bytes]] = {}
        """What lies in the cache of all that is not made for readers alone, and since when."""
        self._now = 0
        self._points: dict[str, _Points] = {}
        self._symbols: tuple[RowSymbol, ...] = ()
        self._edited = 0
        """Editions with details so far; sequence numbers may leave some out, this does not."""
        self._movers: Mapping[str, ScoreMovers] = dashboards.movers_of_scores({})
        self._alerts: tuple[int, Sequence[AlertMessage]] = (-1, ())
        self._betas: object = None
        """Those that were published last."""

    def edit(self, content: Content) -> Iterator[Printed | None]:
        """Make everything part by part; the last thing given is whole.

        Between two parts others may have their turn.
        """
        cycle = content.cycle
        self._now = cycle.now
        edition = self._edition(content)
        symbols = self._row_symbols(content)
        rows: list[ScoreRow] = []
        shown: list[Shown] = []
        for number, each in enumerate(content.shown):
            behind = content.behind_ms
            known = replace(each, view=late(each.view, behind)) if behind else each
            shown.append(known)
            rows.append(make.row_of(number, known.view))
            if number % ROWS_AT_ONCE == ROWS_AT_ONCE - 1:
                yield None
        board = BoardState(
            epoch=self._epoch,
            seq=cycle.seq,
            now=cycle.now,
            source=self._source,
            limits=Limits(
                heartbeat_ms=HEARTBEAT_MS,
                price_delayed_ms=PRICE_DELAYED_MS,
                price_stale_ms=PRICE_STALE_MS,
                coverage_floor=content.coverage_floor,
            ),
            symbols=symbols,
            rows=tuple(rows),
            notices=content.notices,
            replay=content.replay,
        )
        status = EngineStatus(
            epoch=self._epoch,
            seq=cycle.seq,
            now=cycle.now,
            source=self._source,
            version=self._version,
            started=content.started,
            symbols=len(symbols),
            symbols_scored=sum(1 for row in rows if row.score is not None),
            parts=content.parts,
            counters=dict(content.counters),
            cycle_ms=content.cycle_ms,
            definition=content.definition,
            cycles=content.cycle_totals,
            measures=content.measures,
        )
        printed = Printed(board, status)
        yield printed
        if not content.details:
            self._repeat(printed.documents, content)
            return
        self._edited += 1
        content = replace(content, shown=shown)
        records: list[SymbolRecord] = []
        for row, symbol, each in zip(rows, symbols, shown, strict=True):
            records.append(make.full_record(row, symbol, each.view, cycle.now))
            if row.row % ROWS_AT_ONCE == ROWS_AT_ONCE - 1:
                yield printed
        for _ in self._hot_documents(printed.documents, edition, content, tuple(records)):
            yield printed
        for _ in self._symbol_documents(printed.documents, edition, content, records):
            yield printed
        for _ in self._market_documents(printed.documents, edition, content, content.looked_at):
            yield printed
        self._repeat(printed.documents, content)

    def _repeat(self, found: dict[str, bytes], content: Content) -> None:
        """Write again what would not be there any more: it says itself how old it is.

        A recording's clock may run at any speed, and lives do not.
        """
        if content.replay is not None:
            return
        for key, (at, value) in self._written.items():
            if not 0 <= self._now - at < REPEAT_MS and key not in found:
                found[key] = value
                self._written[key] = (self._now, value)

    def edit_beside(self, content: Content, symbols: frozenset[str]) -> Mapping[str, bytes]:
        """Make what somebody began to read of these symbols, before its edition comes.

        `content` is that of the edition made last.
        """
        found: dict[str, bytes] = {}
        for _ in self._market_documents(found, self._edition(content), content, symbols):
            pass
        return found

    def _edition(self, content: Content) -> Edition:
        return Edition(
            epoch=self._epoch,
            source=self._source,
            definition=content.definition,
            cycle=content.cycle,
            notices=content.notices,
        )

    def _market_documents(
        self,
        found: dict[str, bytes],
        edition: Edition,
        content: Content,
        symbols: frozenset[str],
    ) -> Iterator[None]:
        """Make the book, trades, liquidations and derivatives of some symbols."""
        if not symbols:
            return
        behind = content.behind_ms
        for row, shown in zip(self._symbols, content.shown, strict=False):
            lane = content.lanes.get(row.symbol)
            if row.symbol not in symbols or lane is None:
                continue
            view = late(shown.view, behind) if behind else shown.view
            name = make.name_of(row)
            book = markets.order_book_document(edition, row, view, lane)
            form = make.publish_form(edition, book, book.as_of)
            self._put_for_readers(found, keys.order_book(name), form)
            yield
            trades = markets.trades_document(edition, row, view, lane)
            form = make.publish_form(edition, trades, trades.as_of)
            self._put_for_readers(found, keys.trades(name), form)
            yield
            forced = markets.liquidations_document(edition, row, view, lane)
            form = make.publish_form(edition, forced, forced.as_of)
            self._put_for_readers(found, keys.liquidations(name), form)
            more = markets.derivatives_document(edition, row, view, lane)
            form = make.publish_form(edition, more, more.as_of)
            self._put_for_readers(found, keys.derivatives(name), form)
            yield

    def _row_symbols(self, content: Content) -> tuple[RowSymbol, ...]:
        """Give the rows' names, the very same object while nothing about them changes."""
        symbols = tuple(
            RowSymbol(
                number,
                each.symbol,
                each.instrument.venue,
                content.sources.get(each.instrument.venue, self._source),
                each.view.score.definition,
                None
                if each.view.coverage_floor == content.coverage_floor
                else each.view.coverage_floor,
            )
            for number, each in enumerate(content.shown)
        )
        if symbols != self._symbols:
            gone = {each.symbol for each in self._symbols} - {each.symbol for each in symbols}
            for symbol in gone:
                self._forget(symbol)
            self._symbols = symbols
        return self._symbols

    def _put(self, found: dict[str, bytes], key: str, document: Document) -> bytes:
        """Encode a document where its turn is, so that the publisher has nothing long to do."""
        found[key] = value = self._codec.encode(key, document)
        self._written[key] = (self._now, value)
        return value

    def _again(self, found: dict[str, bytes], key: str) -> None:
        found[key] = value = self._kept[key]
        self._written[key] = (self._now, value)

    def _put_for_readers(self, found: dict[str, bytes], key: str, document: Document) -> None:
        """Encode what is made only while somebody reads it."""
        found[key] = self._codec.encode(key, document)

    def _forget(self, symbol: str) -> None:
        name = Symbol(symbol)
        candles = (keys.candles(name, each) for each in Timeframe)
        detail = keys.symbol_detail(name)
        for key in (*candles, keys.score_history(name), keys.tracks(name), detail):
            self._marks.pop(key, None)
            self._kept.pop(key, None)
            self._written.pop(key, None)
        self._points.pop(symbol, None)

    def _hot_documents(
        self,
        found: dict[str, bytes],
        edition: Edition,
        content: Content,
        records: tuple[SymbolRecord, ...],
    ) -> Iterator[None]:
        listing = make.symbols_document(edition, records)
        found[keys.SYMBOLS_PLAIN] = body = to_json(listing)
        yield
        self._put(found, keys.SYMBOLS, make.document_of(edition, body, listing.as_of))
        yield
        overview, tickers = content.overview
        is_due = self._compare_scores(content.lanes) or self._edited % REPEAT_CYCLES == 0
        yield
        market = dashboards.overview_message(
            overview,
            tickers,
            content.across,
            edition.cycle.now,
            self._movers,
            {each.symbol: each.state for each in records},
        )
        active = self._put_alerts(found, edition, content.alerts)
        yield
        if content.signals is not None:
            self._put_signals(found, edition, content.signals, content.fees)
            yield
        self._put_patterns(found, edition, content)
        yield
        top = followed.top_signals(edition, None if content.signals is None else content.signals[1])
        dashboard = dashboards.dashboard_document(
            edition, records, market, content.across, active, top
        )
        yield
        self._put(found, keys.DASHBOARD, make.publish_form(edition, dashboard, dashboard.as_of))
        yield
        mobile = dashboards.mobile_document(dashboard)
        yield
        self._put(found, keys.MOBILE, make.publish_form(edition, mobile, mobile.as_of))
        yield
        if self._betas is not content.across.betas or self._edited % REPEAT_CYCLES == 0:
            self._betas = content.across.betas
            matrix = beta_matrix_document(edition, content.across)
            self._put(
                found, keys.BITCOIN_BETA_MATRIX, make.publish_form(edition, matrix, matrix.as_of)
            )
            yield
            betas = bitcoin_beta_document(edition, content.across)
            self._put(found, keys.BITCOIN_BETA, make.publish_form(edition, betas, betas.as_of))
            yield
        if is_due:
            yield from self._movers_document(found, edition, content, records)
        cycles = make.cycles_document(edition, CYCLES_KEPT, content.cycles)
        self._put(found, keys.CYCLES, make.publish_form(edition, cycles, None))
        yield
        if self._edited % LINES_CYCLES == 1:
            for drawn in lines.sparklines(edition, self._symbols, content.lanes):
                if drawn is not None:
                    form = make.publish_form(edition, drawn, None)
                    self._put(found, keys.SPARKLINES, form)
                yield
        if self._edited % INPUTS_CYCLES == 1:
            ages = inputs_document(edition, self._symbols, [each.view for each in content.shown])
            self._put(found, keys.INPUTS, make.publish_form(edition, ages, None))
            yield
        newest = content.refusals[-1][1] if content.refusals else None
        mark = (len(content.refusals), newest and (newest.at, newest.reason))
        again = self._edited % REPEAT_CYCLES == 0
        if again or self._marks.get(keys.REFUSALS) != mark:
            self._marks[keys.REFUSALS] = mark
            refusals = make.refusals_document(edition, content.refusals)
            self._put(found, keys.REFUSALS, make.publish_form(edition, refusals, None))

    def _put_alerts(
        self,
        found: dict[str, bytes],
        edition: Edition,
        alerts: tuple[int, tuple[Alert, ...]] | None,
    ) -> Sequence[AlertMessage] | None:
        """Publish the active alerts when they changed, and again before they expire."""
        number, active = (0, ()) if alerts is None else alerts
        if number != self._alerts[0]:
            self._alerts = (number, tuple(make.alert_message(each) for each in active))
            self._marks.pop(keys.ALERTS, None)
        messages = None if alerts is None else self._alerts[1]
        if keys.ALERTS not in self._marks or self._edited % REPEAT_CYCLES == 0:
            self._marks[keys.ALERTS] = (number,)
            document = make.alerts_document(edition, messages)
            self._put(found, keys.ALERTS, make.publish_form(edition, document, document.as_of))
        return messages

    def _put_signals(
        self,
        found: dict[str, bytes],
        edition: Edition,
        signals: tuple[int, tuple[Signal, ...]],
        fees: Fees,
    ) -> None:
        """Publish signals, open and ended last, when they changed and before they expire."""
        number, known = signals
        if self._marks.get(keys.SIGNALS) != (number,) or self._edited % REPEAT_CYCLES == 0:
            self._marks[keys.SIGNALS] = (number,)
            document = followed.signals_document(edition, known, fees)
            self._put(found, keys.SIGNALS, make.publish_form(edition, document, document.as_of))

    def _put_patterns(self, found: dict[str, bytes], edition: Edition, content: Content) -> None:
        """Publish what the scans say once a minute, and again before it expires."""
        mark = (content.across.betas_as_of, (content.second or 0) // MINUTE)
        if self._marks.get(keys.PATTERNS) != mark or self._edited % REPEAT_CYCLES == 0:
            self._marks[keys.PATTERNS] = mark
            across = content.across
            document = followed.patterns_document(
                edition,
                content.shown,
                content.patterns,
                across.betas_as_of,
                across.betas_state_at(content.cycle.now),
            )
            self._put(found, keys.PATTERNS, make.publish_form(edition, document, document.as_of))

    def _movers_document(
        self,
        found: dict[str, bytes],
        edition: Edition,
        content: Content,
        records: Sequence[SymbolRecord],
    ) -> Iterator[None]:
        """Compare every symbol with its own past, whenever scores were kept."""
        views = [each.view for each in content.shown]
        moved: list[MoverRecord] = []
        for each in mover_records(records, views, content.lanes, edition.cycle.now):
            if each is None:
                yield
            else:
                moved.append(each)
        kept = [lane.past.samples[-1][0] for lane in content.lanes.values() if lane.past.samples]
        document = movers_document(edition, moved, max(kept, default=None))
        yield
        self._put(found, keys.MOVERS, make.publish_form(edition, document, document.as_of))
        yield

    def _compare_scores(self, lanes: Mapping[str, Lane]) -> bool:
        """Look for score movers anew when scores were kept since the last time; whether it did."""
        kept = {symbol: lane.past.samples for symbol, lane in lanes.items()}
        newest = max((each[-1][0] for each in kept.values() if each), default=None)
        alike = {symbol: lane.past.scored_alike_since for symbol, lane in lanes.items()}
        mark = (newest, alike, sum(lane.past.recalled for lane in lanes.values()))
        if self._marks.get(keys.DASHBOARD) == mark:
            return False
        self._marks[keys.DASHBOARD] = mark
        days = {symbol: lane.past.day for symbol, lane in lanes.items()}
        self._movers = dashboards.movers_of_scores(kept, alike, days)
        return True

    def _symbol_documents(
        self,
        found: dict[str, bytes],
        edition: Edition,
        content: Content,
        records: Sequence[SymbolRecord],
    ) -> Iterator[None]:
        rows, turn, made, taken = len(records), self._edited, 0, 0.0
        first = self._next_detail % max(1, rows)
        for number in (*range(first, rows), *range(first)):
            shown, record, symbol = content.shown[number], records[number], self._symbols[number]
            is_its_turn = made < DETAILS_A_CYCLE and (
                made < LEAST_DETAILS or taken < DETAILS_SECONDS
            )
            if is_its_turn or shown.symbol in content.amended:
                began = self._spent()
                detail = detail_document(edition, shown, record)
                form = make.publish_form(edition, detail, detail.as_of)
                self._put(found, keys.symbol_detail(make.name_of(symbol)), form)
                taken += self._spent() - began
                if is_its_turn:
                    made += 1
                    self._next_detail = number + 1
                yield
            lane = content.lanes.get(shown.symbol)
            again = (number + turn) % REPEAT_CYCLES == 0
            if lane is not None and (is_its_turn or again):
                yield from self._slow_documents(
                    found, edition, symbol, lane, fresh=is_its_turn, again=again
                )

    def _slow_documents(
        self,
        found: dict[str, bytes],
        edition: Edition,
        symbol: RowSymbol,
        lane: Lane,
        *,
        fresh: bool,
        again: bool,
    ) -> Iterator[None]:
        """Give candles at their close, scores at their step, and both again before they expire.

        `fresh`: make what is new; what is new but not made yet is made when that is true again.
        """
        candles = lane.market.candles
        name = make.name_of(symbol)
        for timeframe in Timeframe:
            series = candles[timeframe]
            key = keys.candles(name, timeframe)
            holes = sum(hole.filled_at is None for hole in candles.holes)
            mark = (symbol.venue, series.total, series.last_close, series.gap, holes)
            if fresh and self._marks.get(key) != mark:
                self._marks[key] = mark
                message = make.candles_document(edition, symbol, timeframe, candles)
                form = make.publish_form(edition, message, series.last_close)
                self._kept[key] = self._put(found, key, form)
                yield
            elif again and key in self._kept:
                self._again(found, key)
        key = keys.score_history(name)
        points = lane.past.samples
        newest = (
            symbol.venue,
            len(points),
            points[-1][0] if points else 0,
            lane.past.definitions[-1],
            lane.past.recalled,
        )
        if fresh and self._marks.get(key) != newest:
            self._marks[key] = newest
            made = self._points.get(symbol.symbol)
            if made is None or made.lane is not lane or made.recalled != lane.past.recalled:
                made = self._points[symbol.symbol] = _Points(lane)
            history = make.history_document(
                edition, symbol, SCORE_STEP_MS, made.newest(), lane.past.definitions
            )
            history_form = make.publish_form(edition, history, None)
            self._kept[key] = self._put(found, key, history_form)
            yield
        elif again and key in self._kept:
            self._again(found, key)
        key = keys.tracks(name)
        minutes = lane.tracks.minutes
        derivatives = lane.market.derivatives
        ends = (
            symbol.venue,
            minutes[-1].at if minutes else 0,
            derivatives.open_interest.last_at,
            derivatives.funding.last_at,
        )
        if fresh and self._marks.get(key) != ends:
            self._marks[key] = ends
            tracks = make.publish_form(edition, lines.tracks_document(edition, symbol, lane), None)
            self._kept[key] = self._put(found, key, tracks)
            yield
        elif again and key in self._kept:
            self._again(found, key)


class _Points:
    """The points of a market's score history: each is made once, for there are thousands."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.recalled = lane.past.recalled
        self._made: deque[ScorePoint] = deque(maxlen=lane.past.samples.maxlen)

    def newest(self) -> Sequence[ScorePoint]:
        """Give all points, oldest first."""
        known = self._made[-1].at if self._made else None
        later = list(takewhile(lambda each: each[0] != known, reversed(self.lane.past.samples)))
        self._made.extend(make.point_of(at, score) for at, score in reversed(later))
        return self._made

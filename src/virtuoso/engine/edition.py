"""Puts one cycle together: board, documents and the engine's word about itself."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from virtuoso.domain.alerts import Alert
from virtuoso.domain.fees import Fees
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.scores import Source, State
from virtuoso.domain.signals import Signal
from virtuoso.domain.time import MINUTE
from virtuoso.engine import dashboard_documents as dashboards
from virtuoso.engine import documents as make
from virtuoso.engine import followed, lines
from virtuoso.engine import market_documents as markets
from virtuoso.engine.beta_documents import beta_matrix_document, bitcoin_beta_document
from virtuoso.engine.content import Content, Printed
from virtuoso.engine.cycles import CYCLES_KEPT
from virtuoso.engine.detail_documents import detail_document
from virtuoso.engine.documents import Edition
from virtuoso.engine.inputs import inputs_document
from virtuoso.engine.lane import Lane
from virtuoso.engine.movers import mover_records, movers_document
from virtuoso.engine.pairing import Shown
from virtuoso.engine.shelf import Shelf
from virtuoso.engine.slow_documents import SlowDocuments
from virtuoso.engine.view import late
from virtuoso.market.score_movers import ScoreMovers
from virtuoso.wire import keys
from virtuoso.wire.board import BoardState, Limits, RowSymbol, ScoreRow
from virtuoso.wire.codec import Codec
from virtuoso.wire.lists import MoverRecord
from virtuoso.wire.messages import to_json
from virtuoso.wire.processes import EngineStatus
from virtuoso.wire.pushes import Alert as AlertMessage
from virtuoso.wire.symbols import SymbolRecord

HEARTBEAT_MS = 3_000
PRICE_DELAYED_MS = 2_000
PRICE_STALE_MS = 5_000
REPEAT_CYCLES = 10
"""Cycles after which an unchanged document is written again, long before its life is over."""
ROWS_AT_ONCE = 50
LINES_CYCLES = 20
"""Cycles after which the board's small lines are drawn anew."""
MOVERS_CYCLES = 2
"""Cycles that lie at least between two comparisons of all symbols."""
INPUTS_CYCLES = 3
"""Cycles after which the ages of all inputs are told again."""
DETAILS_A_CYCLE = 100
"""Of more symbols than this, each one's documents are made in some later cycle, in turn."""
LEAST_DETAILS = 50
DETAILS_SECONDS = 0.08
"""More documents than the least are made only while they took less processor time than this.

What is taken apart is read by few, the scores by all: it is the details that leave room for them.
"""

_WORSE: Final = {state: number for number, state in enumerate(State)}


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
        self._shelf = Shelf(codec or Codec())
        self._slow = SlowDocuments(self._shelf)
        self._epoch = epoch
        self._source = source
        self._version = version
        self._symbols: tuple[RowSymbol, ...] = ()
        self._edited = 0
        """Editions with details so far; sequence numbers may leave some out, this does not."""
        self._movers: Mapping[str, ScoreMovers] = dashboards.movers_of_scores({})
        self._alerts: tuple[int, Sequence[AlertMessage]] = (-1, ())
        self._betas: object = None
        """Those that were published last."""
        self._compared: tuple[int, Mapping[str, State]] = (0, {})
        """When movers were compared last, and how good each price was then."""

    def edit(self, content: Content) -> Iterator[Printed | None]:
        """Make everything part by part; the last thing given is whole.

        Between two parts others may have their turn.
        """
        cycle = content.cycle
        self._shelf.now = cycle.now
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
        """Write again what would not be there any more.

        A recording's clock may run at any speed, and lives do not.
        """
        if content.replay is None:
            self._shelf.repeat(found)

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
            self._shelf.put_for_readers(found, keys.order_book(name), form)
            yield
            trades = markets.trades_document(edition, row, view, lane)
            form = make.publish_form(edition, trades, trades.as_of)
            self._shelf.put_for_readers(found, keys.trades(name), form)
            yield
            forced = markets.liquidations_document(edition, row, view, lane)
            form = make.publish_form(edition, forced, forced.as_of)
            self._shelf.put_for_readers(found, keys.liquidations(name), form)
            more = markets.derivatives_document(edition, row, view, lane)
            form = make.publish_form(edition, more, more.as_of)
            self._shelf.put_for_readers(found, keys.derivatives(name), form)
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
                self._slow.forget(symbol)
                self._shelf.forget(keys.symbol_detail(Symbol(symbol)))
            self._symbols = symbols
        return self._symbols

    def _put(
        self,
        found: dict[str, bytes],
        key: str,
        edition: Edition,
        message: msgspec.Struct,
        as_of: int | None,
    ) -> None:
        self._shelf.put(found, key, make.publish_form(edition, message, as_of))

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
        self._shelf.put(found, keys.SYMBOLS, make.document_of(edition, body, listing.as_of))
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
        self._put(found, keys.DASHBOARD, edition, dashboard, dashboard.as_of)
        yield
        mobile = dashboards.mobile_document(dashboard)
        yield
        self._put(found, keys.MOBILE, edition, mobile, mobile.as_of)
        yield
        if self._betas is not content.across.betas or self._edited % REPEAT_CYCLES == 0:
            self._betas = content.across.betas
            matrix = beta_matrix_document(edition, content.across)
            self._put(found, keys.BITCOIN_BETA_MATRIX, edition, matrix, matrix.as_of)
            yield
            betas = bitcoin_beta_document(edition, content.across)
            self._put(found, keys.BITCOIN_BETA, edition, betas, betas.as_of)
            yield
        if is_due or self._prices_are_worse(content):
            yield from self._movers_document(found, edition, content, records)
        cycles = make.cycles_document(edition, CYCLES_KEPT, content.cycles)
        self._put(found, keys.CYCLES, edition, cycles, None)
        yield
        if self._edited % LINES_CYCLES == 1:
            for drawn in lines.sparklines(edition, self._symbols, content.lanes):
                if drawn is not None:
                    form = make.publish_form(edition, drawn, None)
                    self._shelf.put(found, keys.SPARKLINES, form)
                yield
        if self._edited % INPUTS_CYCLES == 1:
            ages = inputs_document(edition, self._symbols, [each.view for each in content.shown])
            self._put(found, keys.INPUTS, edition, ages, None)
            yield
        newest = content.refusals[-1][1] if content.refusals else None
        mark = (len(content.refusals), newest and (newest.at, newest.reason))
        if self._shelf.mark(keys.REFUSALS, mark) or self._edited % REPEAT_CYCLES == 0:
            refusals = make.refusals_document(edition, content.refusals)
            self._put(found, keys.REFUSALS, edition, refusals, None)

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
        messages = None if alerts is None else self._alerts[1]
        if self._shelf.mark(keys.ALERTS, number) or self._edited % REPEAT_CYCLES == 0:
            document = make.alerts_document(edition, messages)
            self._put(found, keys.ALERTS, edition, document, document.as_of)
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
        if self._shelf.mark(keys.SIGNALS, number) or self._edited % REPEAT_CYCLES == 0:
            document = followed.signals_document(edition, known, fees)
            self._put(found, keys.SIGNALS, edition, document, document.as_of)

    def _put_patterns(self, found: dict[str, bytes], edition: Edition, content: Content) -> None:
        """Publish what the scans say once a minute, and again before it expires."""
        mark = (content.across.betas_as_of, (content.second or 0) // MINUTE)
        if self._shelf.mark(keys.PATTERNS, mark) or self._edited % REPEAT_CYCLES == 0:
            across = content.across
            document = followed.patterns_document(
                edition,
                content.shown,
                content.patterns,
                across.betas_as_of,
                across.betas_state_at(content.cycle.now),
            )
            self._put(found, keys.PATTERNS, edition, document, document.as_of)

    def _prices_are_worse(self, content: Content) -> bool:
        """Say whether movers that are out call a price better than it is; not each second."""
        edited, before = self._compared
        if self._edited - edited < MOVERS_CYCLES:
            return False
        return any(
            _WORSE[each.view.price.state] > _WORSE[before.get(each.symbol, State.ABSENT)]
            for each in content.shown
        )

    def _movers_document(
        self,
        found: dict[str, bytes],
        edition: Edition,
        content: Content,
        records: Sequence[SymbolRecord],
    ) -> Iterator[None]:
        """Compare every symbol with its own past: whenever scores were kept, or prices are late."""
        behind = content.behind_ms
        views = [late(each.view, behind) if behind else each.view for each in content.shown]
        states = {each.symbol: each.view.price.state for each in content.shown}
        self._compared = self._edited, states
        moved: list[MoverRecord] = []
        for each in mover_records(records, views, content.lanes, edition.cycle.now):
            if each is None:
                yield
            else:
                moved.append(each)
        kept = [lane.past.samples[-1][0] for lane in content.lanes.values() if lane.past.samples]
        document = movers_document(edition, moved, max(kept, default=None))
        yield
        self._put(found, keys.MOVERS, edition, document, document.as_of)
        yield

    def _compare_scores(self, lanes: Mapping[str, Lane]) -> bool:
        """Look for score movers anew when scores were kept since the last time; whether it did."""
        kept = {symbol: lane.past.samples for symbol, lane in lanes.items()}
        newest = max((each[-1][0] for each in kept.values() if each), default=None)
        alike = {symbol: lane.past.scored_alike_since for symbol, lane in lanes.items()}
        mark = (newest, alike, sum(lane.past.recalled for lane in lanes.values()))
        if not self._shelf.mark(keys.DASHBOARD, mark):
            return False
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
                self._shelf.put(found, keys.symbol_detail(make.name_of(symbol)), form)
                taken += self._spent() - began
                if is_its_turn:
                    made += 1
                    self._next_detail = number + 1
                yield
            lane = content.lanes.get(shown.symbol)
            again = (number + turn) % REPEAT_CYCLES == 0
            if lane is not None and (is_its_turn or again):
                yield from self._slow.edit(
                    found, edition, symbol, lane, fresh=is_its_turn, again=again
                )

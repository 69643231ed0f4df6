"""Routes of signals: the list, one with its steps, and what such signals were worth."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from fastapi import Path, Query, Request, Response

from virtuoso.domain.errors import StoreError, UnknownSymbolError
from virtuoso.domain.fees import NO_FEES, Fees
from virtuoso.domain.instruments import Symbol, parse_symbol
from virtuoso.domain.scores import Direction, Source
from virtuoso.domain.signals import OPEN, SignalFilter, SignalState
from virtuoso.domain.time import Millis
from virtuoso.ports import Archive, Clock
from virtuoso.web.answers import json_answer
from virtuoso.web.problems import ProblemError, unknown_place
from virtuoso.web.routes.api import Api, respond
from virtuoso.web.routes.parameters import SYMBOL_PATTERN, FromQuery, ToQuery
from virtuoso.web.series import span_of
from virtuoso.web.snapshot import Snapshot
from virtuoso.wire import keys
from virtuoso.wire.messages import to_json
from virtuoso.wire.records import iso
from virtuoso.wire.signals import (
    SignalCell,
    SignalDocument,
    SignalRecord,
    SignalsDocument,
    SignalsPage,
    SignalStatistics,
    fees_of,
    newest_candle,
    signal_record,
    step_of,
)

TAG: Final = "signals"
MOST: Final = 500
SIMULATED: Final = (Source.SIMULATOR,)
LIVE: Final = (Source.BYBIT, Source.BINANCE, Source.CCXT)
_STATE: Final = "|".join(SignalState)
_OPEN: Final = frozenset(each.value for each in OPEN)

Counter: TypeAlias = Callable[[SignalFilter], Awaitable[Sequence[SignalCell]]]
"""Counts stored signals. Raises StoreError."""

SymbolQuery: TypeAlias = Annotated[
    str | None,
    Query(
        description="Only of this symbol.",
        examples=["BTCUSDT"],
        json_schema_extra={"anyOf": [{"type": "string", "pattern": SYMBOL_PATTERN}]},
    ),
]
DirectionQuery: TypeAlias = Annotated[
    Literal["Bullish", "Bearish"] | None, Query(description="Only of this direction.")
]
SourceQuery: TypeAlias = Annotated[
    Literal["live", "simulator", "bybit", "binance", "ccxt"] | None,
    Query(
        description="Whose signals. Left out: as the board is, live ones or simulated ones; the "
        "two are never in one answer."
    ),
]
SignalPath: TypeAlias = Annotated[
    str,
    Path(
        description="Its id, as the list has it.",
        examples=["bybit:BTCUSDT:bull:1763596800000:abcdef012345"],
        max_length=160,
    ),
]


def add_signals(
    api: Api,
    snapshot: Snapshot,
    archive: Archive | None,
    clock: Clock,
    count: Counter | None,
    fees: Fees = NO_FEES,
) -> None:
    """Add the routes; without an archive they know only what the engine published.

    fees: by venue, what results are reckoned after; `count` takes off the same.
    """
    routes = _Routes(snapshot, archive, clock, count, fees)
    refusals = (422, 503)
    path = "/api/signals"
    api.get(path, routes.listing, SignalsPage, tag=TAG, errors=refusals, is_stored=True)
    path = "/api/signals/statistics"
    api.get(path, routes.statistics, SignalStatistics, tag=TAG, errors=refusals, is_stored=True)
    path = "/api/signals/{signal}"
    api.get(path, routes.one, SignalDocument, tag=TAG, errors=(404, *refusals), is_stored=True)


class _Routes:
    def __init__(
        self,
        snapshot: Snapshot,
        archive: Archive | None,
        clock: Clock,
        count: Counter | None,
        fees: Fees,
    ) -> None:
        self._fees = fees
        self._snapshot = snapshot
        self._archive = archive
        self._clock = clock
        self._count = count

    async def listing(
        self,
        request: Request,
        symbol: SymbolQuery = None,
        direction: DirectionQuery = None,
        state: Annotated[
            str | None,
            Query(
                pattern=f"^({_STATE})(,({_STATE}))*$",
                description="Only in these states, separated by commas.",
                examples=["active,confirmed"],
            ),
        ] = None,
        start: FromQuery = None,
        end: ToQuery = None,
        source: SourceQuery = None,
        limit: Annotated[int, Query(ge=1, le=MOST, description="Signals on a page.")] = 100,
        before: Annotated[
            str | None, Query(max_length=160, description="`next` of the page before.")
        ] = None,
    ) -> Response:
        """Signals, newest first, as they were said and with what became of them.

        Times are those at which they were opened. When the store cannot be read, those that the
        engine holds are given: all that are open and the last ones that ended.
        """
        wanted = self._wanted(symbol, direction, state, start, end, source)
        held = await self._held()
        reason = "signals are not stored here: [store] enabled"
        if self._archive is not None:
            try:
                found = await self._archive.signals(wanted, limit, before)
                lost = before is not None and not found and not await self._archive.signal(before)
            except StoreError:
                reason = "the store cannot be read: these are the open ones and the last that ended"
            else:
                if lost:
                    raise unknown_place()
                records = tuple(_newer(signal_record(each, self._fees), held) for each in found)
                last = found[-1].id if len(found) == limit else None
                return self._answer(request, self._page(records, wanted, last))
        if held is None:
            raise ProblemError(503, "no_signals", "Signals are not known at the moment.")
        some = [each for each in held.values() if _passes(each, wanted)]
        if before is not None:
            names = [each.id for each in some]
            some = some[names.index(before) + 1 :] if before in names else []
        page = self._page(tuple(some[:limit]), wanted, None)
        degraded = msgspec.structs.replace(
            page, status="degraded", data_source="cache", reasons=(reason,)
        )
        return self._answer(request, degraded)

    async def one(self, request: Request, signal: SignalPath) -> Response:
        """One signal: what was said, what followed, and every step of its life.

        Steps are written when they happen and never changed.
        """
        held = await self._held()
        known = None if held is None else held.get(signal)
        now = iso(self._clock.now())
        reasons: tuple[str, ...] = ("signals are not stored here: [store] enabled",)
        if self._archive is not None:
            try:
                found = await self._archive.signal(signal)
                steps = () if found is None else await self._archive.signal_events(signal)
            except StoreError:
                reasons = ("the store cannot be read: its steps are not known",)
            else:
                if found is None:
                    raise ProblemError(404, "unknown_signal", "There is no signal of this id.")
                record = _newer(signal_record(found, self._fees), held)
                document = SignalDocument(
                    status="success",
                    timestamp=now,
                    as_of=record.followed_to,
                    source=record.source,
                    data_source="store",
                    signal=record,
                    steps=tuple(step_of(each) for each in steps),
                )
                return self._answer(request, document)
        if held is None:
            raise ProblemError(503, "no_signals", "Signals are not known at the moment.")
        if known is None:
            raise ProblemError(404, "unknown_signal", "There is no signal of this id.")
        return self._answer(
            request,
            SignalDocument(
                status="degraded",
                timestamp=now,
                as_of=known.followed_to,
                source=known.source,
                data_source="cache",
                signal=known,
                steps=(),
                reasons=reasons,
            ),
        )

    async def statistics(
        self,
        request: Request,
        symbol: SymbolQuery = None,
        direction: DirectionQuery = None,
        start: FromQuery = None,
        end: ToQuery = None,
        source: SourceQuery = None,
    ) -> Response:
        """What became of signals: by symbol (`*`: all), direction and horizon, with every n.

        Rates are null with `too_few` under 30 signals or 10 days; their intervals are Wilson's on
        the effective number, those of means a bootstrap of whole days. Live and simulated signals
        are never counted together. `mean_r` is before any cost, `mean_r_after_fees` after the
        taker fee of each venue both ways.
        """
        wanted = self._wanted(symbol, direction, None, start, end, source)
        if self._count is None:
            raise ProblemError(503, "history_off", "History is switched off here: [store] enabled.")
        try:
            cells = await self._count(wanted)
        except StoreError as error:
            sentence = "Stored signals cannot be read now."
            raise ProblemError(503, "history_unavailable", sentence) from error
        return self._answer(
            request,
            SignalStatistics(
                status="success",
                timestamp=iso(self._clock.now()),
                sources=tuple(Source(each) for each in wanted.sources),
                data_source="store",
                since=wanted.since,
                cells=tuple(cells),
                fees=fees_of(self._fees),
                reasons=() if cells else ("no signal was kept then",),
            ),
        )

    def _wanted(
        self,
        symbol: str | None,
        direction: str | None,
        state: str | None,
        start: str | None,
        end: str | None,
        source: str | None,
    ) -> SignalFilter:
        since, until = span_of(start, end)
        return SignalFilter(
            sources=tuple(each.value for each in self._sources(source)),
            symbol=None if symbol is None else _symbol(symbol),
            direction=None if direction is None else Direction(direction),
            states=() if state is None else tuple(SignalState(each) for each in state.split(",")),
            since=None if since is None else Millis(since),
            until=None if until is None else Millis(until),
        )

    def _sources(self, text: str | None) -> tuple[Source, ...]:
        """Whose signals are meant: simulated ones or live ones, as the board is, or as asked."""
        if text == "live":
            return LIVE
        if text is not None:
            return (Source(text),)
        board = self._snapshot.follower.reader.board
        if board is None:
            return LIVE
        return LIVE if board.source in LIVE else (board.source,)

    async def _held(self) -> Mapping[str, SignalRecord] | None:
        """What the engine holds, by id, newest first; None when it is not known."""
        served = await self._snapshot.follower.document(keys.SIGNALS)
        try:
            document = msgspec.json.decode(served.body, type=SignalsDocument)
        except msgspec.MsgspecError:
            return None
        return {each.id: each for each in document.signals}

    def _page(
        self, records: tuple[SignalRecord, ...], wanted: SignalFilter, last: str | None
    ) -> SignalsPage:
        return SignalsPage(
            status="success",
            timestamp=iso(self._clock.now()),
            as_of=newest_candle(records),
            sources=tuple(Source(each) for each in wanted.sources),
            data_source="store",
            signals=records,
            next=last,
        )

    def _answer(self, request: Request, document: msgspec.Struct) -> Response:
        return respond(request, json_answer(to_json(document)))


def _newer(stored: SignalRecord, held: Mapping[str, SignalRecord] | None) -> SignalRecord:
    """Give an open signal as the engine has it: it writes progress down each five minutes only."""
    now = None if held is None or stored.state not in _OPEN else held.get(stored.id)
    if now is None or (now.followed_to or 0) < (stored.followed_to or 0):
        return stored
    return now


def _passes(each: SignalRecord, wanted: SignalFilter) -> bool:
    return (
        each.source in wanted.sources
        and wanted.symbol in {None, each.symbol}
        and wanted.direction in {None, each.direction}
        and (not wanted.states or each.state in wanted.states)
        and (wanted.since is None or each.opened_at >= wanted.since)
        and (wanted.until is None or each.opened_at < wanted.until)
    )


def _symbol(text: str) -> Symbol:
    try:
        return parse_symbol(text)
    except UnknownSymbolError as error:
        sentence = "Expected a symbol such as BTCUSDT: capitals and digits."
        raise ProblemError(400, "impossible_symbol", sentence) from error

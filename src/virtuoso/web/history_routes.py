"""The past, read from the store: scores of a symbol, the board of any instant, derivatives.

Every read has a deadline and threads of its own; what cannot be read is a 503 that says so.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import msgspec
from fastapi import Query, Request, Response

from virtuoso.domain.errors import StoreError, UnknownSymbolError
from virtuoso.domain.instruments import Symbol, parse_symbol
from virtuoso.domain.scores import Source
from virtuoso.domain.time import DAY, MINUTE, SECOND, Millis
from virtuoso.ports import Archive, Clock
from virtuoso.web.answers import Answer, header
from virtuoso.web.export import OTHER_FORMS, About, Format, Row, chosen, exported
from virtuoso.web.problems import ProblemError
from virtuoso.web.routes.api import Api, respond
from virtuoso.web.routes.parameters import (
    STEPS,
    FormatQuery,
    FromQuery,
    InstantQuery,
    ResolutionQuery,
    SourcesQuery,
    SymbolPath,
    ToQuery,
)
from virtuoso.web.snapshot import JSON, Snapshot
from virtuoso.wire import history as wire
from virtuoso.wire.board import COMPONENT_ORDER
from virtuoso.wire.messages import to_json
from virtuoso.wire.records import iso, millis_of

TAG: Final = "history"
MOST_POINTS: Final = 2_000
"""Of an answer whose resolution nobody chose."""
MOST_RAW: Final = 50_000
LONGEST_MS: Final = 3_660 * DAY
WITHIN: Final = (90 * SECOND, 6 * MINUTE, 65 * MINUTE)
"""How far back a board's rows may lie: as they were written, thinned out once, and twice."""
SIMULATED: Final = (Source.SIMULATOR,)
LIVE: Final = (Source.BYBIT, Source.BINANCE, Source.CCXT)
TIMES: Final = frozenset({"time", "row_as_of", "settled_at", "open_interest_as_of", "ratio_as_of"})
"""Columns of milliseconds in a file."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Span:
    """What of the past is asked for."""

    archive: Archive
    sources: tuple[Source, ...]
    first: int
    last: int
    step: int


def add_history(api: Api, snapshot: Snapshot, archive: Archive | None, clock: Clock) -> None:
    """Add the routes of the past; without an archive they say that history is off."""
    routes = _Routes(snapshot, archive, clock)
    of_symbol = "/api/symbols/{symbol}"
    for path, handler, kind in (
        (f"{of_symbol}/scores/history", routes.scores, wire.StoredScoresDocument),
        (f"{of_symbol}/derivatives/history", routes.derivatives, wire.DerivativesHistoryDocument),
        ("/api/history/board", routes.board, wire.RecordedBoard),
        ("/api/history/overview", routes.overview, wire.RecordedOverviewDocument),
    ):
        api.get(path, handler, kind, tag=TAG, errors=(406, 422, 503), other_forms=OTHER_FORMS)


class _Routes:
    def __init__(self, snapshot: Snapshot, archive: Archive | None, clock: Clock) -> None:
        self._snapshot = snapshot
        self._archive = archive
        self._clock = clock

    async def scores(
        self,
        request: Request,
        symbol: SymbolPath,
        start: FromQuery = None,
        end: ToQuery = None,
        resolution: ResolutionQuery = "",
        source: SourcesQuery = "",
        components: Annotated[  # noqa: FBT002 - a parameter of the address
            bool, Query(description="With the six components and what each added.")
        ] = False,
        form: Annotated[FormatQuery, Query(alias="format")] = None,
    ) -> Response:
        """Scores of a symbol from the store, of the last day when no time is asked for."""
        wanted = self._symbol(symbol)
        span = self._span(start, end, resolution, source)
        length, step = span.last - span.first, span.step
        if not step and length > MOST_RAW * 30 * SECOND:
            raise ProblemError(400, "too_long", "Every row is given for 17 days at most.")
        among = (wanted, span.sources, span.first, span.last)
        gaps = await _read(span.archive.gaps(*among))
        rows = None
        if components:
            if step and length / step > MOST_POINTS:
                raise ProblemError(
                    400, "too_many", f"Components are given for {MOST_POINTS:,} points at most."
                )
            rows = await _read(
                span.archive.scores(*among, step_ms=step, components=True, limit=MOST_POINTS)
            )
            marks: Sequence[tuple[Millis, float | None, str]] = [
                (each.at, each.score, each.definition) for each in rows
            ]
        else:
            marks = await _read(span.archive.marks(*among, step))
        document = wire.StoredScoresDocument(
            **self._about(span, marks, f"nothing was recorded of {wanted} then"),
            symbol=wanted,
            points=wire.score_points(marks),
            components=None if rows is None else wire.component_points(rows),
            definitions=wire.definitions_of(marks),
            gaps=tuple(wire.gap_of(each) for each in gaps),
        )
        return await self._answer(
            request, form, document, _score_rows(document), f"{wanted}-scores"
        )

    async def board(
        self,
        request: Request,
        at: InstantQuery,
        source: SourcesQuery = "",
        form: Annotated[FormatQuery, Query(alias="format")] = None,
    ) -> Response:
        """The board as it was at any instant that was recorded."""
        archive, sources, instant = self._archive_or_say(), self._sources(source), _instant(at)
        for within in WITHIN:
            rows = await _read(archive.board(instant, sources, within))
            if rows:
                break
        market = await _read(archive.overview(sources, instant - within + 1, instant + 1))
        now = self._clock.now()
        document = wire.recorded_board(instant, now, sources, rows, market[-1] if market else None)
        return await self._answer(request, form, document, _plain(document.symbols), "board")

    async def overview(
        self,
        request: Request,
        start: FromQuery = None,
        end: ToQuery = None,
        resolution: ResolutionQuery = "",
        source: SourcesQuery = "",
        form: Annotated[FormatQuery, Query(alias="format")] = None,
    ) -> Response:
        """The market as a whole over time, from the store."""
        span = self._span(start, end, resolution, source)
        rows = await _read(span.archive.overview(span.sources, span.first, span.last, span.step))
        document = wire.RecordedOverviewDocument(
            **self._about(span, rows, "nothing was recorded then"),
            points=tuple(wire.recorded_overview(each) for each in rows),
        )
        return await self._answer(request, form, document, _plain(document.points), "overview")

    async def derivatives(
        self,
        request: Request,
        symbol: SymbolPath,
        start: FromQuery = None,
        end: ToQuery = None,
        resolution: ResolutionQuery = "",
        source: SourcesQuery = "",
        form: Annotated[FormatQuery, Query(alias="format")] = None,
    ) -> Response:
        """Funding, open interest, account ratio, mark and index of a symbol over time."""
        wanted = self._symbol(symbol)
        span = self._span(start, end, resolution, source)
        rows = await _read(
            span.archive.derivatives(wanted, span.sources, span.first, span.last, span.step)
        )
        document = wire.DerivativesHistoryDocument(
            **self._about(span, rows, f"nothing was recorded of {wanted} then"),
            symbol=wanted,
            points=tuple(wire.derivatives_point(each) for each in rows),
        )
        name = f"{wanted}-derivatives"
        return await self._answer(request, form, document, _plain(document.points), name)

    def _about(self, span: _Span, rows: Sequence[object], nothing: str) -> wire.AboutPast:
        return wire.AboutPast(
            status="success" if rows else "degraded",
            timestamp=iso(self._clock.now()),
            sources=span.sources,
            data_source="store",
            start=span.first,
            end=span.last,
            step_ms=span.step,
            reasons=() if rows else (nothing,),
        )

    def _archive_or_say(self) -> Archive:
        if self._archive is None:
            raise ProblemError(503, "history_off", "History is switched off here: [store] enabled.")
        return self._archive

    def _symbol(self, text: str) -> Symbol:
        try:
            return parse_symbol(text)
        except UnknownSymbolError as error:
            sentence = "Expected a symbol such as BTCUSDT: capitals and digits."
            raise ProblemError(400, "impossible_symbol", sentence) from error

    def _sources(self, text: str) -> tuple[Source, ...]:
        """Whose rows are meant: simulated ones or live ones, as the board is, or as asked."""
        if text in {Source.SIMULATOR.value, "live"}:
            return SIMULATED if text == Source.SIMULATOR else LIVE
        if text:
            try:
                return (Source(text),)
            except ValueError as error:
                names = ", ".join(("live", *Source))
                raise ProblemError(
                    400, "unknown_source", f"Expected a source out of {names}."
                ) from error
        board = self._snapshot.follower.reader.board
        return SIMULATED if board is not None and board.source is Source.SIMULATOR else LIVE

    def _span(self, start: str | None, end: str | None, resolution: str, source: str) -> _Span:
        archive, sources = self._archive_or_say(), self._sources(source)
        last = _instant(end) if end is not None else self._clock.now() + 1
        first = _instant(start) if start is not None else last - DAY
        if not 0 < last - first <= LONGEST_MS:
            raise ProblemError(
                400, "impossible_span", "Expected `from` before `to`, at most ten years apart."
            )
        return _Span(archive, sources, first, last, _step(resolution, last - first))

    async def _answer(
        self,
        request: Request,
        form: str | None,
        document: wire.Past,
        rows: Sequence[Row],
        name: str,
    ) -> Response:
        wanted = chosen(form, header(request.scope["headers"], b"accept"))
        if wanted is Format.JSON:
            answer = Answer(to_json(document), JSON, cache_control="no-store", gzip_on_demand=True)
            return respond(request, answer)
        of_all = "+".join(dict.fromkeys(document.sources))
        newest = max((row["time"] for row in rows), default=None)
        about = About(name, of_all, newest, document.status, TIMES, past=True)
        columns = tuple(rows[0]) if rows else ("time",)
        return respond(request, await exported(wanted, columns, rows, about))


def _score_rows(document: wire.StoredScoresDocument) -> list[Row]:
    """Points as a file has them, one column for each number."""
    if document.components is None:
        return [{"time": each.at, "score": each.score} for each in document.points]
    found = []
    for point, parts in zip(document.points, document.components, strict=True):
        row: Row = {"time": point.at, "score": point.score}
        row |= dict(zip(COMPONENT_ORDER, parts.scores, strict=True))
        names = (f"{name}_points" for name in COMPONENT_ORDER)
        row |= dict(zip(names, parts.points, strict=True))
        found.append(row | {"confidence": parts.confidence, "coverage": parts.coverage})
    return found


def _plain(points: Sequence[msgspec.Struct]) -> list[Row]:
    """Records as a file has them: what is inside of one stands beside it, under both names."""
    return [_flat(msgspec.to_builtins(each)) for each in points]


def _flat(record: Mapping[str, Any]) -> Row:
    row: Row = {"time": record["at"]}
    for name, value in record.items():
        if name == "absent":
            row[name] = " ".join(f"{part}={why}" for part, why in sorted(value.items()))
        elif isinstance(value, dict):
            row |= {f"{name}_{part}": each for part, each in value.items()}
        elif name == "source":
            row["row_source"] = value
        elif name == "as_of":
            row["row_as_of"] = value
        elif name != "at":
            row[name] = value
    return row


async def _read(asked: Awaitable[T]) -> T:
    try:
        return await asked
    except StoreError as error:
        sentence = "History cannot be read now; the board of now does not need it."
        raise ProblemError(503, "history_unavailable", sentence) from error


def _instant(text: str) -> int:
    try:
        # a plus in an address is a space
        found = millis_of(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
    except (ValueError, OverflowError) as error:
        raise ProblemError(
            400, "impossible_time", "Expected a time as 2026-07-19T12:00:00Z (ISO 8601, UTC)."
        ) from error
    if not 0 <= found < 32_503_680_000_000:
        raise ProblemError(400, "impossible_time", "Expected a time after 1970 and before 3000.")
    return found


def _step(text: str, span_ms: int) -> int:
    """Read a resolution; `auto`, or none: the finest that gives no more than MOST_POINTS."""
    if text in {"", "auto"}:
        fitting = [step for step in STEPS.values() if step and span_ms / step <= MOST_POINTS]
        return min(fitting, default=DAY)
    if text not in STEPS:
        names = ", ".join(("auto", *STEPS))
        raise ProblemError(400, "unknown_resolution", f"Expected a resolution out of {names}.")
    return STEPS[text]

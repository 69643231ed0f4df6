"""The past, read from the store: scores of a symbol, the board of any instant, derivatives.

Every read has a deadline and threads of its own; what cannot be read is a 503 that says so.
"""

from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar

import msgspec
from fastapi import FastAPI, Query, Request, Response

from virtuoso.domain.errors import StoreError, UnknownSymbolError
from virtuoso.domain.instruments import Symbol, parse_symbol
from virtuoso.domain.scores import Source
from virtuoso.domain.time import DAY, HOUR, MINUTE, SECOND, Millis
from virtuoso.ports import Archive, Clock
from virtuoso.web.answers import Answer, header
from virtuoso.web.problems import ProblemError
from virtuoso.web.snapshot import JSON, Snapshot
from virtuoso.wire import history as wire
from virtuoso.wire.messages import to_json
from virtuoso.wire.records import iso, millis_of

READ: Final = ["GET", "HEAD"]
MOST_POINTS: Final = 2_000
"""Of an answer whose resolution nobody chose."""
MOST_RAW: Final = 50_000
LONGEST_MS: Final = 3_660 * DAY
STEPS: Final = {
    "raw": 0,
    "30s": 30 * SECOND,
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "4h": 4 * HOUR,
    "1d": DAY,
}
WITHIN: Final = (90 * SECOND, 6 * MINUTE, 65 * MINUTE)
"""How far back a board's rows may lie: as they were written, thinned out once, and twice."""
SIMULATED: Final = (Source.SIMULATOR,)
LIVE: Final = (Source.BYBIT, Source.BINANCE, Source.CCXT)

T = TypeVar("T")


def add_history(app: FastAPI, snapshot: Snapshot, archive: Archive | None, clock: Clock) -> None:
    """Add the routes of the past; without an archive they say that history is off."""
    routes = _Routes(snapshot, archive, clock)
    for path, handler in (
        ("/api/symbols/{symbol}/scores/history", routes.scores),
        ("/api/symbols/{symbol}/derivatives/history", routes.derivatives),
        ("/api/history/board", routes.board),
        ("/api/history/overview", routes.overview),
    ):
        app.add_api_route(path, handler, methods=READ, response_model=None, include_in_schema=False)


class _Routes:
    def __init__(self, snapshot: Snapshot, archive: Archive | None, clock: Clock) -> None:
        self._snapshot = snapshot
        self._archive = archive
        self._clock = clock

    async def scores(
        self,
        request: Request,
        symbol: str,
        start: str = Query("", alias="from", max_length=40),
        end: str = Query("", alias="to", max_length=40),
        resolution: str = Query("", max_length=10),
        source: str = Query("", max_length=20),
        components: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
    ) -> Response:
        """Scores of a symbol, of the last day when no time is asked for."""
        wanted = self._symbol(symbol)
        archive, sources = self._archive_or_say(), self._sources(source)
        first, last = self._span(start, end)
        step = _step(resolution, last - first)
        if not step and last - first > MOST_RAW * 30 * SECOND:
            raise ProblemError(400, "too_long", "Every row is given for 17 days at most.")
        gaps = await _read(archive.gaps(wanted, sources, first, last))
        rows = None
        if components:
            if step and (last - first) / step > MOST_POINTS:
                raise ProblemError(
                    400, "too_many", f"Components are given for {MOST_POINTS:,} points at most."
                )
            rows = await _read(
                archive.scores(
                    wanted,
                    sources,
                    first,
                    last,
                    step_ms=step,
                    components=True,
                    limit=MOST_POINTS,
                )
            )
            marks: Sequence[tuple[Millis, float | None, str]] = [
                (each.at, each.score, each.definition) for each in rows
            ]
        else:
            marks = await _read(archive.marks(wanted, sources, first, last, step))
        reasons = () if marks else (f"nothing was recorded of {wanted} then",)
        return self._answer(
            request,
            wire.StoredScoresDocument(
                status="success" if marks else "degraded",
                timestamp=iso(self._clock.now()),
                sources=sources,
                data_source="store",
                symbol=wanted,
                start=first,
                end=last,
                step_ms=step,
                points=wire.score_points(marks),
                components=None if rows is None else wire.component_points(rows),
                definitions=wire.definitions_of(marks),
                gaps=tuple(wire.gap_of(each) for each in gaps),
                reasons=reasons,
            ),
        )

    async def board(
        self,
        request: Request,
        at: str = Query(max_length=40),
        source: str = Query("", max_length=20),
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
        return self._answer(request, document)

    async def overview(
        self,
        request: Request,
        start: str = Query("", alias="from", max_length=40),
        end: str = Query("", alias="to", max_length=40),
        resolution: str = Query("", max_length=10),
        source: str = Query("", max_length=20),
    ) -> Response:
        """The market as a whole over time."""
        archive, sources = self._archive_or_say(), self._sources(source)
        first, last = self._span(start, end)
        step = _step(resolution, last - first)
        rows = await _read(archive.overview(sources, first, last, step))
        return self._answer(
            request,
            wire.RecordedOverviewDocument(
                status="success" if rows else "degraded",
                timestamp=iso(self._clock.now()),
                sources=sources,
                data_source="store",
                start=first,
                end=last,
                step_ms=step,
                points=tuple(wire.recorded_overview(each) for each in rows),
                reasons=() if rows else ("nothing was recorded then",),
            ),
        )

    async def derivatives(
        self,
        request: Request,
        symbol: str,
        start: str = Query("", alias="from", max_length=40),
        end: str = Query("", alias="to", max_length=40),
        resolution: str = Query("", max_length=10),
        source: str = Query("", max_length=20),
    ) -> Response:
        """Funding, open interest, account ratio, mark and index of a symbol over time."""
        wanted = self._symbol(symbol)
        archive, sources = self._archive_or_say(), self._sources(source)
        first, last = self._span(start, end)
        step = _step(resolution, last - first)
        rows = await _read(archive.derivatives(wanted, sources, first, last, step))
        return self._answer(
            request,
            wire.DerivativesHistoryDocument(
                status="success" if rows else "degraded",
                timestamp=iso(self._clock.now()),
                sources=sources,
                data_source="store",
                symbol=wanted,
                start=first,
                end=last,
                step_ms=step,
                points=tuple(wire.derivatives_point(each) for each in rows),
                reasons=() if rows else (f"nothing was recorded of {wanted} then",),
            ),
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

    def _span(self, start: str, end: str) -> tuple[int, int]:
        last = _instant(end) if end else self._clock.now() + 1
        first = _instant(start) if start else last - DAY
        if not 0 < last - first <= LONGEST_MS:
            raise ProblemError(
                400, "impossible_span", "Expected `from` before `to`, at most ten years apart."
            )
        return first, last

    def _answer(self, request: Request, document: msgspec.Struct) -> Response:
        body = to_json(document)
        answer = Answer(body, JSON, cache_control="no-store", gzip_on_demand=True)
        return _respond(request, answer)


def _respond(request: Request, answer: Answer) -> Response:
    pairs = request.scope["headers"]
    status, headers, body = answer.choose(
        header(pairs, b"accept-encoding"), header(pairs, b"if-none-match")
    )
    response = Response(body, status)
    response.raw_headers = list(headers)
    return response


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

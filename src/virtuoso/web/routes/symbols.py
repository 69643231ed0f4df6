"""Routes of the symbols: the list, and one symbol's documents."""

from collections.abc import Callable
from typing import Annotated, Final, Literal

import msgspec
from fastapi import Query, Request, Response

from virtuoso.domain.errors import UnknownSymbolError
from virtuoso.domain.instruments import Symbol, parse_symbol
from virtuoso.domain.time import Timeframe
from virtuoso.web.answers import Answer, header, json_answer
from virtuoso.web.export import OTHER_FORMS, About, Format, chosen, exported
from virtuoso.web.lists import (
    DEFAULT_PER_PAGE,
    FIELDS,
    MOST_PER_PAGE,
    SortKey,
    SymbolsBody,
    Wanted,
    columns_of,
    flat,
    matching,
    page_of,
)
from virtuoso.web.problems import ProblemError
from virtuoso.web.routes.api import Api, respond
from virtuoso.web.routes.parameters import (
    FormatQuery,
    FromQuery,
    LimitQuery,
    SymbolPath,
    TimeframeQuery,
    ToQuery,
)
from virtuoso.web.series import Cut, Series, answer, span_of
from virtuoso.web.snapshot import Snapshot
from virtuoso.wire import keys
from virtuoso.wire.charts import CandlesDocument, ScoreHistoryDocument
from virtuoso.wire.details import SymbolDetail
from virtuoso.wire.lists import SymbolsPage
from virtuoso.wire.market import (
    DerivativesDocument,
    LiquidationsDocument,
    OrderBookDocument,
    TradesDocument,
)

TAG: Final = "symbols"
OF_ONE: Final = (304, 404, 422, 503)
OF_SERIES: Final = (304, 404, 406, 422, 503)

_BARS = ("time", "open", "high", "low", "close", "volume")
CANDLES: Final = Series("candles", _BARS)
SCORES: Final = Series("points", ("time", "score"))
TRADES: Final = Series(
    "trades",
    ("time", "price", "quantity", "side", "notional", "id"),
    is_array=False,
    newest_first=True,
)
LIQUIDATIONS: Final = Series(
    "liquidations",
    ("time", "price", "quantity", "side", "notional"),
    is_array=False,
    newest_first=True,
)
OF_DERIVATIVES: Final = {
    "funding": Series("funding_history", ("time", "rate", "interval_hours")),
    "open_interest": Series("open_interest_history", ("time", "contracts")),
    "ratio": Series("ratio_history", ("time", "long_share", "short_share")),
}

_FIELD = "|".join(FIELDS)


class Symbols:
    """Finds symbols and their documents for the routes."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._decoded: tuple[bytes, SymbolsBody] | None = None

    def known(self, text: str) -> Symbol:
        """Read a symbol and find it on the board. Raises ProblemError."""
        try:
            symbol = parse_symbol(text)
        except UnknownSymbolError as error:
            sentence = "Expected a symbol such as BTCUSDT: capitals and digits."
            raise ProblemError(400, "impossible_symbol", sentence) from error
        board = self._snapshot.follower.reader.board
        if board is not None and all(each.symbol != symbol for each in board.symbols):
            raise ProblemError(404, "unknown_symbol", f"{symbol} is not among the symbols watched.")
        return symbol

    def listing(self) -> tuple[Answer, SymbolsBody | None]:
        """The published list, decoded once however many ask for parts of it."""
        whole = self._snapshot.hot(keys.SYMBOLS)
        if whole.status != 200:
            return whole, None
        if self._decoded is None or self._decoded[0] is not whole.body:
            body = msgspec.json.decode(whole.body, type=SymbolsBody)
            self._decoded = whole.body, body
        return whole, self._decoded[1]


def add_symbols(api: Api, snapshot: Snapshot, symbols: Symbols) -> None:
    """Add the list of symbols and the documents of one."""

    async def listing(
        request: Request,
        direction: Annotated[
            Literal["Bullish", "Bearish", "Neutral"] | None, Query(description="Of the score.")
        ] = None,
        min_score: Annotated[
            float | None,
            Query(ge=0, le=100, allow_inf_nan=False, description="Least score, 0..100."),
        ] = None,
        max_score: Annotated[
            float | None,
            Query(ge=0, le=100, allow_inf_nan=False, description="Largest score, 0..100."),
        ] = None,
        min_volume: Annotated[
            float | None,
            Query(
                ge=0,
                allow_inf_nan=False,
                description="Least 24 h turnover in quote currency; an unknown one does not pass.",
                examples=[1_000_000],
            ),
        ] = None,
        text: Annotated[
            str | None,
            Query(
                alias="q",
                pattern="^[A-Za-z0-9:/_-]{1,30}$",
                description="Part of a symbol's name.",
                examples=["BTC"],
            ),
        ] = None,
        fields: Annotated[
            str | None,
            Query(
                pattern=f"^({_FIELD})(,({_FIELD}))*$",
                description="Fields of a record to send, separated by commas; `symbol` always is.",
                examples=["symbol,confluence_score,direction,price"],
            ),
        ] = None,
        sort: Annotated[
            SortKey | None, Query(description="A minus sorts the largest first; null is last.")
        ] = None,
        page: Annotated[int, Query(ge=1, le=100_000, description="Counted from 1.")] = 1,
        per_page: Annotated[
            int, Query(ge=1, le=MOST_PER_PAGE, description="Symbols on a page.")
        ] = DEFAULT_PER_PAGE,
        form: Annotated[FormatQuery, Query(alias="format")] = None,
    ) -> Response:
        """All symbols with score, components and price. With parameters: filtered, sorted, paged.

        Without parameters the document is that of the cache key `virtuoso:symbols`, byte for byte.
        """
        asked = chosen(form, header(request.scope["headers"], b"accept"))
        whole, body = symbols.listing()
        if body is None or (asked is Format.JSON and not request.scope["query_string"]):
            return respond(request, whole)
        wanted = Wanted(
            direction=direction,
            min_score=min_score,
            max_score=max_score,
            min_volume=min_volume,
            text=text,
            fields=tuple(fields.split(",")) if fields else (),
            sort=sort,
            page=page,
            per_page=per_page,
        )
        if asked is Format.JSON:
            return respond(request, json_answer(page_of(body, wanted)))
        about = About("symbols", body.source, body.as_of, body.status)
        rows = [flat(each) for each in matching(body.symbols, wanted)]
        return respond(request, await exported(asked, columns_of(wanted.fields), rows, about))

    async def detail(request: Request, symbol: SymbolPath) -> Response:
        """One symbol's score taken apart: components, members, confidence, lenses, gaps."""
        return respond(request, await snapshot.document(keys.symbol_detail(symbols.known(symbol))))

    api.get(
        "/api/symbols",
        listing,
        SymbolsPage,
        tag=TAG,
        errors=(304, 406, 422, 503),
        other_forms=OTHER_FORMS,
    )
    api.get("/api/symbols/{symbol}", detail, SymbolDetail, tag=TAG, errors=OF_ONE)
    _add_series(api, snapshot, symbols)
    _add_looked_at(api, snapshot, symbols)


def cut_of(
    request: Request,
    form: str | None,
    start: str | None = None,
    end: str | None = None,
    limit: int | None = None,
) -> Cut:
    """What a request wants of a series. Raises ProblemError."""
    first, last = span_of(start, end)
    return Cut(
        form=chosen(form, header(request.scope["headers"], b"accept")),
        start=first,
        end=last,
        limit=limit,
    )


def _add_series(api: Api, snapshot: Snapshot, symbols: Symbols) -> None:
    async def candles(
        request: Request,
        symbol: SymbolPath,
        timeframe: TimeframeQuery = "5m",
        start: FromQuery = None,
        end: ToQuery = None,
        limit: LimitQuery = None,
        form: Annotated[FormatQuery, Query(alias="format")] = None,
    ) -> Response:
        """Closed candles of one timeframe, oldest first, with the holes in them."""
        try:
            chosen_timeframe = Timeframe(timeframe)
        except ValueError as error:
            names = ", ".join(Timeframe)
            raise ProblemError(
                400, "unknown_timeframe", f"Expected a timeframe out of {names}."
            ) from error
        cut = cut_of(request, form, start, end, limit)
        name = symbols.known(symbol)
        whole = await snapshot.document(keys.candles(name, chosen_timeframe))
        file = f"{name}-candles-{chosen_timeframe}"
        return respond(request, await answer(whole, CANDLES, cut, file))

    async def scores(
        request: Request,
        symbol: SymbolPath,
        start: FromQuery = None,
        end: ToQuery = None,
        limit: LimitQuery = None,
        form: Annotated[FormatQuery, Query(alias="format")] = None,
    ) -> Response:
        """Kept scores of this run, one each 10 s, oldest first; null where there was none."""
        cut = cut_of(request, form, start, end, limit)
        name = symbols.known(symbol)
        whole = await snapshot.document(keys.score_history(name))
        return respond(request, await answer(whole, SCORES, cut, f"{name}-scores"))

    path = "/api/symbols/{symbol}"
    for tail, handler, kind in (
        ("/candles", candles, CandlesDocument),
        ("/scores", scores, ScoreHistoryDocument),
    ):
        api.get(path + tail, handler, kind, tag=TAG, errors=OF_SERIES, other_forms=OTHER_FORMS)


def _add_looked_at(api: Api, snapshot: Snapshot, symbols: Symbols) -> None:
    async def looked_at(text: str, key: Callable[[Symbol], str]) -> tuple[Symbol, Answer]:
        symbol = symbols.known(text)
        return symbol, await snapshot.looked_at(key(symbol), symbol)

    async def order_book(request: Request, symbol: SymbolPath) -> Response:
        """The order book: the best 50 levels a side, spread, depth, and what taking it costs.

        Made for symbols somebody looks at: the first look waits up to 0.3 s for it.
        """
        return respond(request, (await looked_at(symbol, keys.order_book))[1])

    async def trades(
        request: Request,
        symbol: SymbolPath,
        limit: LimitQuery = None,
        form: Annotated[FormatQuery, Query(alias="format")] = None,
    ) -> Response:
        """The last market trades, newest first; the side is the taker's."""
        cut = cut_of(request, form, limit=limit)
        name, whole = await looked_at(symbol, keys.trades)
        return respond(request, await answer(whole, TRADES, cut, f"{name}-trades"))

    async def liquidations(
        request: Request,
        symbol: SymbolPath,
        limit: LimitQuery = None,
        form: Annotated[FormatQuery, Query(alias="format")] = None,
    ) -> Response:
        """The last liquidations, newest first; the side is that of the position liquidated."""
        cut = cut_of(request, form, limit=limit)
        name, whole = await looked_at(symbol, keys.liquidations)
        return respond(request, await answer(whole, LIQUIDATIONS, cut, f"{name}-liquidations"))

    async def derivatives(
        request: Request,
        symbol: SymbolPath,
        series: Annotated[
            Literal["funding", "open_interest", "ratio"],
            Query(description="Which history a file holds; JSON has all three."),
        ] = "funding",
        form: Annotated[FormatQuery, Query(alias="format")] = None,
    ) -> Response:
        """Mark, index and basis, open interest, funding, account ratio, with their histories."""
        cut = cut_of(request, form)
        name, whole = await looked_at(symbol, keys.derivatives)
        return respond(
            request, await answer(whole, OF_DERIVATIVES[series], cut, f"{name}-{series}")
        )

    path = "/api/symbols/{symbol}"
    api.get(f"{path}/orderbook", order_book, OrderBookDocument, tag=TAG, errors=OF_ONE)
    for tail, handler, kind in (
        ("/trades", trades, TradesDocument),
        ("/liquidations", liquidations, LiquidationsDocument),
        ("/derivatives", derivatives, DerivativesDocument),
    ):
        api.get(path + tail, handler, kind, tag=TAG, errors=OF_SERIES, other_forms=OTHER_FORMS)

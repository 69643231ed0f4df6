"""Routes of the market as a whole: overview, movers, Bitcoin betas and their matrix."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from fastapi import Query, Request, Response

from virtuoso.domain.instruments import Symbol
from virtuoso.web.answers import Answer, json_answer
from virtuoso.web.movers import MOST, Window, movers_of
from virtuoso.web.problems import ProblemError
from virtuoso.web.routes.api import Api, respond
from virtuoso.web.routes.parameters import VolumeQuery
from virtuoso.web.routes.symbols import Symbols
from virtuoso.web.snapshot import Snapshot
from virtuoso.web.views import overview_of
from virtuoso.wire import keys
from virtuoso.wire.beta import BetaMatrixDocument, BitcoinBetaDocument
from virtuoso.wire.lists import MoversAnswer
from virtuoso.wire.overview import OverviewDocument
from virtuoso.wire.patterns import PatternsDocument

TAG: Final = "market"
OVERVIEW_PATHS: Final = (
    "/api/market/overview",
    "/api/dashboard/market-overview",
    "/market-overview",
)


def add_market(api: Api, snapshot: Snapshot, symbols: Symbols) -> None:
    """Add what is said of all symbols together."""

    async def overview(request: Request) -> Response:
        """The market as a whole: regime, trend, volatility, BTC's share of turnover, breadth."""
        return respond(request, snapshot.view("overview", keys.DASHBOARD, overview_of))

    async def movers(
        request: Request,
        window: Annotated[
            Window,
            Query(description="Prices: 5m to 24h. Scores: 5m to 4h, or observed: since the start."),
        ] = "24h",
        min_volume: VolumeQuery = 0.0,
        limit: Annotated[int, Query(ge=1, le=MOST, description="Of each list.")] = 5,
    ) -> Response:
        """Who moved most over a window, by price and by score."""
        whole = await snapshot.document(keys.MOVERS)
        if whole.status != 200:
            return respond(request, whole)
        return respond(request, json_answer(movers_of(whole.body, window, min_volume, limit)))

    async def betas(request: Request) -> Response:
        """Every symbol against Bitcoin: beta, correlation, R2, residual, lead or lag."""
        return respond(request, await snapshot.document(keys.BITCOIN_BETA))

    async def matrix(
        request: Request,
        wanted: Annotated[
            str | None,
            Query(
                alias="symbols",
                description="Symbols to keep, separated by commas; without it all.",
                examples=["BTCUSDT,ETHUSDT"],
                json_schema_extra={
                    "anyOf": [{"type": "string", "pattern": "^[A-Z0-9]{2,30}(,[A-Z0-9]{2,30})*$"}]
                },
            ),
        ] = None,
    ) -> Response:
        """How alike the most traded symbols move, each with each."""
        whole = await snapshot.document(keys.BITCOIN_BETA_MATRIX)
        if whole.status != 200 or wanted is None:
            return respond(request, whole)
        names = [symbols.known(each) for each in wanted.split(",")]
        return respond(request, cut_matrix(whole, names))

    async def patterns(request: Request) -> Response:
        """What the scans say of each symbol: found, not found, or not known and why.

        Correlation breakdown, beta expansion and compression, residual breakout, and agreement of
        the timeframes. `record` of each kind says what was measured of what followed: nothing yet.
        """
        return respond(request, await snapshot.document(keys.PATTERNS))

    of_any = (304, 422, 503)
    api.get("/api/patterns", patterns, PatternsDocument, tag=TAG, errors=(304, 503))
    api.get(OVERVIEW_PATHS, overview, OverviewDocument, tag=TAG, errors=(304, 503))
    api.get("/api/market/movers", movers, MoversAnswer, tag=TAG, errors=of_any)
    api.get("/api/bitcoin-beta", betas, BitcoinBetaDocument, tag=TAG, errors=(304, 503))
    api.get("/api/bitcoin-beta/matrix", matrix, BetaMatrixDocument, tag=TAG, errors=(404, *of_any))


def cut_matrix(whole: Answer, wanted: Sequence[Symbol]) -> Answer:
    """Leave of a matrix the rows and columns of some symbols, in the order asked for."""
    document = msgspec.json.decode(whole.body, type=dict[str, Any])
    places = {symbol: place for place, symbol in enumerate(document["symbols"])}
    absent = [each for each in wanted if each not in places]
    if absent:
        raise ProblemError(
            404,
            "not_in_matrix",
            f"{absent[0]} is not in the matrix: it holds the {len(places)} most traded symbols.",
        )
    kept = [places[each] for each in dict.fromkeys(wanted)]
    document["symbols"] = [document["symbols"][place] for place in kept]
    for field in ("correlations", "samples"):
        rows = document[field]
        document[field] = [[rows[row][column] for column in kept] for row in kept]
    return json_answer(msgspec.json.encode(document))

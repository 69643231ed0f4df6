"""Routes of what the pages draw and say beside the numbers: small lines, tracks, the day."""

from collections.abc import Collection
from typing import Annotated, Any, Final

import msgspec
from fastapi import Query, Request, Response

from virtuoso.ports import Clock
from virtuoso.web.about import about_answer
from virtuoso.web.answers import Answer, json_answer
from virtuoso.web.routes.api import Api, respond
from virtuoso.web.routes.parameters import SymbolPath
from virtuoso.web.routes.symbols import Symbols
from virtuoso.web.snapshot import Snapshot
from virtuoso.wire import keys
from virtuoso.wire.about import AboutDocument
from virtuoso.wire.charts import SparklinesDocument, TracksDocument

TAG: Final = "pages"


def add_drawn(api: Api, snapshot: Snapshot, symbols: Symbols, clock: Clock, version: str) -> None:
    """Add the small lines of the board, what runs beside candles, and the About panel's words."""

    async def lines(
        request: Request,
        wanted: Annotated[
            str,
            Query(
                alias="symbols",
                max_length=12_000,
                description="Symbols separated by commas; unknown ones are left out; none: all.",
                examples=["BTCUSDT,ETHUSDT"],
            ),
        ] = "",
    ) -> Response:
        """Closes of a day and kept scores of each symbol, as small lines of 0 to 100."""
        whole = await snapshot.document(keys.SPARKLINES)
        if whole.status != 200 or not wanted:
            return respond(request, whole)
        return respond(request, _lines_of(whole, frozenset(wanted.split(","))))

    async def tracks(request: Request, symbol: SymbolPath) -> Response:
        """Net taker volume and open interest by minute, open interest by hour, settled funding."""
        return respond(request, await snapshot.document(keys.tracks(symbols.known(symbol))))

    async def about(request: Request) -> Response:
        """The program's version, and the day's feast and prayer."""
        return respond(request, about_answer(version, clock.now()))

    api.get("/api/sparklines", lines, SparklinesDocument, tag=TAG, errors=(304, 422, 503))
    api.get(
        "/api/symbols/{symbol}/tracks",
        tracks,
        TracksDocument,
        tag=TAG,
        errors=(304, 404, 422, 503),
    )
    api.get("/api/about", about, AboutDocument, tag=TAG, errors=(304,))


def _lines_of(whole: Answer, wanted: Collection[str]) -> Answer:
    """Leave of the small lines those of some symbols."""
    document = msgspec.json.decode(whole.body, type=dict[str, Any])
    document["lines"] = [each for each in document["lines"] if each[0] in wanted]
    return json_answer(msgspec.json.encode(document))

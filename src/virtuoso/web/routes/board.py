"""The route that a page begins with: the socket's first message, compressed."""

from typing import Final

from fastapi import Request, Response

from virtuoso.domain.time import Millis
from virtuoso.ports import Clock
from virtuoso.web.answers import Answer, json_answer
from virtuoso.web.routes.api import Api, respond
from virtuoso.web.snapshot import JSON
from virtuoso.web.snapshot import Snapshot as Documents
from virtuoso.wire.client import Snapshot
from virtuoso.wire.follower import Follower
from virtuoso.wire.health import Nothing
from virtuoso.wire.messages import to_json
from virtuoso.wire.records import iso

TAG: Final = "dashboard"


def add_board(api: Api, documents: Documents, clock: Clock) -> None:
    """Add the board in the form of the socket's rows."""

    async def board(request: Request) -> Response:
        """The whole board in compact rows; a socket goes on from its sequence by `resume`."""
        found = snapshot_of(documents.follower)
        if found is None:
            return respond(request, nothing(clock.now()))
        return respond(request, json_answer(to_json(found)))

    api.get("/api/board", board, Snapshot, tag=TAG, errors=(304, 503))


def nothing(now: Millis) -> Answer:
    """Say that there is no board to begin with."""
    why = "the engine has not published a board yet"
    body = to_json(Nothing(status="error", error=why, timestamp=iso(now), reasons=(why,)))
    return Answer(body, JSON, cache_control="no-store", status=503)


def snapshot_of(follower: Follower) -> Snapshot | None:
    """What a socket that subscribes to the whole board now would be sent; None without a board."""
    reader = follower.reader
    board = reader.board
    if board is None:
        return None
    return Snapshot(
        epoch=board.epoch,
        seq=reader.seq,
        now=follower.engine_now(),
        source=board.source,
        limits=board.limits,
        cells=(),
        symbols=board.symbols,
        rows=tuple(reader.rows[each.row] for each in board.symbols if each.row in reader.rows),
        notices=follower.notices,
        replay=board.replay,
    )

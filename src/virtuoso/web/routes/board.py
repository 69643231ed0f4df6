"""The route that a page begins with: the socket's first message, compressed."""

from typing import Final

from fastapi import Request, Response

from virtuoso.web.answers import json_answer
from virtuoso.web.problems import ProblemError
from virtuoso.web.routes.api import Api, respond
from virtuoso.web.snapshot import Snapshot as Documents
from virtuoso.wire.client import Snapshot
from virtuoso.wire.follower import Follower
from virtuoso.wire.messages import to_json

TAG: Final = "dashboard"


def add_board(api: Api, documents: Documents) -> None:
    """Add the board in the form of the socket's rows."""

    async def board(request: Request) -> Response:
        """The whole board in compact rows; a socket goes on from its sequence by `resume`."""
        found = snapshot_of(documents.follower)
        if found is None:
            raise ProblemError(503, "no_board", "The engine has not published a board yet.")
        return respond(request, json_answer(to_json(found)))

    api.get("/api/board", board, Snapshot, tag=TAG, errors=(304, 503))


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

"""A choice of rows in one form, shared by all clients who made it.

Clients that stand at the same sequence get the very same bytes: a frame is made for the first of
them and kept for the others.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from virtuoso.web.socket.line import frame
from virtuoso.web.socket.projection import Projection
from virtuoso.wire.board import BoardState, Notice
from virtuoso.wire.client import Snapshot, Update
from virtuoso.wire.follower import Follower
from virtuoso.wire.messages import to_json

UNKNOWN_LISTED: Final = 100
NO_ROWS: Final = b'"rows":[]'


@dataclass(frozen=True, slots=True)
class Moment:
    """What all messages that are made at one time have in common."""

    board: BoardState
    seq: int
    now: int
    notices: tuple[Notice, ...]


class View:
    """Some rows of a projection; every row when `symbols` is None."""

    def __init__(
        self, follower: Follower, projection: Projection, symbols: frozenset[str] | None
    ) -> None:
        self.projection = projection
        self.symbols = symbols
        self.rows: tuple[int, ...] = ()
        self._reader = follower.reader
        self._unknown: tuple[str, ...] = ()
        self._made_at: Moment | None = None
        self._made: dict[tuple[int, bool], bytes] = {}
        self._joined: dict[int, tuple[bytes, int]] = {}
        self._snapshot: bytes | None = None
        self.choose()

    def choose(self) -> None:
        """Find the rows of the symbols on the board of now, after the projection began anew."""
        board = self._reader.board
        every = () if board is None else board.symbols
        if self.symbols is None:
            self.rows = tuple(each.row for each in every)
            self.projection.want(self.rows)
            return
        self.rows = tuple(each.row for each in every if each.symbol in self.symbols)
        self.projection.want(self.rows)
        unknown = self.symbols - {each.symbol for each in every}
        self._unknown = tuple(sorted(unknown))[:UNKNOWN_LISTED]

    def missed(self, seq: int) -> list[int]:
        """The rows that changed after this sequence, those whose score did first."""
        scores, others = self.projection.since(seq)
        if len(scores) + len(others) == 0:
            return []
        rows = self.rows
        first = [number for number in rows if number in scores] if scores else []
        return first + [number for number in rows if number in others] if others else first

    def records(self, moment: Moment, seq: int) -> tuple[bytes, int]:
        """The frames of all records that changed after this sequence in one piece; how many."""
        self._begin(moment)
        made = self._joined.get(seq)
        if made is None:
            rows = self.missed(seq)
            made = self._joined[seq] = b"".join(map(self.projection.record, rows)), len(rows)
        return made

    def snapshot(self, moment: Moment) -> bytes:
        """The frame of a snapshot; in the form `records` without the rows, which follow."""
        self._begin(moment)
        if self._snapshot is None:
            board = moment.board
            mine = frozenset(self.rows)
            head = Snapshot(
                epoch=board.epoch,
                seq=moment.seq,
                now=moment.now,
                source=board.source,
                limits=board.limits,
                cells=(),
                symbols=tuple(each for each in board.symbols if each.row in mine),
                rows=(),
                notices=moment.notices,
                replay=board.replay,
                unknown=self._unknown,
            )
            rows = [] if self.projection.form == "records" else self.present()
            self._snapshot = self._with_rows(head, rows)
        return self._snapshot

    def present(self) -> list[int]:
        """The rows that have values yet."""
        held = self._reader.rows
        return [number for number in self.rows if number in held]

    def update(self, moment: Moment, previous: int, *, notices: bool) -> bytes:
        """The frame of an update for whoever was sent everything up to `previous`.

        Empty without news. In the form `records` it carries the notices alone.
        """
        self._begin(moment)
        records = self.projection.form == "records"
        made = None if records else self._made.get((previous, notices))
        if made is None:
            rows = [] if records else self.missed(previous)
            head = Update(
                epoch=moment.board.epoch,
                seq=moment.seq,
                previous=previous,
                now=moment.now,
                source=moment.board.source,
                rows=(),
                notices=moment.notices if notices else None,
            )
            made = self._with_rows(head, rows) if rows or notices else b""
            if not records:
                self._made[previous, notices] = made
        return made

    def _begin(self, moment: Moment) -> None:
        if self._made_at is not moment:
            self._made_at = moment
            self._made.clear()
            self._joined.clear()
            self._snapshot = None

    def _with_rows(self, head: msgspec.Struct, numbers: list[int]) -> bytes:
        """Put ready rows into a message. A quote inside a string is escaped, so this finds it."""
        text = to_json(head)
        if numbers:
            rows = b",".join(map(self.projection.row, numbers))
            text = text.replace(NO_ROWS, b'"rows":[' + rows + b"]", 1)
        return frame(text)

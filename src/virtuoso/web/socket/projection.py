"""Rows as ready bytes in one form: encoded once when first needed, kept until they change."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from virtuoso.web.socket.changes import Changes
from virtuoso.web.socket.line import frame
from virtuoso.wire.board import BoardState, RowSymbol
from virtuoso.wire.client import FieldsUpdate, Form, MarketUpdate
from virtuoso.wire.follower import Follower
from virtuoso.wire.messages import to_json
from virtuoso.wire.records import iso, record_of
from virtuoso.wire.symbols import SymbolRecord

Fields = tuple[str, ...]


class Since(NamedTuple):
    """What changed after a sequence, the same for all who stand there."""

    scores: frozenset[int]
    """Rows whose score or state did."""
    others: frozenset[int]


class Encodings:
    """How often anything of a row was encoded, of all projections together."""

    def __init__(self) -> None:
        self.made = 0


class Projection:
    """All rows in one form; `fields` narrows records, and then what counts as a change too."""

    def __init__(
        self,
        follower: Follower,
        changes: Changes,
        form: Form,
        fields: Fields | None,
        counted: Encodings,
    ) -> None:
        self.form = form
        self.fields = fields
        self._follower = follower
        self._all = changes
        self._counted = counted
        self._ready: dict[int, bytes] = {}
        self._held: dict[int, object] = {}
        self._doubtful: set[int] = set()
        self._own: dict[int, int] = {}
        self._wanted: Counter[int] = Counter()
        self._since: dict[int, Since] = {}
        self._since_at = -1
        self._symbols: tuple[BoardState | None, dict[int, RowSymbol]] = (None, {})

    @property
    def changed(self) -> Mapping[int, int]:
        """By row: the sequence of the last change that shows in this form."""
        return self._all.rows if self.fields is None else self._own

    def begin(self) -> None:
        """Drop everything: there is a new board, and its rows are yet to be wanted."""
        self._ready.clear()
        self._held.clear()
        self._doubtful.clear()
        self._wanted.clear()
        self._since.clear()
        self._own = dict(self._all.rows)

    def note(self, numbers: Iterable[int]) -> None:
        """These rows changed; with `fields` it is yet to be seen whether that shows."""
        self._since.clear()
        if self.fields is not None:
            self._doubtful.update(numbers)
            return
        for number in numbers:
            self._ready.pop(number, None)

    def want(self, numbers: Iterable[int]) -> None:
        """One more view shows these rows."""
        self._wanted.update(numbers)

    def want_no_more(self, numbers: Iterable[int]) -> None:
        """One view less shows these rows."""
        self._wanted.subtract(numbers)
        self._wanted += Counter()

    def since(self, seq: int) -> Since:
        """The rows that somebody wants and that changed after this sequence."""
        self._settle()
        now = self._follower.reader.seq
        if self._since_at != now:
            self._since_at = now
            self._since.clear()
        found = self._since.get(seq)
        if found is None:
            changed, scored = self.changed, self._all.scored
            rows = [number for number in self._wanted if changed.get(number, 0) > seq]
            found = self._since[seq] = Since(
                frozenset(number for number in rows if scored.get(number, 0) > seq),
                frozenset(number for number in rows if scored.get(number, 0) <= seq),
            )
        return found

    def _settle(self) -> None:
        """Find out of the rows that somebody wants which ones really changed."""
        if not self._doubtful:
            return
        self._since.clear()
        for number in self._doubtful.intersection(self._wanted):
            self._doubtful.discard(number)
            shown = self._shown(number)
            if shown != self._held.get(number):
                self._held[number] = shown
                self._ready.pop(number, None)
                self._own[number] = self._all.rows[number]

    def row(self, number: int) -> bytes:
        """A row as a JSON array."""
        ready = self._ready.get(number)
        if ready is None:
            ready = self._ready[number] = to_json(self._follower.reader.rows[number])
            self._counted.made += 1
        return ready

    def record(self, number: int) -> bytes:
        """A row as a frame with its whole message, record or fields."""
        ready = self._ready.get(number)
        if ready is None:
            ready = self._ready[number] = frame(to_json(self._message(number)))
            if self.fields is not None:
                self._held.setdefault(number, self._shown(number))
            self._counted.made += 1
        return ready

    def _record(self, number: int) -> SymbolRecord:
        return record_of(self._follower.reader.rows[number], self._symbol(number))

    def _shown(self, number: int) -> object:
        """What a reader of the fields sees of a row."""
        record = self._record(number)
        return self._data(record), record.as_of, record.state, record.reason, record.quality

    def _data(self, record: SymbolRecord) -> dict[str, object]:
        return {name: getattr(record, name) for name in self.fields or ()}

    def _message(self, number: int) -> MarketUpdate | FieldsUpdate:
        record = self._record(number)
        epoch = self._follower.reader.epoch or ""
        seq = self._all.rows[number]
        timestamp = iso(self._follower.reader.engine_now)
        if self.fields is None:
            return MarketUpdate(
                record.symbol, record, timestamp, epoch, seq, record.as_of, record.source
            )
        return FieldsUpdate(
            symbol=record.symbol,
            data=self._data(record),
            quality={
                name: each
                for name, each in record.quality.items()
                if name.split(".")[0] in self.fields
            },
            timestamp=timestamp,
            epoch=epoch,
            seq=seq,
            as_of=record.as_of,
            source=record.source,
            state=record.state,
            reason=record.reason,
        )

    def _symbol(self, number: int) -> RowSymbol:
        """The name of a row; the board's names are arranged once a board."""
        board = self._follower.reader.board
        if self._symbols[0] is not board:
            every = () if board is None else board.symbols
            self._symbols = (board, {each.row: each for each in every})
        return self._symbols[1][number]

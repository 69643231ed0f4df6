"""In which sequence each row changed last: what a client missed follows from its own sequence.

This is a ring of one turn: of each row only the newest change is kept, since a client is sent the
newest value only. It is as large as the board, however long a client was away.
"""

from collections.abc import Iterable

from virtuoso.wire.board import ScoreRow
from virtuoso.wire.reader import BoardReader


class Changes:
    """Follows a reader of the board; told of each change right after the reader took it."""

    def __init__(self, reader: BoardReader) -> None:
        self._reader = reader
        self._scores: dict[int, tuple[object, ...]] = {}
        self.rows: dict[int, int] = {}
        """By row: the sequence of its last change."""
        self.scored: dict[int, int] = {}
        """By row: the sequence in which its score or its state changed last."""
        self.floor = 0
        """The sequence of the board: of changes up to it nothing is known."""

    def begin(self) -> None:
        """Start over with a new board."""
        self.floor = self._reader.seq
        self.rows = dict.fromkeys(self._reader.rows, self.floor)
        self.scored = dict(self.rows)
        self._scores = {number: _score(row) for number, row in self._reader.rows.items()}

    def note(self, numbers: Iterable[int]) -> None:
        """These rows have the values of the reader's sequence."""
        seq = self._reader.seq
        for number in numbers:
            self.rows[number] = seq
            score = _score(self._reader.rows[number])
            if self._scores.get(number) != score:
                self._scores[number] = score
                self.scored[number] = seq

    def known_since(self, epoch: str, seq: int) -> bool:
        """Whether everything that changed after this sequence is known."""
        return epoch == self._reader.epoch and self.floor <= seq <= self._reader.seq


def _score(row: ScoreRow) -> tuple[object, ...]:
    return row.score, row.direction, row.state, row.reason

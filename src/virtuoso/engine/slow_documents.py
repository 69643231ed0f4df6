"""A symbol's documents that change with its candles, and not each second."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from typing import TypeAlias

from virtuoso.domain.instruments import Symbol
from virtuoso.domain.time import Timeframe
from virtuoso.engine import documents as make
from virtuoso.engine import lines
from virtuoso.engine.documents import Edition
from virtuoso.engine.lane import Lane
from virtuoso.engine.score_past import SCORE_STEP_MS
from virtuoso.engine.shelf import Shelf
from virtuoso.wire import keys
from virtuoso.wire.board import RowSymbol
from virtuoso.wire.charts import ScorePoint
from virtuoso.wire.messages import Document


class _Points:
    """The points of a market's score history: each is made once, for there are thousands."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.recalled = lane.past.recalled
        self._made: deque[ScorePoint] = deque(maxlen=lane.past.samples.maxlen)

    def newest(self) -> Sequence[ScorePoint]:
        """Give all points, oldest first."""
        known = self._made[-1].at if self._made else None
        later = list(takewhile(lambda each: each[0] != known, reversed(self.lane.past.samples)))
        self._made.extend(make.point_of(at, score) for at, score in reversed(later))
        return self._made


_Slow: TypeAlias = tuple[str, tuple[object, ...], Callable[[], Document]]


class SlowDocuments:
    """Makes candles, past scores and tracks when there is something new in them."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._points: dict[str, _Points] = {}

    def forget(self, symbol: str) -> None:
        """Know that a symbol is not on the board any more."""
        name = Symbol(symbol)
        candles = (keys.candles(name, each) for each in Timeframe)
        for key in (*candles, keys.score_history(name), keys.tracks(name)):
            self._shelf.forget(key)
        self._points.pop(symbol, None)

    def edit(
        self,
        found: dict[str, bytes],
        edition: Edition,
        symbol: RowSymbol,
        lane: Lane,
        *,
        fresh: bool,
        again: bool,
    ) -> Iterator[None]:
        """Give candles at their close, scores at their step, and both again before they expire.

        `fresh`: make what is new; what is new but not made yet is made when that is true again.
        """
        for key, mark, make_it in self._each(edition, symbol, lane):
            if fresh and self._shelf.mark(key, mark):
                self._shelf.put_to_keep(found, key, make_it())
                yield
            elif again:
                self._shelf.again(found, key)

    def _each(self, edition: Edition, symbol: RowSymbol, lane: Lane) -> Iterator[_Slow]:
        """Give each document's key, what differs once there is something new in it, its maker."""
        name, venue = make.name_of(symbol), symbol.venue
        candles, derivatives, past = lane.market.candles, lane.market.derivatives, lane.past
        holes = sum(hole.filled_at is None for hole in candles.holes)
        for timeframe in Timeframe:
            series = candles[timeframe]
            made_of = (venue, series.total, series.last_close, series.gap, holes)
            form = partial(_candles, edition, symbol, lane, timeframe)
            yield keys.candles(name, timeframe), made_of, form
        newest = past.samples[-1][0] if past.samples else 0
        scores = (venue, len(past.samples), newest, past.definitions[-1], past.recalled)
        yield keys.score_history(name), scores, partial(self._scores, edition, symbol, lane)
        minute = lane.tracks.minutes[-1].at if lane.tracks.minutes else 0
        tracks = (venue, minute, derivatives.open_interest.last_at, derivatives.funding.last_at)
        yield keys.tracks(name), tracks, partial(_tracks, edition, symbol, lane)

    def _scores(self, edition: Edition, symbol: RowSymbol, lane: Lane) -> Document:
        points = self._points_of(symbol, lane).newest()
        step, definitions = SCORE_STEP_MS, lane.past.definitions
        message = make.history_document(edition, symbol, step, points, definitions)
        return make.publish_form(edition, message, None)

    def _points_of(self, symbol: RowSymbol, lane: Lane) -> _Points:
        made = self._points.get(symbol.symbol)
        if made is None or made.lane is not lane or made.recalled != lane.past.recalled:
            made = self._points[symbol.symbol] = _Points(lane)
        return made


def _candles(edition: Edition, symbol: RowSymbol, lane: Lane, timeframe: Timeframe) -> Document:
    candles = lane.market.candles
    message = make.candles_document(edition, symbol, timeframe, candles)
    return make.publish_form(edition, message, candles[timeframe].last_close)


def _tracks(edition: Edition, symbol: RowSymbol, lane: Lane) -> Document:
    return make.publish_form(edition, lines.tracks_document(edition, symbol, lane), None)

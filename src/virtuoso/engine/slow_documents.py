"""A symbol's documents that change with its candles, and not each second."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import takewhile

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
        shelf, candles = self._shelf, lane.market.candles
        name = make.name_of(symbol)
        for timeframe in Timeframe:
            series = candles[timeframe]
            key = keys.candles(name, timeframe)
            holes = sum(hole.filled_at is None for hole in candles.holes)
            mark = (symbol.venue, series.total, series.last_close, series.gap, holes)
            if fresh and shelf.mark(key, mark):
                message = make.candles_document(edition, symbol, timeframe, candles)
                form = make.publish_form(edition, message, series.last_close)
                shelf.put_to_keep(found, key, form)
                yield
            elif again:
                shelf.again(found, key)
        key = keys.score_history(name)
        points = lane.past.samples
        newest = (
            symbol.venue,
            len(points),
            points[-1][0] if points else 0,
            lane.past.definitions[-1],
            lane.past.recalled,
        )
        if fresh and shelf.mark(key, newest):
            made = self._points.get(symbol.symbol)
            if made is None or made.lane is not lane or made.recalled != lane.past.recalled:
                made = self._points[symbol.symbol] = _Points(lane)
            history = make.history_document(
                edition, symbol, SCORE_STEP_MS, made.newest(), lane.past.definitions
            )
            history_form = make.publish_form(edition, history, None)
            shelf.put_to_keep(found, key, history_form)
            yield
        elif again:
            shelf.again(found, key)
        key = keys.tracks(name)
        minutes = lane.tracks.minutes
        derivatives = lane.market.derivatives
        ends = (
            symbol.venue,
            minutes[-1].at if minutes else 0,
            derivatives.open_interest.last_at,
            derivatives.funding.last_at,
        )
        if fresh and shelf.mark(key, ends):
            tracks = make.publish_form(edition, lines.tracks_document(edition, symbol, lane), None)
            shelf.put_to_keep(found, key, tracks)
            yield
        elif again:
            shelf.again(found, key)


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

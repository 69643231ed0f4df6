"""Whole streams, spoiled, through decoder, door, books and scores, held against a reference.

After each book update: the book is the reference's, or both have none. After each second: every
score lies in 0..100 or is null with a reason, and nothing that is stored is NaN or infinite.
"""

import math
import random
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Final, Literal

import numpy as np

from fuzz.corpus import SYMBOL, Frame, Tape
from fuzz.decoders import Tally, fresh_decoder
from fuzz.mutations import BREAKING, Subject, disorder, spoil
from support.markets import history_of, pipeline_of
from support.reference_book import EventBook
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.instruments import Instrument, Symbol, Venue
from virtuoso.domain.market_data import (
    BookDelta,
    BookPolled,
    BookSnapshot,
    Connected,
    Disconnected,
    FeedEvent,
    FrameRefused,
    MarketEvent,
    Tick,
    Topic,
)
from virtuoso.domain.scores import Absent
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis
from virtuoso.engine.lane import Lane
from virtuoso.engine.requests import PollBook, Recycle, Renew
from virtuoso.engine.timeline import Timeline
from virtuoso.engine.view import MarketView

START: Final = 1_800_000_000_000 - 1_800_000_000_000 % (4 * HOUR)
POLL_MS: Final = 2 * SECOND
RELOAD_MS: Final = 10 * MINUTE
STATE_MS: Final = 2 * MINUTE

SHARES: Final = (0.003, 0.02, 0.1)
"""Of the frames that are spoiled: few let books live long, many let nothing be trusted."""
ASK_AGAIN_MS: Final = 3 * SECOND

How = Literal["order", "everything"]
"""What is spoiled: only which frames come whole and when, or also what they say."""


class WrongError(AssertionError):
    """What the way in must never let happen."""


class WayIn:
    """One market of one venue, from the first frame to the score."""

    def __init__(self, venue: Venue, seed: int, how: How, foreign: Sequence[Frame] = ()) -> None:
        """`foreign` frames are thrown in between, when what frames say is spoiled too."""
        self.tally = Tally()
        self.scores = 0
        """Cycles with a score."""
        self.books_compared = 0
        """Book updates after which there was a book, equal to the reference."""
        self._venue = venue
        self._how = how
        self._foreign = foreign
        self._draw = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
        self._share = self._draw.choice(SHARES)
        self._tape = Tape(venue, seed, START)
        self._instrument = Instrument(venue, Symbol(SYMBOL))
        self._pipeline = pipeline_of(self._instrument, venue=venue)
        self._timeline = Timeline(self._pipeline)
        self._decoder = fresh_decoder(venue)
        self._reference = EventBook()
        self._held: deque[Frame] = deque()
        """Frames on their way."""
        self._cut_off = 0
        """Steps until a lost connection is back."""
        self._polls = False
        self._give(history_of(START, instrument=self._instrument))
        self._connect()

    @property
    def _lane(self) -> Lane:
        lane = self._pipeline.lane(self._instrument)
        if lane is None:
            msg = "expected the market to be watched"
            raise WrongError(msg)
        return lane

    def run(self, executions: int, seconds: float = math.inf) -> Tally:
        """Send so many frames, or as many as the time allows. Raises WrongError."""
        end = time.monotonic() + seconds
        while self.tally.executions < executions and time.monotonic() < end:
            self._step()
        self._check_state()
        return self.tally

    def _step(self) -> None:
        frames = self._tape.step()
        if self._cut_off:
            self._cut_off -= 1
            if not self._cut_off:
                self._connect()
        else:
            self._held += disorder(frames, self._draw, self._share)
            if self._draw.random() < self._share / 2:
                self._held.rotate(1)  # one of them is overtaken by what comes later
            while self._held and not self._cut_off:
                self._read(self._spoiled(self._held.popleft()))
        now = Millis(self._tape.now)
        if self._polls and now % POLL_MS == 0:
            self._poll(now)
        if not self._cut_off and now % ASK_AGAIN_MS == 0 and not self._lane.market.book.synced:
            self._held += self._tape.begin_book()
        if now % RELOAD_MS == 0:
            self._give(history_of(now, instrument=self._instrument))
        if now % SECOND == 0:
            self._give(Tick(now))
            self._check_view()
        if now % STATE_MS == 0:
            self._check_state()

    def _spoiled(self, frame: Frame) -> Frame:
        draw = self._draw
        if draw.random() >= self._share:
            return frame
        if self._how == "order":
            return Frame(frame.route, draw.choice(BREAKING)(Subject(frame.body), draw))
        if self._foreign and draw.random() < 0.1:
            frame = draw.choice(self._foreign)
        return Frame(frame.route, spoil(Subject(frame.body), draw))

    def _read(self, frame: Frame) -> None:
        self.tally.executions += 1
        now = Millis(self._tape.now)
        try:
            events = self._decoder.frame(frame.route, frame.body, now)
        except UnreadableFrameError as error:
            self.tally.refused += 1
            recycled = self._draw.random() < 0.5
            self._give(FrameRefused(self._venue, str(error)[:30], frame.body, recycled, now))
            if recycled:
                self._disconnect()
            return
        for event in events:
            self.tally.events += 1
            self._give(event)

    def _give(self, event: FeedEvent) -> None:
        """What the engine does with an event, and what a venue does with its requests."""
        book_times = self._refused_times()
        for _ in self._timeline.steps(event):
            pass
        if isinstance(event, MarketEvent) and isinstance(event.data, BookSnapshot | BookDelta):
            self._check_book(event.data, refused=self._refused_times() != book_times)
        for request in self._pipeline.requests():
            match request:
                case Renew(topic=Topic.BOOK):
                    self._held += self._tape.begin_book()
                case Recycle():
                    self._disconnect()
                case PollBook(wanted=wanted):
                    self._polls = wanted
                    if not wanted:
                        self._reference.forget()
                case _:
                    pass

    def _connect(self) -> None:
        now = Millis(self._tape.now)
        self._give(Connected(self._venue, frozenset({self._instrument}), now))
        self._held += self._tape.begin_book()

    def _disconnect(self) -> None:
        self._cut_off = self._draw.randrange(1, 60)
        self._held.clear()
        self._decoder = fresh_decoder(self._venue)
        self._reference.forget()
        now = Millis(self._tape.now)
        self._give(Disconnected(self._venue, frozenset({self._instrument}), "recycled", now))

    def _poll(self, now: Millis) -> None:
        bids, asks = self._tape.truth[max(self._tape.truth)]
        snapshot = BookSnapshot(sorted(bids.items(), reverse=True), sorted(asks.items()), 0)
        event = MarketEvent(self._instrument, snapshot, now, now)
        self._give(BookPolled(self._instrument, event, now))
        if self._lane.book_trust.distrusted_since is not None:
            self._reference.forget()
            self._reference.apply(snapshot)
        self._compare()

    def _refused_times(self) -> int:
        counters = self._pipeline._door.counters
        return sum(counters.get((kind, "time"), 0) for kind in ("BookDelta", "BookSnapshot"))

    def _check_book(self, data: BookSnapshot | BookDelta, *, refused: bool) -> None:
        """Let the reference follow, unless the event's times were refused, and compare."""
        if self._lane.book_trust.distrusted_since is not None:
            if not self._polls:
                self._reference.forget()  # it was distrusted with this very update
        elif not refused:
            self._reference.apply(data)
        elif isinstance(data, BookDelta):
            self._reference.forget()
        self._compare()

    def _compare(self) -> None:
        book, reference = self._lane.market.book, self._reference
        if book.synced is not reference.synced:
            msg = f"the book has synced={book.synced}, the reference {reference.synced}"
            raise WrongError(msg)
        if (list(book.bids), list(book.asks)) != reference.levels():
            msg = f"the book is {book.levels(5)}, the reference {reference.levels()}"
            raise WrongError(msg)
        if not book.synced:
            return
        self.books_compared += 1
        if self._how == "order" and not self._polls:
            truth = self._tape.truth.get(book.sequence)
            if truth is None or truth != (reference.bids, reference.asks):
                msg = f"the book at {book.sequence} is not the one the venue had then"
                raise WrongError(msg)

    def _check_view(self) -> None:
        cycle = self._pipeline.view()
        if cycle is None:
            return
        for view in cycle.markets:
            self._check_scores(view)

    def _check_scores(self, view: MarketView) -> None:
        score = view.score
        self.scores += score.score is not None
        named: dict[str, float | None] = {"score": score.score, "live": view.live_score}
        free: list[float | None] = [score.z, view.score_change_1h]
        free += [view.price.value, view.change_24h.value, view.turnover_24h.value]
        free += [view.funding_8h.value, view.open_interest_change_1h.value]
        for name, part in score.components.items():
            if isinstance(part, Absent):
                continue
            named[name] = part.score
            free += [part.z, part.completeness, part.freshness]
            for each in part.members:
                named[f"{name}.{each.name}"] = each.score
                free += [each.x, each.z]
                if (each.score is None) is (each.reason is None):
                    msg = f"{name}.{each.name}: expected a score or a reason, found both or none"
                    raise WrongError(msg)
        for what, value in named.items():
            if value is not None and not 0 <= value <= 100:
                msg = f"{what} is {value}"
                raise WrongError(msg)
        wrong = [each for each in free if each is not None and not math.isfinite(each)]
        self.tally.non_finite += [f"a view holds {each}" for each in wrong]

    def _check_state(self) -> None:
        market = self._lane.market
        self._note_numbers("book", market.book)
        self._note_numbers("trades", market.trades)
        self._note_numbers("derivatives", market.derivatives)
        self._note_numbers("candles", market.candles)

    def _note_numbers(self, what: str, held: object) -> None:
        for path, number in numbers_of(held):
            if not math.isfinite(number):
                self.tally.non_finite.append(f"{what}{path} is {number}")


def numbers_of(held: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, float]]:
    """Every float in an object, with the way to it."""
    if isinstance(held, float):
        yield path, held
    elif held is None or isinstance(held, int | str | bytes | Enum) or depth > 12:
        return
    elif isinstance(held, np.ndarray):
        if held.dtype.kind == "f":
            yield from ((path, float(each)) for each in held[~np.isfinite(held)])
    elif isinstance(held, Mapping):
        for key, value in held.items():
            yield from numbers_of(value, f"{path}[{key}]", depth + 1)
    elif isinstance(held, list | tuple | deque | set | frozenset):
        for number, value in enumerate(held):
            yield from numbers_of(value, f"{path}[{number}]", depth + 1)
    elif is_dataclass(held):
        for each in fields(held):
            value = getattr(held, each.name)
            yield from numbers_of(value, f"{path}.{each.name}", depth + 1)
    elif hasattr(held, "__dict__") and not callable(held):
        for name, value in vars(held).items():
            yield from numbers_of(value, f"{path}.{name}", depth + 1)
    else:
        for name in getattr(type(held), "__slots__", ()):
            yield from numbers_of(getattr(held, name, None), f"{path}.{name}", depth + 1)

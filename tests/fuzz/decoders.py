"""Spoiled frames into the decoders: an UnreadableFrameError or events, nothing else."""

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.corpus import SYMBOL, Frame, generated, recorded
from fuzz.mutations import Subject, spoil
from virtuoso.adapters.feed.recording.decode import Decoder, decoder_of
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.instruments import Venue
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    FeedEvent,
    MarketEvent,
    Ticker,
)
from virtuoso.domain.time import Millis

NOW = Millis(1_763_700_000_500)


@dataclass
class Tally:
    """What a run has seen."""

    executions: int = 0
    refused: int = 0
    events: int = 0
    crashes: list[str] = field(default_factory=list)
    """An exception that is none of ours, with the frame."""
    non_finite: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Take another run's figures into this one's."""
        self.executions += other.executions
        self.refused += other.refused
        self.events += other.events
        self.crashes += other.crashes
        self.non_finite += other.non_finite


def frames_of(venue: Venue, seed: int, recordings: Path | None) -> list[Frame]:
    """Everything there is to spoil."""
    frames = generated(venue, seed)
    return frames if recordings is None else frames + recorded(venue, recordings)


def fresh_decoder(venue: Venue) -> Decoder:
    """A decoder for the one symbol. Raises LookupError for a venue without one."""
    decoder = decoder_of(venue, lambda symbol: symbol == SYMBOL)
    if decoder is None:
        msg = f"expected a venue with frames, found {venue}"
        raise LookupError(msg)
    return decoder


def run_decoder(
    venue: Venue, frames: Sequence[Frame], seed: int, executions: int, seconds: float = math.inf
) -> Tally:
    """Spoil and read so many frames, or as many as the time allows."""
    draw = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
    tally = Tally()
    decoder = fresh_decoder(venue)
    subjects = [(each.route, Subject(each.body)) for each in frames]
    end = time.monotonic() + seconds
    while tally.executions < executions and (tally.executions % 1_000 or time.monotonic() < end):
        route, subject = draw.choice(subjects)
        spoiled = spoil(subject, draw)
        tally.executions += 1
        try:
            events = decoder.frame(route, spoiled, NOW)
        except UnreadableFrameError:
            tally.refused += 1
        except Exception as error:  # noqa: BLE001 - what may come is the question
            tally.crashes.append(f"{venue} {type(error).__name__}: {error}; {spoiled[:400]!r}")
        else:
            tally.events += len(events)
            for event in events:
                if not all(map(math.isfinite, numbers_in(event))):
                    tally.non_finite.append(f"{venue} {event!r:.300}; {spoiled[:400]!r}")
    return tally


def numbers_in(event: FeedEvent) -> Iterator[float]:
    """The numbers of an event that the decoder vouches for; those of a ticker the door judges."""
    if not isinstance(event, MarketEvent) or isinstance(event.data, Ticker):
        return
    data = event.data
    if isinstance(data, BookDelta | BookSnapshot):
        for side in (data.bids, data.asks):
            for price, quantity in side:
                yield price
                yield quantity
    elif isinstance(data, tuple):
        yield from (each for each in data if isinstance(each, float))
    else:
        values = (getattr(data, name) for name in data.__slots__)
        yield from (each for each in values if isinstance(each, float))

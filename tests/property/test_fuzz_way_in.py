"""A bounded run of what `make fuzz` does for long: spoiled frames never do harm."""

import os
from pathlib import Path

import pytest

from fuzz.corpus import recorded
from fuzz.decoders import Tally, frames_of, fresh_decoder, run_decoder
from fuzz.way_in import How, WayIn
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.instruments import BINANCE, BYBIT, Venue
from virtuoso.domain.time import Millis

SEED = int(os.environ.get("VIRTUOSO_FUZZ_SEED", "20261121"))
DECODED = 20_000
WAY_IN = 5_000

by_venue = pytest.mark.parametrize("venue", [BYBIT, BINANCE])


def assert_harmless(tally: Tally) -> None:
    """No crash, no number that is none; and something was refused, and something got through."""
    assert tally.crashes == []
    assert tally.non_finite == []
    assert tally.refused > tally.executions // 1_000
    assert tally.events > 0


@by_venue
def test_a_spoiled_frame_gives_events_or_an_error_of_ours(venue: Venue) -> None:
    """Cut, doubled, bytes flipped, values replaced, deeply nested: never anything else."""
    assert_harmless(run_decoder(venue, frames_of(venue, SEED, None), SEED, DECODED))


@pytest.mark.recorded
@by_venue
def test_a_spoiled_frame_of_a_venue_gives_events_or_an_error_of_ours(
    venue: Venue, recordings: Path
) -> None:
    """The same with frames as the venue wrote them; unspoiled most of them are read."""
    frames = recorded(venue, recordings)
    decoder, unread = fresh_decoder(venue), 0
    for frame in frames:
        try:
            decoder.frame(frame.route, frame.body, Millis(0))
        except UnreadableFrameError:
            unread += 1
    assert len(frames) >= 20
    assert unread <= len(frames) // 20
    assert_harmless(run_decoder(venue, frames, SEED, DECODED))


@by_venue
@pytest.mark.parametrize("how", ["order", "everything"])
def test_a_spoiled_stream_gives_true_books_and_scores_or_none(venue: Venue, how: How) -> None:
    """From decoder to score: books equal a reference kept beside them, scores lie in 0..100."""
    way = WayIn(venue, SEED, how)
    assert_harmless(way.run(WAY_IN))
    assert way.books_compared > WAY_IN // 20
    assert way.scores > 10

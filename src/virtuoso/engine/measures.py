"""What the engine can say of its feeds and of itself in numbers; pure."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from virtuoso.domain.scores import State
from virtuoso.engine.pairing import Shown
from virtuoso.engine.venue_watch import VenueWatch
from virtuoso.wire.measures import Measure


def venue_measures(watch: VenueWatch) -> Iterator[Measure]:
    """Connections, refusals and order books of one venue."""
    of = {"venue": str(watch.feed.venue)}
    counters = watch.counters
    yield Measure("feed_symbols", float(len(watch.health.connected)), of)
    yield Measure("feed_reconnects_total", float(watch.health.disconnects), of)
    refused = sum(n for name, n in counters.items() if name.startswith("door_refused_total"))
    yield Measure("feed_refused_total", float(refused), of)
    yield Measure("feed_book_gaps", float(counters["book_gaps"]), of)
    yield Measure("feed_books_distrusted", float(counters["books_distrusted"]), of)
    yield Measure("queue_length", float(counters["fetches_waiting"]), {"queue": "fetches"} | of)


def input_measures(shown: Sequence[Shown], now: int) -> Iterator[Measure]:
    """Ages of every kind of input over all symbols of each venue."""
    ages: dict[tuple[str, str], list[float]] = {}
    late: dict[tuple[str, str], int] = {}
    for each in shown:
        venue = str(each.view.instrument.venue)
        for known in each.view.inputs:
            of = (venue, known.kind)
            late[of] = late.get(of, 0) + (known.state is not State.LIVE)
            if known.as_of is not None:
                ages.setdefault(of, []).append(max(0, now - known.as_of) / 1e3)
    for (venue, kind), count in late.items():
        labels = {"venue": venue, "input": kind.replace(" ", "_")}
        known_ages = ages.get((venue, kind))
        yield Measure("feed_input_late_symbols", float(count), labels)
        yield Measure("feed_input_age_seconds", max(known_ages) if known_ages else None, labels)
        middle = median(known_ages) if known_ages else None
        yield Measure("feed_input_median_age_seconds", middle, labels)


def channel_measures(counts: Iterable[tuple[str, int, int, int]]) -> Iterator[Measure]:
    """Messages of each channel: sent, given up, and tries that failed."""
    for channel, sent, dead, retried in counts:
        of = {"channel": channel}
        yield Measure("alerts_sent_total", float(sent), of)
        yield Measure("alerts_failed_total", float(dead), of)
        yield Measure("alerts_retried_total", float(retried), of)

"""Which symbols came and went at a venue, told for a while."""

from collections.abc import Collection, Sequence

import structlog

from virtuoso.domain.instruments import Instrument, Listing, Venue
from virtuoso.domain.time import HOUR, Millis
from virtuoso.wire.board import Notice
from virtuoso.wire.records import iso

log = structlog.get_logger()

NEWS_MS = HOUR
"""How long the page tells of what came and went."""
NEWS_KEPT = 20


class News:
    """What is told of one venue's symbols."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._told: list[Notice] = []

    def universe_changed(
        self,
        before: Collection[Instrument],
        now: Sequence[Listing],
        listed: Collection[str],
        at: Millis,
    ) -> None:
        """Tell of a change; `listed`: the symbols that the venue has, watched or not."""
        there = {each.instrument for each in now}
        came = [str(each.instrument.symbol) for each in now if each.instrument not in before]
        gone = sorted(str(each.symbol) for each in before if each not in there)
        ended = [each for each in gone if each not in listed]
        left = [each for each in gone if each in listed]
        for code, words, symbols in (
            ("symbols_came", "now watched", came),
            ("symbols_ended", "no longer listed", ended),
            ("symbols_left", "no longer among the most traded", left),
        ):
            if symbols:
                self._tell(code, f"{words}: {', '.join(symbols)}", at)

    def notices(self, listings: Sequence[Listing], now: Millis) -> tuple[Notice, ...]:
        """Say whose end is announced, and what came and went lately, `now` on our clock."""
        ending = [
            Notice(
                "delisting",
                f"{self._venue} ends {each.instrument.symbol} at {iso(each.delisting_at)}",
                each.delisting_at,
            )
            for each in listings
            if each.delisting_at is not None
        ]
        return (
            *ending,
            *(each for each in self._told if each.since and now - each.since < NEWS_MS),
        )

    def _tell(self, code: str, text: str, at: Millis) -> None:
        log.info(code, venue=self._venue, text=text)
        self._told = [*self._told, Notice(code, f"{self._venue}: {text}", at)][-NEWS_KEPT:]

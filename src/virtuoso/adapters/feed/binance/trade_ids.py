"""Aggregate trades are numbered one after the other: a number left out is a lost trade."""

from collections.abc import Mapping
from typing import Final

from virtuoso.domain.instruments import Instrument
from virtuoso.domain.time import SECOND

PATIENCE_MS: Final = 2 * SECOND
"""A number left out may still come: trades arrive late, or out of their order."""
_MOST_AWAITED: Final = 1_000
"""Numbers of one instrument that may be awaited; more than that come in no wrong order."""


class TradeIds:
    """The highest number of each instrument, and those below it that did not come."""

    def __init__(self) -> None:
        self._last: Final[dict[Instrument, int]] = {}
        self._awaited: Final[dict[Instrument, dict[int, int]]] = {}
        """Numbers left out, and since when."""
        self._given_up: Final[dict[Instrument, int]] = {}

    def last(self, instrument: Instrument) -> int | None:
        """The highest number that came, if one did."""
        return self._last.get(instrument)

    def note(self, instrument: Instrument, number: int, now_ms: int) -> None:
        """Take the number of a trade that came, at a monotonic time."""
        last = self._last.get(instrument)
        if last is None or number > last:
            self._last[instrument] = number
            if last is not None and number > last + 1:
                self._open_hole(instrument, last + 1, number, now_ms)
        elif instrument in self._awaited:
            self._awaited[instrument].pop(number, None)

    def lost(self, now_ms: int) -> Mapping[Instrument, int]:
        """How many numbers were waited for in vain since the last time this was asked."""
        lost = dict(self._given_up)
        self._given_up.clear()
        for instrument, awaited in list(self._awaited.items()):
            late = [each for each, since in awaited.items() if now_ms - since > PATIENCE_MS]
            for each in late:
                del awaited[each]
            if late:
                lost[instrument] = lost.get(instrument, 0) + len(late)
            if not awaited:
                del self._awaited[instrument]
        return lost

    def forget(self, instrument: Instrument) -> None:
        """Begin anew with the next trade: that those until then are missing is known otherwise."""
        self._last.pop(instrument, None)
        self._awaited.pop(instrument, None)
        self._given_up.pop(instrument, None)

    def _open_hole(self, instrument: Instrument, first: int, end: int, now_ms: int) -> None:
        awaited = self._awaited.setdefault(instrument, {})
        if len(awaited) + end - first > _MOST_AWAITED:
            known = self._given_up.get(instrument, 0)
            self._given_up[instrument] = known + end - first
        else:
            awaited.update(dict.fromkeys(range(first, end), now_ms))

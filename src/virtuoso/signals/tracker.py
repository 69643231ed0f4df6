"""The signals of one series: turns open and leave them, candles close them. Pure."""

from collections.abc import Iterable, Sequence

from virtuoso.domain.history import Series
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import Direction
from virtuoso.domain.signals import Outcome, Signal
from virtuoso.domain.time import Millis
from virtuoso.signals.course import REOPEN_MS, advance, expires_at, left, opened, returned
from virtuoso.signals.turns import Turn


class Tracker:
    """Holds the open signal of a series, and those that only wait for the candle that ends them.

    Everything it knows is in the signals, so that a restart goes on with what was kept of them.
    """

    def __init__(self, series: Series, signals: Iterable[Signal] = ()) -> None:
        """`signals`: what is open already."""
        self.series = series
        self._open = {each.id: each for each in signals if each.is_open}

    @property
    def open(self) -> Sequence[Signal]:
        """Signals that may still change, oldest first."""
        return sorted(self._open.values(), key=lambda each: each.opened_at)

    def turn(self, turn: Turn, *, is_per_coin: bool = True) -> list[Signal]:
        """Take a confirmed change of direction; gives the signals that are new or changed.

        After a restart the direction begins at Neutral, which says nothing of a signal: only what
        was seen to be left is left.
        """
        changed: list[Signal] = []
        held = self._current()
        is_new = turn.after is not None and turn.after is not Direction.NEUTRAL
        if held is not None:
            if turn.after is held.direction:
                is_new = False
                if held.left_at is not None:
                    lasts = min(held.left_at + REOPEN_MS, expires_at(held))
                    if turn.at < lasts:
                        changed.append(returned(held, turn.at))
                    else:
                        is_new = True
            elif turn.after is None:
                changed.append(left(held, turn.at, Outcome.LOST_DATA))
            elif turn.after is not Direction.NEUTRAL:
                changed.append(left(held, turn.at, Outcome.REVERSED))
            elif turn.before is held.direction:
                changed.append(left(held, turn.at, Outcome.DIRECTION_LEFT))
        changed = [each for each in changed if each != self._open.get(each.id)]
        if is_new:
            changed.append(opened(self.series, turn, is_per_coin=is_per_coin))
        for each in changed:
            self._open[each.id] = each
        return changed

    def hold(self, signal: Signal) -> None:
        """Go on with a signal that was kept."""
        if signal.is_open:
            self._open.setdefault(signal.id, signal)

    def drop(self, signal: str) -> None:
        """Follow a signal no further."""
        self._open.pop(signal, None)

    def _current(self) -> Signal | None:
        """Give the newest signal whose direction may still come back."""
        lasting = (
            each for each in self._open.values() if each.left_as in {None, Outcome.DIRECTION_LEFT}
        )
        return max(lasting, key=lambda each: each.opened_at, default=None)

    def candles(self, candles: Sequence[Candle]) -> list[Signal]:
        """Take the closed one-minute candles that are known; gives the signals that changed."""
        changed = []
        for signal in self.open:
            since = signal.followed_to or signal.opened_at
            after = advance(signal, _from(candles, since))
            if after is not signal and after != signal:
                changed.append(after)
                self._open[after.id] = after
            if not after.is_open:
                del self._open[after.id]
        return changed


def _from(candles: Sequence[Candle], since: Millis) -> Sequence[Candle]:
    """Give the candles that end after an instant."""
    place = len(candles)
    while place and candles[place - 1].close_time > since:
        place -= 1
    return candles[place:]

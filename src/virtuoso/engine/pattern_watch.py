"""Runs the scans over what was computed: those over betas at their closes, the others each minute.

A number that is not fresh is not looked at: the answer is unknown then, and says why.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from virtuoso.domain.instruments import Instrument
from virtuoso.domain.scores import Reason, State
from virtuoso.domain.time import MINUTE, Millis
from virtuoso.engine.content import Content
from virtuoso.engine.pairing import Shown
from virtuoso.patterns.scans import Found, of_bitcoin, timeframe_agreement

_GOOD: Final = frozenset({State.LIVE, State.DELAYED})
SYMBOLS_AT_ONCE: Final = 10


class PatternWatch:
    """What the scans say of every symbol on the board."""

    def __init__(self) -> None:
        self._minute: int | None = None
        self._betas: tuple[Millis | None, bool] | None = None
        self._of_bitcoin: dict[Instrument, tuple[Found, ...]] = {}
        self._agreement: dict[Instrument, Found] = {}
        self.found: Mapping[str, Sequence[Found]] = {}
        """By symbol, in the order in which scans are listed."""

    def taking(self, content: Content) -> Iterator[None]:
        """Scan what is new; between two parts others get their turn."""
        at = content.second
        if at is None or content.behind_ms:
            return
        across = content.across
        fresh = across.betas_state_at(content.cycle.now) in _GOOD
        if self._betas != (across.betas_as_of, fresh):
            self._betas = (across.betas_as_of, fresh)
            self._of_bitcoin = {
                each: self._against_bitcoin(each, content, fresh=fresh) for each in across.betas
            }
            yield
        minute = at // MINUTE
        if minute != self._minute:
            self._minute = minute
            agreement: dict[Instrument, Found] = {}
            for number, shown in enumerate(content.shown):
                agreement[shown.instrument] = timeframe_agreement(shown.view.score.components)
                if number % SYMBOLS_AT_ONCE == SYMBOLS_AT_ONCE - 1:
                    yield
            self._agreement = agreement
        self.found = {each.symbol: self._of(each) for each in content.shown}

    def _against_bitcoin(
        self, instrument: Instrument, content: Content, *, fresh: bool
    ) -> tuple[Found, ...]:
        if not fresh:
            return of_bitcoin(Reason.STALE, Reason.STALE)
        across = content.across
        short = (across.short or {}).get(instrument, Reason.NO_FEED)
        return of_bitcoin(across.betas[instrument], short)

    def _of(self, shown: Shown) -> Sequence[Found]:
        found = self._of_bitcoin.get(shown.instrument)
        if found is None:
            found = of_bitcoin(Reason.NO_FEED, Reason.NO_FEED)
        agreement = self._agreement.get(shown.instrument)
        return found if agreement is None else (*found, agreement)

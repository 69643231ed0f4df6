"""A clock that a test moves by hand."""

from virtuoso.domain.time import Millis

START = 1_784_462_400_000
"""2026-07-19 12:00:00 UTC."""


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self, now: int = START, monotonic_ms: int = 1_000_000) -> None:
        self._now = now
        self._monotonic_ms = monotonic_ms

    def now(self) -> Millis:
        """Milliseconds UTC."""
        return Millis(self._now)

    def monotonic_ms(self) -> int:
        """Milliseconds since some fixed instant."""
        return self._monotonic_ms

    def advance(self, ms: int) -> None:
        """Let time pass. Raises ValueError for a step back, which time does not take."""
        if ms < 0:
            message = f"expected time to go on, found {ms} ms"
            raise ValueError(message)
        self._now += ms
        self._monotonic_ms += ms

    def step_wall(self, ms: int) -> None:
        """Set the wall clock forth or back, as an operator or a time server would."""
        self._now += ms

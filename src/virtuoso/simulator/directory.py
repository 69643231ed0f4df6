"""Who is listed, on both venues: the one place that knows the state of a listing."""

from dataclasses import dataclass

from virtuoso.simulator.listings import Listing


@dataclass(slots=True)
class Entry:
    """The state of one listing."""

    listed: bool = True
    """Whether the venues know it; one that does not trade yet is kept for a later listing."""
    listed_at: int | None = None
    """Milliseconds UTC, of one that was listed while the venue ran: it has no older candles."""
    ends_at: int | None = None
    """Milliseconds UTC: when its trading ends, once that is announced."""
    finer: int = 1
    """By how much its announced tick is finer than the one it began with."""

    def trades(self, now_ms: int) -> bool:
        """Tell whether it can be traded now."""
        return self.listed and (self.ends_at is None or now_ms < self.ends_at)


@dataclass(frozen=True, slots=True)
class Pause:
    """Maintenance that is announced, milliseconds UTC."""

    begin: int
    end: int

    def state(self, now_ms: int) -> str:
        """Say it as Bybit does."""
        if now_ms < self.begin:
            return "scheduled"
        return "ongoing" if now_ms < self.end else "completed"


class Directory:
    """The listings of both venues by number and by name."""

    def __init__(self, listings: tuple[Listing, ...], contracts: tuple[Listing, ...] = ()) -> None:
        self.entries = [Entry() for _ in listings]
        self.pauses: list[Pause] = []
        """Oldest announcement first."""
        self._names = {each.symbol: at for at, each in enumerate(contracts)}
        self._names |= {each.symbol: at for at, each in enumerate(listings)}

    def number_of(self, symbol: str) -> int | None:
        """Return the number of a symbol as either venue writes it."""
        return self._names.get(symbol)

    def trading(self, number: int, now_ms: int) -> bool:
        """Tell whether a listing can be traded now."""
        return self.entries[number].trades(now_ms)

    def listed(self) -> list[int]:
        """Return the numbers of all that is listed."""
        return [at for at, entry in enumerate(self.entries) if entry.listed]

"""Every error of the house, drawn as a tree. Each says what to do.

VirtuosoError
    SettingsError               a setting is wrong: correct it, nothing was started
    RecordingError              a file of recorded data cannot be read: name another
    UnknownSymbolError          no such symbol: ask for one of the list
    LeaseError                  another engine is the writer: stop it, or wait as stand-by
    StateError                  what must outlive the process cannot be written or read: refuse
        ConflictError           somebody else changed it meanwhile: read it again, then decide
    NotRunningError             no Virtuoso answers at that address: start one, or name another
    FeedError                   a venue's data
        VenueUnavailableError   the network or the venue is down: retry with back-off
            RateLimitedError    the venue asks us to slow down: retry after a pause
        VenueRefusedError       the venue answered no: do not repeat the same request
        NotOfferedError         this source has no such kind of data: absent, not an error to retry
    CacheError                  a cache tier failed: treat as a miss, use the next tier
        CacheUnavailableError   the tier is lost, hung or talks garbage: leave it alone for a while
        CacheRefusedError       the tier answered no: do not repeat, others may still be served
    WireError                   bytes between processes do not decode: treat as a miss
        ValueRefusedError       a value is not what its key promises: a miss with a counted reason
"""


class VirtuosoError(Exception):
    """Base of every error raised on purpose."""


class SettingsError(VirtuosoError):
    """A setting is wrong. Correct it; nothing was started."""


class RecordingError(VirtuosoError):
    """A file of recorded data cannot be read. Name another."""


class UnknownSymbolError(VirtuosoError):
    """No such symbol. Ask for one of the list."""


class LeaseError(VirtuosoError):
    """Another engine is the one writer. Stop it, or wait until its lease ends."""


class StateError(VirtuosoError):
    """What must outlive the process cannot be written or read. Do not go on as if it were."""


class ConflictError(StateError):
    """Somebody else changed it meanwhile. Read it again, then decide."""


class NotRunningError(VirtuosoError):
    """No Virtuoso answers at that address. Start one, or name another address."""


class FeedError(VirtuosoError):
    """A venue's data could not be had."""


class VenueUnavailableError(FeedError):
    """The network or the venue is down. Retry with back-off."""


class RateLimitedError(VenueUnavailableError):
    """The venue asks us to slow down. Retry after a pause."""


class VenueRefusedError(FeedError):
    """The venue answered no. Do not repeat the same request."""


class NotOfferedError(FeedError):
    """A source has no such kind of data. It is absent, nothing to retry."""


class CacheError(VirtuosoError):
    """A cache tier failed. Treat it as a miss and use the next tier."""


class CacheUnavailableError(CacheError):
    """A tier is lost, hung or talks garbage. Leave it alone for a while."""


class CacheRefusedError(CacheError):
    """A tier answered no: read-only, full, too big. Do not repeat the same request."""


class WireError(VirtuosoError):
    """Bytes between processes do not decode or verify. Treat it as a miss."""


class ValueRefusedError(WireError):
    """A value is not what its key promises. A miss, counted under `reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

"""Every error of the house, drawn as a tree. Each says what to do.

VirtuosoError
    SettingsError               a setting is wrong: correct it, nothing was started
    RecordingError              a file of recorded data cannot be read: name another
    UnknownSymbolError          no such symbol: ask for one of the list
    RuleError                   an alert rule makes no sense: correct it, the rules before stay
    LeaseError                  another engine is the writer: stop it, or wait as stand-by
    StateError                  what must outlive the process cannot be written or read: refuse
        ConflictError           somebody else changed it meanwhile: read it again, then decide
    NotRunningError             no Virtuoso answers at that address: start one, or name another
    RequestRefusedError         a Virtuoso refused what was asked: correct it, do not repeat it
    FeedError                   a venue's data
        VenueUnavailableError   the network or the venue is down: retry with back-off
            RateLimitedError    the venue asks us to slow down: retry after a pause
        VenueRefusedError       the venue answered no: do not repeat the same request
        NotOfferedError         this source has no such kind of data: absent, not an error to retry
    CacheError                  a cache tier failed: treat as a miss, use the next tier
        CacheUnavailableError   the tier is lost, hung or talks garbage: leave it alone for a while
        CacheRefusedError       the tier answered no: do not repeat, others may still be served
    StoreError                  the store of history, signals and alerts
        StoreUnavailableError   it is locked, full, lost or slow: try again, show what you hold
        StoreRefusedError       it answered no: do not repeat the same request
        StoreDamagedError       its file is damaged: it is set aside, restore a backup
    ChannelError                an alert could not be told
        ChannelUnavailableError the channel is down, slow or busy: try again after a pause
        ChannelRefusedError     it does not take this message: do not repeat it
        ChannelGoneError        it is not there, or not for us: send nothing more
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


class RuleError(VirtuosoError):
    """An alert rule makes no sense. Correct it; the rules before stay in force.

    `field` is the place in its table, such as `when.all.0.limit`; empty where it is none alone.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class LeaseError(VirtuosoError):
    """Another engine is the one writer. Stop it, or wait until its lease ends."""


class StateError(VirtuosoError):
    """What must outlive the process cannot be written or read. Do not go on as if it were."""


class ConflictError(StateError):
    """Somebody else changed it meanwhile. Read it again, then decide."""


class NotRunningError(VirtuosoError):
    """No Virtuoso answers at that address. Start one, or name another address."""


class RequestRefusedError(VirtuosoError):
    """A Virtuoso refused what was asked of it. Correct it; do not repeat the same request."""


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


class StoreError(VirtuosoError):
    """The store failed."""


class StoreUnavailableError(StoreError):
    """The store is locked, full, lost or slow. Try again; what is held stays true."""


class StoreRefusedError(StoreError):
    """The store answered no. Do not repeat the same request."""


class StoreDamagedError(StoreError):
    """The store's file is damaged. It is set aside; restore a backup."""


class ChannelError(VirtuosoError):
    """An alert could not be told on a channel."""


class ChannelUnavailableError(ChannelError):
    """A channel is down, slow or busy. Try again after `wait_ms`, if it said how long."""

    def __init__(self, message: str, wait_ms: int | None = None) -> None:
        super().__init__(message)
        self.wait_ms = wait_ms


class ChannelRefusedError(ChannelError):
    """A channel does not take this message. Do not repeat it; others may pass."""


class ChannelGoneError(ChannelError):
    """A channel is not there, or not for us. Send nothing more until somebody looked at it."""


class WireError(VirtuosoError):
    """Bytes between processes do not decode or verify. Treat it as a miss."""


class ValueRefusedError(WireError):
    """A value is not what its key promises. A miss, counted under `reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

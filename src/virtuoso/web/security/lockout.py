"""Failures by address: five in a minute, then a lock that doubles with each further one."""

from collections import OrderedDict, deque
from ipaddress import ip_address
from typing import Final

from virtuoso.domain.time import MINUTE, SECOND
from virtuoso.ports import Clock

TRIES: Final = 5
WITHIN_MS: Final = MINUTE
FIRST_LOCK_MS: Final = MINUTE
LONGEST_LOCK_MS: Final = 60 * MINUTE
FORGET_MS: Final = 24 * 60 * MINUTE
"""After a day without a failure the next lock is a short one again."""
ADDRESSES: Final = 10_000


class _Failures:
    __slots__ = ("last", "locks", "times", "until")

    def __init__(self) -> None:
        self.times: deque[int] = deque(maxlen=TRIES)
        self.until = 0
        self.locks = 0
        self.last = 0


def group_of(address: str) -> str:
    """Whom a limit counts as one: an IPv4 address, or a /64 of IPv6, which one host may own."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:60]
    if found.version == 4:
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped) if mapped is not None else f"{int(found) >> 64:x}::/64"


class Lockout:
    """Remembers the failures of 10,000 addresses, by the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def locked_ms(self, address: str) -> int:
        """How long this address is still locked out; 0: it may try."""
        found = self._failures.get(group_of(address))
        return 0 if found is None else max(0, found.until - self._clock.monotonic_ms())

    def fail(self, address: str) -> int:
        """Count a failure. Gives how long the address is locked out now, 0 if it is not."""
        group, now = group_of(address), self._clock.monotonic_ms()
        found = self._failures.setdefault(group, _Failures())
        self._failures.move_to_end(group)
        if len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)
        if found.last and now - found.last > FORGET_MS:
            found.locks = 0
        found.last = now
        found.times.append(now)
        recent = sum(now - each < WITHIN_MS for each in found.times)
        # who failed through a lock that is over has one try, not five more
        if recent >= TRIES or found.locks:
            found.until = now + min(FIRST_LOCK_MS * 2**found.locks, LONGEST_LOCK_MS)
            found.locks = min(found.locks + 1, 10)
            found.times.clear()
        return max(0, found.until - now)

    def succeed(self, address: str) -> None:
        """Forget the failures of an address whose user showed who they are."""
        self._failures.pop(group_of(address), None)


def seconds(ms: int) -> int:
    """Whole seconds for Retry-After, never too few."""
    return -(-ms // SECOND)

"""The right to be the one writer: refused, proven, lost, and never taken on trust."""

import pytest

from virtuoso.domain.errors import CacheUnavailableError, LeaseError
from virtuoso.engine.writer import LIFE_MS, WriterLease
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.wire.messages import to_json
from virtuoso.wire.processes import Writer


class Place:
    """A place of the lease, on the clock of the test."""

    def __init__(self, clock: FakeClock, name: str = "redis") -> None:
        self.name = name
        self.dead = False
        self._clock = clock
        self._held: tuple[bytes, int] | None = None

    def _now(self) -> bytes | None:
        if self.dead:
            message = "expected an answer, found none"
            raise CacheUnavailableError(message)
        if self._held is None or self._held[1] <= self._clock.monotonic_ms():
            return None
        return self._held[0]

    async def holder(self) -> bytes | None:
        """Whoever is named."""
        return self._now()

    async def keep(self, ours: bytes, life_ms: int) -> bytes:
        """Name, or say who is named."""
        held = self._now()
        if held is not None and held != ours:
            return held
        self._held = (ours, self._clock.monotonic_ms() + life_ms)
        return ours

    async def release(self, ours: bytes) -> None:
        """Forget."""
        if self._now() == ours:
            self._held = None

    async def close(self) -> None:
        """Nothing."""


@pytest.fixture
def clock() -> FakeClock:
    """Time that the test lets pass."""
    return FakeClock()


def lease_of(clock: FakeClock, pid: int, *places: Place, gone: bool = False) -> WriterLease:
    """A claim of another process."""
    ours = Writer(f"epoch-{pid}", "here", pid, clock.now())
    return WriterLease(places, clock, ours, lambda _: gone)


async def test_without_a_place_there_is_nobody_to_ask(clock: FakeClock) -> None:
    """One process with a memory of its own is always the writer."""
    lease = lease_of(clock, 1)
    await lease.claim()
    assert await lease.may_write()
    assert lease.part().status == "pass"


async def test_the_second_is_refused_and_told_who_the_first_is(clock: FakeClock) -> None:
    """Pid, host and time of the first stand in the message."""
    place = Place(clock)
    await lease_of(clock, 1, place).claim()
    with pytest.raises(LeaseError, match=r"process 1 on here, since 20.*--standby"):
        await lease_of(clock, 2, place).claim()


async def test_after_the_lease_the_next_one_is_named(clock: FakeClock) -> None:
    """A writer that says nothing for its life makes room."""
    place = Place(clock)
    await lease_of(clock, 1, place).claim()
    clock.advance(LIFE_MS)
    second = lease_of(clock, 2, place)
    await second.claim()
    assert second.proven


async def test_who_wakes_after_its_lease_was_taken_writes_nothing(clock: FakeClock) -> None:
    """A paused process asks before it writes, finds another, and never writes again."""
    place = Place(clock)
    first, second = lease_of(clock, 1, place), None
    await first.claim()
    assert await first.may_write()
    clock.advance(LIFE_MS + 1)
    second = lease_of(clock, 2, place)
    await second.claim()
    assert not first.proven
    assert not await first.may_write()
    assert first.lost is not None
    clock.advance(10 * LIFE_MS)
    assert not await first.may_write()
    assert await second.may_write()


async def test_who_wakes_and_was_not_replaced_goes_on(clock: FakeClock) -> None:
    """A pause alone costs nothing but the question."""
    place = Place(clock)
    lease = lease_of(clock, 1, place)
    await lease.claim()
    clock.advance(10 * LIFE_MS)
    assert not lease.proven
    assert await lease.may_write()


async def test_one_place_that_lives_is_enough(clock: FakeClock) -> None:
    """With Redis dead, memcached still names us."""
    redis, memcached = Place(clock), Place(clock, "memcached")
    lease = lease_of(clock, 1, memcached, redis)
    await lease.claim()
    redis.dead = True
    clock.advance(10 * LIFE_MS)
    assert await lease.may_write()
    assert lease.part().status == "warn"
    assert "redis" in lease.part().text


async def test_with_every_place_dead_nothing_is_written_until_one_is_back(clock: FakeClock) -> None:
    """Who cannot prove it does not write; who can again goes on."""
    redis, memcached = Place(clock), Place(clock, "memcached")
    lease = lease_of(clock, 1, memcached, redis)
    redis.dead = memcached.dead = True
    await lease.claim()
    assert not await lease.may_write()
    assert lease.part().status == "fail"
    redis.dead = False
    assert await lease.may_write()


async def test_a_server_that_forgot_us_is_told_again(clock: FakeClock) -> None:
    """A restart of the server is no change of the writer."""
    place = Place(clock)
    first = lease_of(clock, 1, place)
    await first.claim()
    await place.release(await place.holder() or b"")
    clock.advance(LIFE_MS)
    assert await first.may_write()
    with pytest.raises(LeaseError):
        await lease_of(clock, 2, place).claim()


async def test_the_name_of_a_process_that_is_gone_does_not_keep_the_next_waiting(
    clock: FakeClock,
) -> None:
    """After a crash the restarted engine writes at once."""
    place = Place(clock)
    await lease_of(clock, 1, place).claim()
    second = lease_of(clock, 2, place, gone=True)
    await second.claim()
    assert second.proven


async def test_two_names_on_two_servers_are_one_before_long(clock: FakeClock) -> None:
    """After a partition the later claim stays, and the earlier one ends."""
    redis, memcached = Place(clock), Place(clock, "memcached")
    first = lease_of(clock, 1, memcached, redis)
    await first.claim()
    clock.advance(10)
    memcached.dead, redis.dead = True, False
    await first.may_write()
    memcached.dead, redis.dead = False, True
    clock.advance(LIFE_MS)
    second = lease_of(clock, 2, memcached, redis)
    await second.claim()
    redis.dead = False
    redis._held = (to_json(first.ours), clock.monotonic_ms() + LIFE_MS)
    for _ in range(5):
        clock.advance(LIFE_MS)
        redis._held = redis._held and (redis._held[0], clock.monotonic_ms() + LIFE_MS)
        memcached._held = memcached._held and (
            memcached._held[0],
            clock.monotonic_ms() + LIFE_MS,
        )
        await second.may_write()
        await first.may_write()
    assert first.lost is not None
    assert await second.may_write()


async def test_releasing_makes_room_at_once(clock: FakeClock) -> None:
    """An engine that ends on purpose lets nobody wait."""
    place = Place(clock)
    first = lease_of(clock, 1, place)
    await first.claim()
    await first.release()
    assert not first.proven
    await lease_of(clock, 2, place).claim()
